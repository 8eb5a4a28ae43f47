"""What does a sender do at this moment, and what held it back so far? Worked out from the kernel's own measures of one
connection; knows nothing of who shows it."""

from dataclasses import dataclass

import numpy as np

from tcpwatch import wire

NANOS = 1_000_000_000
_OWN_MODEL = "bbr"  # steers by the path's measured rate, and uses ssthresh for nothing that a reader should know
# "": unknown, as where a queue of this machine is full
LIMITERS = ("", "receiver", "buffer", "path", "application", "pacing")
_RECEIVER, _BUFFER, _PATH, _APPLICATION, _PACING = np.arange(1, len(LIMITERS), dtype=np.uint8)
_OF_CHRONO = np.array([_APPLICATION, 0, _RECEIVER, _BUFFER], np.uint8)
_OF_BUSY = (
    *("unsent", "send_queue", "snd_wnd", "unacked", "cwnd", "mss", "srtt_us", "pacing_rate", "lost", "ca_state"),
    "options",
)
_RECOVERY = wire.CA_STATES.index("recovery")
_TIMERS = {
    wire.PENDING_RETRANSMIT: "retransmission",
    wire.PENDING_ZERO_WINDOW: "zero-window probe",
    wire.PENDING_LOSS_PROBE: "tail-loss probe",
    wire.PENDING_REORDERING: "reordering (RACK)",
}
_CA_PHASES = {"disorder": "disorder", "cwr": "CWR (reducing)", "recovery": "fast recovery", "loss": "loss recovery"}


@dataclass(frozen=True, slots=True)
class Shares:
    """Of `span_ns`, 0..1 each: time in which the receiver's window or our send buffer stopped it, time in which data
    was under way and nothing but the path (congestion window, round trip) or the pacing held it back, which the kernel
    does not tell apart, and time in which the application had nothing to send: NaN where only the time with data to
    send is known."""

    span_ns: int
    path: float
    receiver: float
    buffer: float
    application: float


def phase(row: np.void, algorithm: str) -> str | None:
    """None = unknown. algorithm: "" while unknown."""
    number = int(row["ca_state"])
    if not row["cwnd"] or number >= len(wire.CA_STATES) or not met(row):
        return None
    if number:
        return _CA_PHASES[wire.CA_STATES[number]]
    if algorithm.startswith(_OWN_MODEL):
        return f"by {algorithm}'s model"
    slow = wire.unknown_ssthresh(row["ssthresh"]) or row["cwnd"] < row["ssthresh"]  # tcp_in_slow_start()
    return "slow start" if slow else "congestion avoidance"


def met(row: np.void) -> bool:
    """It was established, now or once: only then do its measures mean anything."""
    last = row["path_state"][max(int(row["path_len"]), 1) - 1]
    return bool(row["path_len"] and last not in (wire.SYN_SENT, wire.SYN_RECV))


def under_way(socket: np.void) -> int:
    """Bytes sent and not yet acknowledged, a SYN or FIN counting one."""
    return max(0, int(socket["send_queue"]) - int(socket["unsent"]))


def limiter(socket: np.void) -> str:
    """What limits it at this moment: one of LIMITERS."""
    return LIMITERS[int(limiters(np.asarray(socket).reshape(1))[0])]


def limiters(sockets: np.ndarray) -> np.ndarray:
    """(n,) u1 into LIMITERS: what keeps each of these wire.SOCKET from sending more at this moment. Its chronograph
    tells only where the last attempt to send got to the receiver's window: one that had to wait for its turn in the
    pacing before (as BBR's do, and those with SO_MAX_PACING_RATE), or that filled cwnd, looks merely busy."""
    codes = _OF_CHRONO[np.minimum(sockets["chrono"], len(_OF_CHRONO) - 1)]
    at = np.flatnonzero(sockets["chrono"] == wire.CHRONO_BUSY)
    if len(at):
        codes[at] = _of_busy({name: sockets[name][at] for name in _OF_BUSY})
    return codes


def _of_busy(sockets: dict[str, np.ndarray]) -> np.ndarray:
    """sockets: by _OF_BUSY. It sent what it may, and waits for acknowledgements, or for its turn."""
    unsent = sockets["unsent"].astype(np.int64)
    recovers = (sockets["ca_state"] >= _RECOVERY) & (sockets["lost"] > 0)
    room = sockets["snd_wnd"].astype(np.int64) - (sockets["send_queue"].astype(np.int64) - unsent)
    shut = (room < np.minimum(unsent, sockets["mss"])) & (sockets["unacked"] < sockets["cwnd"])
    full = (sockets["options"] & wire.CWND_LIMITED != 0) | recovers
    # Where nothing else sets it, the kernel keeps it above what a window per round trip makes (tcp_update_pacing_rate)
    window = sockets["cwnd"].astype(np.float64) * sockets["mss"] * 1e6
    paced = sockets["pacing_rate"] * sockets["srtt_us"].astype(np.float64)
    slow = (paced > 0) & (paced < window)
    lazy = sockets["options"] & wire.APP_LIMITED != 0
    reasons = [(unsent == 0) & ~recovers, shut, full, slow, lazy]
    return np.select(reasons, [_APPLICATION, _RECEIVER, _PATH, _PACING, _APPLICATION], np.uint8(0)).astype(np.uint8)


def shares(row: np.void, measured_ns: int, hz: int) -> Shares | None:
    """measured_ns: when the row's tick counts were read, CLOCK_MONOTONIC. None = unknown."""
    if not hz or not row["moved_ns"]:
        return None
    busy, receiver, buffer = (
        int(row[f"{name}_ticks"]) * NANOS // hz for name in ("busy", "rwnd_limited", "sndbuf_limited")
    )
    established_ns = int(row["established_ns"])
    whole = established_ns != 0 and measured_ns > established_ns
    span_ns = max(busy, measured_ns - established_ns) if whole else busy
    if not span_ns:
        return None
    idle = (span_ns - busy) / span_ns if whole else float("nan")
    return Shares(span_ns, max(0, busy - receiver - buffer) / span_ns, receiver / span_ns, buffer / span_ns, idle)


def timer(socket: np.void) -> tuple[str, int] | None:
    """Which timer runs, and how many ticks are left; None: no retransmission timer does."""
    name = _TIMERS.get(int(socket["pending"]))
    return (name, int(socket["pending_ticks"])) if name else None
