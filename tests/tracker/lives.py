"""The ways a TCP socket can live, as the kernel's hooks and its socket iterator report them: each life is a list of
moments, and after each moment a snapshot would show something else."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tcpwatch.wire import (
    CLOSE,
    CLOSE_WAIT,
    CLOSING,
    CONGESTION,
    ESTABLISHED,
    EVENT_FIN_RECEIVED,
    EVENT_REASON,
    EVENT_SOCKET,
    FIN_WAIT1,
    FIN_WAIT2,
    FULL,
    LAST_ACK,
    LISTEN,
    RELEASED,
    REQUEST,
    RESET_RECEIVED,
    RESET_SENT,
    RETRANSMIT,
    STATE,
    SYN_RECV,
    SYN_SENT,
    SYNACK_RETRANSMIT,
    TIME_WAIT,
    TIME_WAIT_SORT,
)

Visible = tuple[tuple[int, int], ...]  # what the iterator shows: (sort, state), seldom two
GONE: Visible = ()
WAITING: Visible = ((TIME_WAIT_SORT, TIME_WAIT),)


@dataclass(frozen=True)
class Moment:
    """event: fields of a wire.EVENT; None: something that no hook reports. acts: by a process, in its own context."""

    after: Visible
    event: dict[str, Any] | None = None
    acts: bool = False


def move(old: int, new: int, *, acts: bool = False, after: Visible | None = None, **more: Any) -> Moment:
    event = {"kind": STATE, "old_state": old, "new_state": new, "flags": EVENT_SOCKET, **more}
    shown = GONE if new == CLOSE else ((FULL, new),)
    return Moment(shown if after is None else after, event, acts)


def notice(kind: int, state: int, *, after: Visible | None = None, **more: Any) -> Moment:
    event = {"kind": kind, "old_state": state, "new_state": state, "flags": EVENT_SOCKET, **more}
    shown = GONE if state == CLOSE else ((FULL, state),)
    return Moment(shown if after is None else after, event)


def unheard(*after: tuple[int, int]) -> Moment:
    return Moment(after)


# Openings

CONNECT = [move(CLOSE, SYN_SENT, acts=True, lport=0), move(SYN_SENT, ESTABLISHED)]
SIMULTANEOUS_OPEN = [move(CLOSE, SYN_SENT, acts=True), move(SYN_SENT, SYN_RECV), move(SYN_RECV, ESTABLISHED)]
STRAY_ACK = [move(CLOSE, SYN_SENT, acts=True), notice(RESET_SENT, SYN_SENT), move(SYN_SENT, ESTABLISHED)]
ACCEPT = [unheard((REQUEST, SYN_RECV)), move(SYN_RECV, ESTABLISHED, retrans=0)]
QUICK_ACCEPT = [move(SYN_RECV, ESTABLISHED, retrans=0)]
_AGAIN: dict[str, Any] = {"flags": 0, "after": ((REQUEST, SYN_RECV),)}
SLOW_ACCEPT = [
    notice(SYNACK_RETRANSMIT, SYN_RECV, count=1, **_AGAIN),
    notice(SYNACK_RETRANSMIT, SYN_RECV, count=2, **_AGAIN),
    move(SYN_RECV, ESTABLISHED, retrans=2),
]
FOUND_OPEN = [unheard((FULL, ESTABLISHED))]
OPENINGS = (CONNECT, CONNECT, SIMULTANEOUS_OPEN, STRAY_ACK, ACCEPT, QUICK_ACCEPT, SLOW_ACCEPT, FOUND_OPEN)

# Ends, from ESTABLISHED

_FIN = EVENT_SOCKET | EVENT_FIN_RECEIVED
_FIRST = [move(ESTABLISHED, FIN_WAIT1, acts=True), move(FIN_WAIT1, FIN_WAIT2)]
CLOSE_FIRST = [*_FIRST, move(FIN_WAIT2, CLOSE, flags=_FIN, after=WAITING), unheard()]
CLOSE_FIRST_ORPHAN = [
    *_FIRST,
    move(FIN_WAIT2, CLOSE, after=((TIME_WAIT_SORT, FIN_WAIT2),)),
    unheard((TIME_WAIT_SORT, TIME_WAIT)),
    unheard(),
]
CLOSE_SECOND = [
    move(ESTABLISHED, CLOSE_WAIT, flags=_FIN),
    move(CLOSE_WAIT, LAST_ACK, flags=_FIN, acts=True),
    move(LAST_ACK, CLOSE, flags=_FIN),
]
CLOSE_TOGETHER = [
    move(ESTABLISHED, FIN_WAIT1, acts=True),
    move(FIN_WAIT1, CLOSING, flags=_FIN),
    move(CLOSING, CLOSE, flags=_FIN, after=WAITING),
    unheard(),
]
CLOSE_TOGETHER_UNREAD = [*CLOSE_TOGETHER[:2], move(CLOSING, CLOSE, flags=_FIN), notice(RESET_SENT, CLOSE)]
RESET_BY_PEER = [notice(RESET_RECEIVED, ESTABLISHED), move(ESTABLISHED, CLOSE, error=104)]
_WIPED: dict[str, Any] = {"raddr": 0, "rport": 0, "bytes_sent": 0, "segs_out": 0}  # tcp_disconnect()
RESET_BY_PEER_AND_LET_GO = [*RESET_BY_PEER, Moment(GONE, notice(RELEASED, CLOSE, **_WIPED).event, acts=True)]
RESET_IN_FIN_WAIT2 = [*_FIRST, notice(RESET_RECEIVED, FIN_WAIT2), move(FIN_WAIT2, CLOSE, flags=_FIN, error=104)]
CLOSE_UNREAD = [move(ESTABLISHED, CLOSE, acts=True), notice(RESET_SENT, CLOSE)]
DATA_AFTER_CLOSE = [*_FIRST, move(FIN_WAIT2, CLOSE), notice(RESET_SENT, CLOSE)]
FIN_WAIT2_TIMEOUT = [*_FIRST, notice(RESET_SENT, FIN_WAIT2), move(FIN_WAIT2, CLOSE)]
CLOSED_TWICE = [*CLOSE_SECOND, move(CLOSE, CLOSE)]
ENDS = (
    CLOSE_FIRST,
    CLOSE_FIRST_ORPHAN,
    CLOSE_SECOND,
    CLOSE_TOGETHER,
    CLOSE_TOGETHER_UNREAD,
    RESET_BY_PEER,
    RESET_BY_PEER_AND_LET_GO,
    RESET_IN_FIN_WAIT2,
    CLOSE_UNREAD,
    DATA_AFTER_CLOSE,
    FIN_WAIT2_TIMEOUT,
    CLOSED_TWICE,
)
# A TIME_WAIT answers a stray segment with a reset: from a small socket, so without counters
LATE_RESET = [notice(RESET_SENT, CLOSE, flags=EVENT_REASON, after=WAITING)]

# Whole lives

REFUSED = [
    move(CLOSE, SYN_SENT, acts=True),
    notice(RESET_RECEIVED, SYN_SENT),
    move(SYN_SENT, CLOSE, error=111),
]
TIMED_OUT = [move(CLOSE, SYN_SENT, acts=True), notice(RETRANSMIT, SYN_SENT), move(SYN_SENT, CLOSE, error=110)]
NEVER_ACKED = [unheard((REQUEST, SYN_RECV)), *SLOW_ACCEPT[:2], unheard()]
UNACCEPTED = [*SLOW_ACCEPT[:1], move(SYN_RECV, CLOSE)]
ONLY_WAITS = [unheard((TIME_WAIT_SORT, TIME_WAIT)), unheard()]
LISTENER = [move(CLOSE, LISTEN, acts=True), move(LISTEN, CLOSE, acts=True)]
FOUND_LISTENING = [unheard((FULL, LISTEN)), move(LISTEN, CLOSE, acts=True)]

MIDDLES = (
    notice(RETRANSMIT, ESTABLISHED, count=2),
    notice(RETRANSMIT, ESTABLISHED, reason=11, flags=EVENT_SOCKET | EVENT_REASON),
    notice(CONGESTION, ESTABLISHED, reason=4, flags=EVENT_SOCKET | EVENT_REASON),
    unheard((FULL, ESTABLISHED)),
)


def any_life(chance: Random) -> list[Moment]:
    kind = chance.random()
    if kind < 0.6:
        middle = [chance.choice(MIDDLES) for _ in range(chance.randrange(3))]
        return _with_late_reset([*chance.choice(OPENINGS), *middle, *chance.choice(ENDS)], chance)
    if kind < 0.75:  # one socket, several connections
        return [moment for _ in range(chance.randrange(1, 4)) for moment in chance.choice((REFUSED, TIMED_OUT))]
    if kind < 0.8:  # connected, disconnected by connect(AF_UNSPEC), connected again while the first still waits
        return [*CONNECT, *CLOSE_FIRST[:-1], *_over(WAITING, [*CONNECT, *CLOSE_SECOND]), unheard()]
    return list(chance.choice((NEVER_ACKED, UNACCEPTED, ONLY_WAITS, LISTENER, LISTENER + LISTENER, FOUND_LISTENING)))


def _with_late_reset(moments: list[Moment], chance: Random) -> list[Moment]:
    if moments[-2].after == WAITING and chance.random() < 0.3:
        return [*moments[:-1], *LATE_RESET, moments[-1]]
    return moments


def _over(below: Visible, moments: Iterable[Moment]) -> list[Moment]:
    return [Moment(below + one.after, one.event, one.acts) for one in moments]


@dataclass
class Socket:
    """One socket under way through its moments."""

    cookie: int
    netns: int
    ends: dict[str, Any]
    moments: list[Moment]
    pid: int
    comm: bytes
    visible: Visible = GONE
    since_ns: int = 0
    counters: dict[str, int] = field(default_factory=dict)

    def held(self) -> bool:
        """Whether a descriptor leads to it: not to half-open ones and those that only wait."""
        return any(sort == FULL for sort, _ in self.visible)
