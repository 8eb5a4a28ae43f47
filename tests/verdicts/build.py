"""Rows made by hand: how connections end, as the tracker would have written it down. What a test does not name is as in
an ordinary connection of a client that asked and was answered."""

import errno
from typing import Any

import numpy as np

from tcpwatch import rows as shape
from tcpwatch import verdicts, wire
from tcpwatch.rows import ROW
from tcpwatch.verdicts import Explanation

S = 1_000_000_000
MS = 1_000_000
START = 1000 * S
HZ = 250
REASONS = (
    *("NOT_SPECIFIED", "NO_SOCKET", "TCP_INVALID_ACK_SEQUENCE", "TCP_ABORT_ON_DATA", "TCP_ABORT_ON_CLOSE"),
    *("TCP_ABORT_ON_LINGER", "TCP_ABORT_ON_MEMORY", "TCP_STATE", "TCP_KEEPALIVE_TIMEOUT"),
)
SYN_SENT, SYN_RECV, ESTABLISHED = wire.SYN_SENT, wire.SYN_RECV, wire.ESTABLISHED
FIN_WAIT1, FIN_WAIT2, TIME_WAIT = wire.FIN_WAIT1, wire.FIN_WAIT2, wire.TIME_WAIT
CLOSE_WAIT, LAST_ACK, CLOSING = wire.CLOSE_WAIT, wire.LAST_ACK, wire.CLOSING

CLIENT_FIRST = (SYN_SENT, ESTABLISHED, FIN_WAIT1, FIN_WAIT2, TIME_WAIT)
CLIENT_SECOND = (SYN_SENT, ESTABLISHED, CLOSE_WAIT, LAST_ACK)
SERVER_FIRST = (SYN_RECV, ESTABLISHED, FIN_WAIT1, FIN_WAIT2)
SERVER_SECOND = (SYN_RECV, ESTABLISHED, CLOSE_WAIT, LAST_ACK)
FOUND_OPEN = (ESTABLISHED, CLOSE_WAIT, LAST_ACK)
CONNECTED = (SYN_SENT, ESTABLISHED)
ACCEPTED = (SYN_RECV, ESTABLISHED)
CALLED = (SYN_SENT,)

SOCKET, REASON = wire.EVENT_SOCKET, wire.EVENT_REASON
NO_CAUSES = [0] * len(wire.CAUSES)


def again(**causes: int) -> dict[str, Any]:
    """Segments sent again, by the names of wire.CAUSES; the last of them half a second before `now`."""
    counts = list(NO_CAUSES)
    for name, count in causes.items():
        counts[wire.CAUSES.index(name)] = count
    return {"causes": counts, "retrans": sum(counts), "again_ns": START + 500 * MS}


def row(path: tuple[int, ...] = CLIENT_FIRST, *, took: int = 800 * MS, at: tuple[int, ...] = (), **fields: Any) -> Any:
    """(1,) ROW. took: from its first state to its end. at: when each state was entered, after START; else a millisecond
    apart, and the last one at the end less a millisecond."""
    times = at or tuple(i * MS for i in range(len(path)))
    made = np.zeros(1, ROW)
    entered = {state: START + ns for state, ns in zip(path, times, strict=True)}
    facts: dict[str, Any] = {
        "cookie": 7,
        "lport": 40_000,
        "rport": 443,
        "family": wire.INET,
        "role": {SYN_SENT: shape.CLIENT, SYN_RECV: shape.SERVER}.get(path[0], shape.UNKNOWN_ROLE),
        "state": TIME_WAIT if path[-1] == TIME_WAIT else FIN_WAIT2 if path[-1] == FIN_WAIT2 else wire.CLOSE,
        "flags": shape.CLOSED | shape.HAS_COUNTERS,
        "opened_ns": START if path[0] in (SYN_SENT, SYN_RECV) else 0,
        "established_ns": entered.get(ESTABLISHED, 0) if len(path) > 1 and path[0] != ESTABLISHED else 0,
        "closed_ns": START + took,
        "segs_out": 1 if path == CALLED else 10,
        "segs_in": 10,
        "bytes_sent": 0 if path == CALLED else 400,
        "bytes_acked": 0 if path == CALLED else 402,
        "bytes_received": 0 if path == CALLED else 1200,
        "srtt_us": 300,
        "cwnd": 10,
        "pid": 812,
        "comm": b"curl",
        "path_len": len(path),
        "path_state": [*path, *[0] * (shape.PATH - len(path))],
        "path_ns": [*(START + ns for ns in times), *[0] * (shape.PATH - len(path))],
    }
    for name, value in (facts | fields).items():
        made[name][0] = value
    return made


def live(path: tuple[int, ...] = CONNECTED, **fields: Any) -> Any:
    """One that has not ended."""
    return row(path, **{"state": path[-1], "flags": shape.HAS_COUNTERS, "closed_ns": 0, **fields})


def sent_reset(reason: str | None = None, *, flags: int = 0, **fields: Any) -> dict[str, Any]:
    """By the socket at its very end; reason: the kernel's name for it, None for a kernel without."""
    given = REASON if reason is not None else 0
    return {
        "resets_sent": 1,
        "reset_flags": SOCKET | given | flags,
        "reset_reason": REASONS.index(reason) if reason is not None else 0,
        "reset_ns": START + 800 * MS,
        "flags": shape.CLOSED | shape.HAS_COUNTERS | shape.ABORTED,
        "state": wire.CLOSE,
        **fields,
    }


def got_reset(error: int = errno.ECONNRESET, **fields: Any) -> dict[str, Any]:
    return {"resets_received": 1, "reset_flags": SOCKET, "reset_ns": START + 800 * MS, "error": error, **fields}


def judged(made: np.ndarray, now: int = START + S, reasons: tuple[str, ...] = REASONS, hz: int = HZ) -> str | None:
    """now: CLOCK_MONOTONIC."""
    (number,) = verdicts.judge(made, now, hz, reasons).tolist()
    return verdicts.CODES[number]


def explained(made: np.ndarray, now: int = START + S, reasons: tuple[str, ...] = REASONS, hz: int = HZ) -> Explanation:
    made = made.copy()
    made["verdict"] = verdicts.judge(made, now, hz, reasons)
    return verdicts.explain(made, now, hz, reasons)[0]
