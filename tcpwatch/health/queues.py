"""Findings about listeners: queues that are full, and SYN floods."""

from collections.abc import Iterator

import numpy as np

from tcpwatch import words
from tcpwatch.health.finding import Finding, Lead
from tcpwatch.health.scene import Scene
from tcpwatch.rows import FLOOD, LOAD, SLOW_ACCEPT
from tcpwatch.verdicts import HIGH, MEDIUM

LATELY_NS = 10_000_000_000
_UPSTREAM = (
    "Filter the sources upstream if the load itself hurts. Clients that came by a cookie without timestamps have "
    "neither window scaling nor SACK."
)
_LONGER = "raise the backlog that the program gives to listen(), and net.core.somaxconn, which bounds it"


def accept_queue_full(scene: Scene) -> Iterator[Finding]:
    """The application does not accept fast enough."""
    for at in np.flatnonzero(scene.listeners["hint"] == SLOW_ACCEPT):
        listener, lately = scene.listeners[at], _lately(scene, int(at))
        drops = lately["drops"]
        room = f"{_whole(listener['accept_queue'])} wait of {_whole(listener['accept_limit'])}"
        dropped = f"{drops:,} handshakes were dropped in 10 s" if drops else "none dropped so far"
        yield _finding(
            scene,
            listener,
            code="accept_queue_full",
            severity=HIGH if drops else MEDIUM,
            what="accept queue full",
            numbers=f"{drops:,} dropped in 10 s" if drops else room,
            sentence=f"The accept queue of {_where(scene, listener)} is full ({room}): {dropped}.",
            advice=(
                "Look at the process: is it stuck, out of file descriptors, or do too few threads call accept()?",
                f"For short bursts {_LONGER}.",
            ),
            count=drops or 1,
        )


def syn_queue_full(scene: Scene) -> Iterator[Finding]:
    """Real clients come faster than the queue holds them."""
    for at in np.flatnonzero(scene.listeners["hint"] == LOAD):
        listener, lately = scene.listeners[at], _lately(scene, int(at))
        told = _dropped(lately)
        yield _finding(
            scene,
            listener,
            code="syn_queue_full",
            severity=HIGH if lately["drops"] else MEDIUM,
            what="SYN queue full",
            numbers=told,
            sentence=f"The SYN queue of {_where(scene, listener)} overflows, and handshakes do complete "
            f"({lately['accepts']:,} in 10 s): {told}.",
            advice=(f"It is load, not a flood: {_LONGER}.", *_cookies(scene, listener)),
            count=lately["drops"] or 1,
        )


def syn_flood(scene: Scene) -> Iterator[Finding]:
    """Handshakes are begun and not completed."""
    for at in np.flatnonzero(scene.listeners["hint"] == FLOOD):
        listener, lately = scene.listeners[at], _lately(scene, int(at))
        told = _dropped(lately)
        yield _finding(
            scene,
            listener,
            code="syn_flood",
            severity=HIGH if lately["drops"] else MEDIUM,
            what="SYN flood suspected",
            numbers=told,
            sentence=f"Handshakes with {_where(scene, listener)} are begun and not completed: {told}; "
            f"{_whole(listener['half_open'])} are half-open, {lately['accepts']:,} were completed.",
            advice=(
                *_cookies(scene, listener),
                _UPSTREAM,
            ),
            count=lately["drops"] or lately["cookies_sent"] or 1,
        )


def _finding(
    scene: Scene,
    listener: np.void,
    *,
    code: str,
    severity: int,
    what: str,
    numbers: str,
    sentence: str,
    advice: tuple[str, ...],
    count: int,
) -> Finding:
    key = int(listener["netns"]), int(listener["cookie"])
    where, lead = _where(scene, listener), Lead("listeners", row=key)
    return Finding(code, key, severity, what, where, numbers, sentence, advice, count, lead)


def _where(scene: Scene, listener: np.void) -> str:
    """`nginx :443`, with the address where it is not all of them."""
    raw, port, comm = listener["laddr"].tobytes(), int(listener["lport"]), words.clean(bytes(listener["comm"]))
    any_address = not any(raw[12:]) and not any(raw[:10])
    at = f":{port}" if any_address else words.endpoint(raw, port)
    return (f"{comm} {at}" if comm else at) + scene.elsewhere(int(listener["netns"]))


def _lately(scene: Scene, at: int) -> dict[str, int]:
    """Sums over the last ten seconds; what is unknown counts as none."""
    times = scene.times_ns
    recent = times + np.uint64(LATELY_NS) > times[-1] if len(times) else np.zeros(0, bool)
    points = scene.points[at, recent]
    return {
        name: int(np.nansum(points[name].astype(float)))
        for name in ("drops", "accepts", "cookies_sent", "synack_retrans")
    }


def _dropped(lately: dict[str, int]) -> str:
    names = {"drops": "dropped", "cookies_sent": "cookies sent", "synack_retrans": "SYN-ACKs repeated"}
    parts = [f"{lately[name]:,} {text}" for name, text in names.items() if lately[name]]
    return ", ".join(parts) + " in 10 s" if parts else "none dropped so far"


def _cookies(scene: Scene, listener: np.void) -> tuple[str, ...]:
    off = scene.sysctl(int(listener["netns"]), "net.ipv4.tcp_syncookies") == "0"
    return ("Set net.ipv4.tcp_syncookies=1: then a full SYN queue turns nobody away.",) if off else ()


def _whole(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:,.0f}"
