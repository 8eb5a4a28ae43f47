"""Who ended a connection, and how: the first goodbye, the time between the two, and the newest reset with its reason.
Reads one row; knows nothing of who shows it."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from tcpwatch import rows as shape
from tcpwatch import wire
from tcpwatch.verdicts.facts import Facts
from tcpwatch.words import clean

Side = Literal["us", "peer", "both"]

_CUT_SHORT = "TCP_ABORT_ON_LINGER"
# What the kernel's names of the likelier reasons mean (enum sk_rst_reason, include/net/rstreason.h)
_MEANINGS = {
    "NO_SOCKET": "no socket was there for it",
    "TCP_ABORT_ON_CLOSE": "closed with received data unread",
    "TCP_ABORT_ON_DATA": "data came after it was closed",
    _CUT_SHORT: "the wait for the peer's FIN was cut short (TCP_LINGER2)",
    "TCP_ABORT_ON_MEMORY": "no memory for one more orphan",
    "TCP_STATE": "aborted by its process",
    "TCP_KEEPALIVE_TIMEOUT": "keep-alive probes had no answer",
    "TCP_DISCONNECT_WITH_DATA": "disconnected with data not yet sent",
    "TCP_TIMEWAIT_SOCKET": "data came in TIME_WAIT",
    "TCP_ACK_UNSENT_DATA": "the peer acknowledged what was never sent",
    "TCP_INVALID_ACK_SEQUENCE": "an acknowledgement out of place",
    "INVALID_SYN": "a SYN in the middle of a connection",
}


@dataclass(frozen=True, slots=True)
class Goodbye:
    """first: whose FIN came first; None: nobody's so far. apart_us: how long it was half-closed, from the first FIN's
    acknowledgement to the second FIN; None = unknown. waits: the second is still to come."""

    first: Side | None
    apart_us: int | None
    waits: bool


@dataclass(frozen=True, slots=True)
class Reset:
    """The newest one. time_ns: CLOCK_MONOTONIC. reason: the kernel's name of it, "" where it gave none. meaning: in
    words, "" = unknown. inferred: the meaning is our conclusion, not the kernel's word."""

    sent: bool
    time_ns: int
    reason: str
    meaning: str
    inferred: bool
    who: str


def goodbye(row: np.void, now_ns: int) -> Goodbye:
    length = int(row["path_len"])
    states, times = row["path_state"][:length].tolist(), row["path_ns"][:length].tolist()
    said: dict[int, int] = dict(zip(states, times, strict=True))
    first: Side | None = None
    if wire.CLOSING in said:
        first = "both"
    elif wire.FIN_WAIT1 in said or wire.FIN_WAIT2 in said:
        first = "us"
    elif wire.CLOSE_WAIT in said or wire.LAST_ACK in said:
        first = "peer"
    began, answers = (wire.FIN_WAIT2, wire.TIME_WAIT) if first == "us" else (wire.CLOSE_WAIT, wire.LAST_ACK)
    waits = first in ("us", "peer") and answers not in said and row["state"] != wire.CLOSE
    end_ns = now_ns if waits else said.get(answers, 0)
    begin_ns = said.get(began, 0)
    apart = (end_ns - begin_ns) // 1000 if first != "both" and begin_ns and end_ns > begin_ns else None
    return Goodbye(first, apart, waits)


def newest_reset(row: np.void, now_ns: int, reasons: tuple[str, ...]) -> Reset | None:
    """None: there was none. reasons: Host.reset_reasons."""
    if not row["resets_sent"] and not row["resets_received"]:
        return None
    facts = Facts(np.array(row, shape.ROW).reshape(1), now_ns, 0, reasons)
    name = reasons[row["reset_reason"]] if facts.reason_given[0] else ""
    sent, time_ns = bool(facts.newest_reset_sent[0]), int(row["reset_ns"])
    if not sent:
        return Reset(False, time_ns, "", _received(facts), True, "the peer, or a box that speaks for it")
    meaning, inferred = _MEANINGS.get(name, ""), False
    if facts.reset_by_linger[0]:
        meaning, inferred = _MEANINGS[_CUT_SHORT] if name == _CUT_SHORT else "SO_LINGER with 0 s", name != _CUT_SHORT
    elif not meaning and facts.reset_by_unread[0]:
        meaning, inferred = "closed with received data unread", True
    return Reset(True, time_ns, name, meaning, inferred, _sender(row, facts))


def _received(facts: Facts) -> str:
    if facts.calling[0]:
        return "nothing listens there, or a firewall refuses"
    return "while it was being closed" if facts.last[0] not in (wire.ESTABLISHED, wire.SYN_RECV) else ""


def _sender(row: np.void, facts: Facts) -> str:
    process = f"{clean(bytes(row['comm'])) or 'process'} {row['pid']}" if row["pid"] else "its process"
    if facts.process_died[0]:
        return f"the kernel: {process} was ending"
    if not row["reset_flags"] & wire.EVENT_SOCKET:
        return "the kernel, for a segment that fitted no open socket"
    return process


def abortive(row: np.void) -> bool:
    """It ended by a reset or an error, not by two goodbyes."""
    resets = row["resets_sent"] or row["resets_received"]
    over = row["flags"] & shape.CLOSED != 0 and row["state"] == wire.CLOSE
    well = row["path_len"] and row["path_state"][int(row["path_len"]) - 1] in (wire.TIME_WAIT, wire.LAST_ACK)
    return bool(over and (row["error"] or (resets and not well)))
