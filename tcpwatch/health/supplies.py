"""Findings about what runs out or wears off: local ports, the kernel's room for sockets and data, a NAT's patience."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tcpwatch import words
from tcpwatch.health.finding import Finding, Lead
from tcpwatch.health.groups import SERVICE, doer, gather, halves, name_of
from tcpwatch.health.scene import Scene
from tcpwatch.rows import FORGOTTEN
from tcpwatch.verdicts import HIGH, LOW, MEDIUM
from tcpwatch.verdicts.amounts import percent, span

NEAR_S, SOON_S = 60.0, 300.0  # until no port is free
IN_USE = 0.3  # of the ports: before that a projection says little
LITTLE = 0.1  # of the ports, free
FORGOTTEN_LEAST = 5
SPURIOUS_LEAST, SPURIOUS_SHARE = 100, 0.3  # segments in a minute, of those sent again
AGAIN_LEAST, AGAIN_SHARE = 500, 0.03  # likewise, of all sent; a healthy network stays below one in a hundred
_POOL = "Keep connections open and use them again (a pool)."
_REMEDIES = (
    "Or widen net.ipv4.ip_local_port_range, set net.ipv4.tcp_tw_reuse=1, or connect from more source addresses: the "
    "Ports view says what each would gain."
)


def out_of_ports(scene: Scene) -> Iterator[Finding]:
    """connect() finds no local port for a destination, or soon will not: at the present rate, or as hardly any are
    left."""
    lines = scene.ports
    with np.errstate(invalid="ignore", divide="ignore"):
        left = (lines["free"] + lines["reusable"]) / lines["ports"]
        soon = np.where(left <= 1 - IN_USE, SOON_S / np.maximum(lines["exhausted_s"], 1), 0)
        strength = np.fmax(np.nan_to_num(soon), np.nan_to_num(LITTLE / left, posinf=10.0))
    over = lines["exhausted_s"] == 0
    strength[over] = np.maximum(strength[over], 1)
    for at in np.flatnonzero(strength >= 0.5):
        yield _ports(scene, lines[at], float(left[at]), bool(over[at]), float(strength[at]))


def _ports(scene: Scene, line: np.void, left: float, over: bool, strength: float) -> Finding:
    row = int(line["netns"]), line["laddr"].tobytes(), line["raddr"].tobytes(), int(line["rport"])
    where = words.endpoint(row[2], row[3]) + scene.elsewhere(row[0])
    used, time_wait, ports = (line[name] for name in ("used", "time_wait", "ports"))
    ends_s, failures = float(line["exhausted_s"]), int(line["failures"])
    known = not np.isnan(ports)
    counted = (
        f"{used:,.0f} of {ports:,.0f} local ports are in use, {time_wait:,.0f} of these in TIME_WAIT" if known else ""
    )
    failed = f"{failures:,} connects failed for want of a port" if failures else ""
    if over:
        told = "; ".join(part for part in (counted, failed or "none is free") if part)
    elif ends_s == ends_s:
        told = f"{counted}; at this rate the last one is taken in {span(int(ends_s * 1e9))}"
    else:
        told = f"{counted}; {percent(left)} are still to be had"
    return Finding(
        code="out_of_ports",
        subject=row,
        severity=HIGH if over or ends_s <= NEAR_S else MEDIUM,
        what="out of local ports" if over else "local ports run out",
        where=where,
        numbers=f"{used:,.0f} of {ports:,.0f} taken" if known else failed.partition(" for")[0],
        sentence=f"To {where}: {told}.",
        advice=(_POOL, _REMEDIES),
        count=max(int(used), failures),
        lead=Lead("ports", row=row),
        strength=strength,
    )


def idle_forgotten(scene: Scene) -> Iterator[Finding]:
    """Only where a NAT is certain, from a private address to a public one; nobody knows what is on other ways."""
    which = scene.idle["row"][scene.idle["risk"] == FORGOTTEN]
    rows = scene.connections
    which = which[_reach(rows, which, "laddr")[0] & _reach(rows, which, "raddr")[1]]
    if len(which) * 2 < FORGOTTEN_LEAST:
        return
    patience = span(int(scene.nat_timeout_s * 1e9))
    for group in gather(rows, which, SERVICE, np.zeros(len(which), np.int64), "standing"):
        count = int(group["standing"])
        if count * 2 < FORGOTTEN_LEAST or group["places"] > 1:
            continue
        name = name_of(group, scene.home)
        where = name.text + scene.elsewhere(int(group["netns"]))
        yield Finding(
            code="idle_forgotten",
            subject=name.key,
            severity=LOW,
            what="idle for too long",
            where=where,
            numbers=f"{count:,} now",
            sentence=f"{count:,} connections{doer(group)} with {where} have been silent for more than {patience}: the "
            "NAT on the way has likely forgotten them, and what is sent next will time out or be reset.",
            advice=(
                "Switch SO_KEEPALIVE on with TCP_KEEPIDLE (or net.ipv4.tcp_keepalive_time) below what the NAT bears.",
                "Or let the pool close what is idle.",
            ),
            count=count,
            lead=Lead("idle", name.expression),
            strength=count / FORGOTTEN_LEAST,
        )


@dataclass(frozen=True, slots=True)
class Shortage:
    """What a namespace counts and should not. least: in a minute."""

    counter: str
    code: str
    severity: int
    least: int
    what: str
    meaning: str
    sentence: str
    advice: str


SHORTAGES = (
    Shortage(
        "time_wait_overflows",
        "time_wait_overflow",
        MEDIUM,
        1,
        "TIME_WAIT overflow",
        "There are too many TIME_WAITs already: connections end without theirs.",
        "{count} connections ended without their TIME_WAIT in the last minute, as there are too many already: late "
        "segments of an old connection may disturb a new one.",
        "Raise net.ipv4.tcp_max_tw_buckets (64 bytes of kernel memory each, some 250), or open fewer connections.",
    ),
    Shortage(
        "receive_queue_drops",
        "receive_queue_drops",
        MEDIUM,
        100,
        "receive buffers full",
        "There was no memory to keep segments that had arrived.",
        "{count} segments that had arrived were dropped in the last minute, as there was no memory to keep them.",
        "Compare /proc/net/sockstat (mem) with net.ipv4.tcp_mem, and look for processes that do not read (RECVQ).",
    ),
    Shortage(
        "backlog_drops",
        "backlog_drops",
        LOW,
        100,
        "socket backlog full",
        "Segments found their socket's backlog full while its process held it.",
        "{count} segments were dropped in the last minute as their socket's backlog was full.",
        "Let the process have larger buffers (net.ipv4.tcp_rmem) or more processor time; see /proc/softirqs.",
    ),
)


def shortages(scene: Scene, shortage: Shortage) -> Iterator[Finding]:
    for netns, counted in scene.counted.items():
        count = counted.get(shortage.counter, 0)
        if count * 2 >= shortage.least and count:
            yield _of_machine(
                scene,
                netns,
                code=shortage.code,
                severity=shortage.severity,
                what=shortage.what,
                numbers=f"{count:,} in 60 s",
                sentence=shortage.sentence.format(count=f"{count:,}"),
                advice=shortage.advice,
                count=count,
                strength=count / shortage.least,
            )


def sent_again(scene: Scene) -> Iterator[Finding]:
    """SYNs and SYN-ACKs are left out: those say that somebody does not answer, not that a path loses."""
    for netns, counted in scene.counted.items():
        again = counted.get("segs_retrans", 0) - counted.get("syn_retrans", 0)
        out = max(counted.get("segs_out", 0), 1)
        if again * 2 >= AGAIN_LEAST and again * 2 >= AGAIN_SHARE * out:
            yield _of_machine(
                scene,
                netns,
                code="many_retransmits",
                severity=MEDIUM,
                what="many retransmits",
                numbers=f"{percent(again / out)} in 60 s",
                sentence=f"{again:,} of {out:,} segments ({percent(again / out)}) were sent again in the last minute.",
                advice="Is it one path, or all? If all: `ip -s link` and `ethtool -S` (drops, errors), `tc -s qdisc`, "
                "then the next switch.",
                count=again,
                strength=min(again / AGAIN_LEAST, again / out / AGAIN_SHARE),
                lead=Lead("connections", "retrans > 0"),
            )


def sent_in_vain(scene: Scene) -> Iterator[Finding]:
    """The peers say so with DSACKs. One for each of the tail-loss probes is usual."""
    for netns, counted in scene.counted.items():
        count = counted.get("spurious", 0)
        base = max(counted.get("segs_retrans", 0) - counted.get("loss_probes", 0), count, 1)
        again, out = counted.get("segs_retrans", 0), max(counted.get("segs_out", 0), 1)
        strength = min(count / SPURIOUS_LEAST, count / base / SPURIOUS_SHARE, again / out / AGAIN_SHARE * 3)
        if strength >= 0.5:
            yield _of_machine(
                scene,
                netns,
                code="spurious_retransmits",
                severity=LOW,
                what="sent again in vain",
                numbers=f"{count:,} in 60 s",
                sentence=f"{count:,} of {again:,} segments sent again in the last minute had arrived already (DSACK).",
                advice="Something on the way reorders segments (bonded links, per-packet balancing) or holds them back "
                "for longer than a time-out. See net.ipv4.tcp_recovery and tcp_reordering.",
                count=count,
                strength=strength,
                lead=Lead("connections", "retrans > 0"),
            )


def _of_machine(
    scene: Scene,
    netns: int,
    *,
    code: str,
    severity: int,
    what: str,
    numbers: str,
    sentence: str,
    advice: str,
    count: int,
    strength: float,
    lead: Lead | None = None,
) -> Finding:
    there = scene.elsewhere(netns)
    picks = lead or Lead("connections")
    if there:
        picks = Lead(picks.page, f"{picks.expression} and netns = {netns}".removeprefix(" and "))
    where = there.removeprefix(" in ") or "this machine"
    return Finding(code, netns, severity, what, where, numbers, sentence, (advice,), count, picks, strength)


def _reach(connections: np.ndarray, which: np.ndarray, side: str) -> tuple[np.ndarray, np.ndarray]:
    """(private, public) addresses of IPv4: RFC 1918 and what providers share (RFC 6598); those that are nothing
    special."""
    high, low = halves(connections[side], which)
    four = (high == 0) & (low & np.uint64(0xFFFFFFFF) == 0xFFFF0000)
    first, second = (low >> np.uint64(32) & np.uint64(0xFF)), (low >> np.uint64(40) & np.uint64(0xFF))
    private = (first == 10) | ((first == 172) & (second & np.uint64(0xF0) == 16)) | ((first == 192) & (second == 168))
    private |= (first == 100) & (second & np.uint64(0xC0) == 64)
    special = private | (first == 0) | (first == 127) | (first >= 224) | ((first == 169) & (second == 254))
    return four & private, four & ~special
