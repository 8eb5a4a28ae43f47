"""What does a sender do at this moment, and what held it back so far? Worked out from the kernel's own measures of one
connection; knows nothing of who shows it."""

from dataclasses import dataclass

import numpy as np

from tcpwatch import wire

NANOS = 1_000_000_000
_OWN_MODEL = "bbr"  # steers by the path's measured rate, and uses ssthresh for nothing that a reader should know
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
    was under way and nothing but the path (congestion window, round trip) held it back, and time in which the
    application had nothing to send: NaN where only the time with data to send is known."""

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
    """What limits it at this moment: one of the names of Shares."""
    if socket["chrono"] in (wire.CHRONO_RWND, wire.CHRONO_SNDBUF):
        return "receiver" if socket["chrono"] == wire.CHRONO_RWND else "buffer"
    busy = socket["chrono"] == wire.CHRONO_BUSY and not socket["options"] & wire.APP_LIMITED
    return "path" if busy else "application"


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
