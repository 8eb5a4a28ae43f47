"""What a batch of rows says in TCP's terms: who called, how it ended, whose reset it was, what held it back. Each fact
is a column, worked out when the first rule asks for it."""

import errno
from collections.abc import Callable, Iterable
from functools import cached_property, lru_cache

import numpy as np

from tcpwatch import rows as shape
from tcpwatch import wire

SECOND_NS = 1_000_000_000
BRIEF_NS = SECOND_NS  # a shorter life is never said to have been limited or to have lingered

_AT_ITS_END_NS = SECOND_NS  # a reset this close to the end is taken to be the end


def among(numbers: Iterable[int]) -> np.ndarray:
    """(65536,) of bool, to be indexed with a column: many times faster than np.isin on short columns."""
    table = np.zeros(1 << 16, bool)
    table[list(numbers)] = True
    return table


_PEERS_RESET = among((errno.ECONNRESET, errno.EPIPE, errno.ECONNREFUSED))  # tcp_reset(), by the state it finds
# What ICMP and failed neighbour look-ups leave in sk_err (icmp_err_convert, icmpv6_err_convert), but for those that a
# firewall's reject uses and nothing else: ECONNREFUSED and EACCES
_NO_WAY = among(
    (
        *(errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EHOSTDOWN, errno.ENONET, errno.ENOPROTOOPT),
        *(errno.EOPNOTSUPP, errno.EPROTO, errno.EMSGSIZE),
    )
)
_UNMET = among((0, wire.SYN_SENT, wire.SYN_RECV, wire.LISTEN))
_GOODBYE = among((wire.TIME_WAIT, wire.LAST_ACK))
_FIN_SENT = among((wire.FIN_WAIT1, wire.FIN_WAIT2))
_UNSPOKEN = ("NOT_SPECIFIED", "ERROR")  # given where the kernel has no reason to give (6.10 has many of these)

ORPHAN_DATA, KEEPALIVE_OVER, UNREAD_AT_CLOSE = "TCP_ABORT_ON_DATA", "TCP_KEEPALIVE_TIMEOUT", "TCP_ABORT_ON_CLOSE"
LINGER2, IN_STATE = "TCP_ABORT_ON_LINGER", "TCP_STATE"


class Facts:
    """All of one length, that of rows (rows.ROW). Time spans are u8 nanoseconds, 0 where an end of them is unknown.

    reasons: names of the kernel's enum sk_rst_reason by number; () where it has none."""

    def __init__(self, rows: np.ndarray, now_ns: int, hz: int, reasons: tuple[str, ...]) -> None:
        self.rows = rows
        self.now_ns = np.uint64(max(now_ns, 0))
        self.hz = hz
        self.reasons = reasons
        self._lines = np.arange(len(rows))
        self._answers: dict[Callable[[Facts], np.ndarray], np.ndarray] = {}

    def once(self, condition: Callable[["Facts"], np.ndarray]) -> np.ndarray:
        """condition(self), worked out the first time somebody asks."""
        if condition not in self._answers:
            self._answers[condition] = condition(self)
        return self._answers[condition]

    # Where it stands

    @cached_property
    def ended(self) -> np.ndarray:
        return self._flag(shape.CLOSED)

    @cached_property
    def live(self) -> np.ndarray:
        """A connection, not a listener, and of which something is known."""
        return ~self.ended & (self.last != wire.LISTEN) & (self.last != 0)

    @cached_property
    def told(self) -> np.ndarray:
        """Ended, and how is known: a peer's reset says it although the close itself was not seen."""
        listened = self.rows["path_state"][:, 0] == wire.LISTEN
        return self.ended & (self.last != 0) & ~listened & (~self._flag(shape.VANISHED) | self.peer_reset)

    @cached_property
    def last(self) -> np.ndarray:
        """The last state of its path (CLOSE is in no path); 0 where nothing is known."""
        last = self.rows["path_state"][self._lines, self._place]
        return np.where(self.rows["path_len"] == 0, np.uint8(0), last)

    @cached_property
    def calling(self) -> np.ndarray:
        """Its own connect() was never answered with a connection."""
        by_both = (self.last == wire.SYN_RECV) & (self.rows["role"] == shape.CLIENT)  # a simultaneous open
        return (self.last == wire.SYN_SENT) | by_both

    @cached_property
    def half_open(self) -> np.ndarray:
        """A caller's handshake that was never finished."""
        return (self.last == wire.SYN_RECV) & (self.rows["role"] != shape.CLIENT)

    @cached_property
    def met(self) -> np.ndarray:
        """It was established, whether or not anybody saw it happen."""
        return ~_UNMET[self.last]

    @cached_property
    def client(self) -> np.ndarray:
        return self.rows["role"] == shape.CLIENT

    @cached_property
    def life_ns(self) -> np.ndarray:
        return _between(self.rows["opened_ns"], self.rows["closed_ns"])

    @cached_property
    def brief(self) -> np.ndarray:
        known = (self.rows["opened_ns"] != 0) & (self.rows["closed_ns"] >= self.rows["opened_ns"])
        return known & (self.life_ns < BRIEF_NS)

    # How it ended

    @cached_property
    def error(self) -> np.ndarray:
        return self.rows["error"]

    @cached_property
    def timed_out(self) -> np.ndarray:
        return self.error == errno.ETIMEDOUT

    @cached_property
    def no_way(self) -> np.ndarray:
        return _NO_WAY[self.error]

    @cached_property
    def orderly(self) -> np.ndarray:
        """Both said goodbye, or this side did and need not wait for the other's (an orphan in FIN_WAIT2)."""
        orphan = (self.last == wire.FIN_WAIT2) & (self.rows["state"] == wire.FIN_WAIT2)
        goodbye = _GOODBYE[self.last] | orphan
        cut = self._flag(shape.VANISHED | shape.ABORTED) | (self.error != 0) | self.peer_reset | self.late_data
        return self.ended & goodbye & ~cut

    @cached_property
    def peer_reset(self) -> np.ndarray:
        """The peer's reset ended it. Where both sides' were seen, the error tells whose came first: ours leaves none.
        tcp_reset() is also what the kernel calls on itself when data comes after close(), see late_data."""
        named = _PEERS_RESET[self.error] | (self.rows["resets_sent"] == 0)
        return self.ended & (self.rows["resets_received"] != 0) & named & ~self.late_data

    @cached_property
    def late_data(self) -> np.ndarray:
        """The peer sent data after this side had closed for good, and was answered with a reset: by the socket, or by
        the small one that an orphan in FIN_WAIT2 leaves behind."""
        waiting = _FIN_SENT[self.last]
        unnamed = ~self.reason_given & ~self.reset_by_linger & ~self.reset_by_unread & (self.error == errno.ECONNRESET)
        socket = waiting & self._flag(shape.ABORTED) & (self.has_reason(ORPHAN_DATA) | unnamed)
        small = (self.rows["state"] == wire.FIN_WAIT2) & ~self._reset_flag(wire.EVENT_SOCKET)
        return self.ended & (self.rows["resets_sent"] != 0) & (socket | small)

    @cached_property
    def own_reset(self) -> np.ndarray:
        """A reset of ours ended it. Others leave a connection as it is: a stray segment's answer in SYN_SENT."""
        reset_ns, closed_ns = self.rows["reset_ns"], self.rows["closed_ns"]
        apart = np.maximum(_between(reset_ns, closed_ns), _between(closed_ns, reset_ns))
        final = self._flag(shape.ABORTED) | (~self.orderly & (apart < _AT_ITS_END_NS))
        sent = (self.rows["resets_sent"] != 0) & self._reset_flag(wire.EVENT_SOCKET) & final
        return self.ended & ~self.peer_reset & (sent | self.late_data)

    @cached_property
    def newest_reset_sent(self) -> np.ndarray:
        """Else received. Reasons come with those sent, and one that ended it was its last word."""
        ends = self.own_reset | self._reset_flag(wire.EVENT_REASON)
        return (self.rows["resets_sent"] != 0) & (ends | (self.rows["resets_received"] == 0))

    @cached_property
    def reason_given(self) -> np.ndarray:
        """The kernel said why it sent the newest reset."""
        spoken = _numbers(self.reasons, None)
        return self._reset_flag(wire.EVENT_REASON) & spoken[self.rows["reset_reason"]]

    def has_reason(self, name: str) -> np.ndarray:
        return self._reset_flag(wire.EVENT_REASON) & _numbers(self.reasons, name)[self.rows["reset_reason"]]

    @cached_property
    def reset_by_unread(self) -> np.ndarray:
        return self.has_reason(UNREAD_AT_CLOSE) | (~self.reason_given & self._reset_flag(wire.EVENT_UNREAD))

    @cached_property
    def reset_by_linger(self) -> np.ndarray:
        zero = self._reset_flag(wire.EVENT_LINGER) & (self.has_reason(IN_STATE) | ~self.reason_given)
        return self.has_reason(LINGER2) | zero

    @cached_property
    def process_died(self) -> np.ndarray:
        return self._mark(shape.EXITED) | self._reset_flag(wire.EVENT_EXITING)

    @cached_property
    def keepalive_over(self) -> np.ndarray:
        """Keep-alive gave up. It is the only time-out that sends a reset."""
        guessed = self.timed_out & ~self.reason_given & ~self.orderly
        sent = self.rows["resets_sent"] != 0
        return self.ended & self.met & sent & (self.has_reason(KEEPALIVE_OVER) | guessed)

    # What was sent again, and what was in the way

    def again(self, cause: int) -> np.ndarray:
        """Segments sent again for this reason (wire.CAUSES)."""
        return np.where(self.rows["again_ns"] != 0, self.rows["causes"][:, cause], np.uint16(0))

    @cached_property
    def syns_again(self) -> np.ndarray:
        """While a call is unanswered all that is sent again is its SYN."""
        return np.where(self.last == wire.SYN_SENT, self.rows["retrans"], self.again(wire.SYN))

    @cached_property
    def synacks_again(self) -> np.ndarray:
        return np.where(self.half_open, self.rows["retrans"], self.again(wire.SYNACK))

    @cached_property
    def lost(self) -> np.ndarray:
        """Segments that had to be sent again because the path lost them, over the whole life; i8."""
        handshake = self.again(wire.SYN).astype(np.int64) + self.again(wire.SYNACK) + self.again(wire.ZERO_WINDOW)
        needless = np.minimum(self.rows["spurious"], self.rows["retrans"])
        lost: np.ndarray = np.maximum(self.rows["retrans"].astype(np.int64) - handshake - needless, 0)
        return lost

    @cached_property
    def ignored(self) -> np.ndarray:
        """Established by its own account, and nothing it sent was ever acknowledged: the other end never was."""
        silent = (self.rows["bytes_acked"] <= 1) & (self.rows["bytes_received"] == 0) & self._flag(shape.HAS_COUNTERS)
        return self.client & self.met & silent

    @cached_property
    def unanswered(self) -> np.ndarray:
        """Data of this side was not acknowledged; the kernel counts a client's SYN as acknowledged data."""
        sent = self.rows["bytes_sent"].astype(np.int64) - self.rows["bytes_retrans"].astype(np.int64)
        return (sent > self.rows["bytes_acked"].astype(np.int64) - self.client) & self._flag(shape.HAS_COUNTERS)

    @cached_property
    def since_goodbye_ns(self) -> np.ndarray:
        """From the peer's FIN to the newest reset, where this side had not closed."""
        waits = self.last == wire.CLOSE_WAIT
        return np.where(waits, _between(self._entered_ns, self.rows["reset_ns"]), np.uint64(0))

    @cached_property
    def unclaimed(self) -> np.ndarray:
        """A server's, and no process was found that has it: likely nobody has accepted it."""
        return (self.rows["role"] == shape.SERVER) & (self.rows["pid"] == 0)

    @cached_property
    def accept_queue_full(self) -> np.ndarray:
        return self._mark(shape.ACCEPT_QUEUE_FULL)

    @cached_property
    def syn_queue_full(self) -> np.ndarray:
        return self._mark(shape.SYN_QUEUE_FULL)

    @cached_property
    def stalled_at_end(self) -> np.ndarray:
        probed = (self.rows["probes"] != 0) & (self.again(wire.TIMEOUT) == 0) & self._mark(shape.STALLED)
        return (self.rows["stalled_ns"] != 0) | probed

    @cached_property
    def stalled_for_ns(self) -> np.ndarray:
        return self.since_ns("stalled_ns")

    @cached_property
    def half_closed_for_ns(self) -> np.ndarray:
        """How long the peer waited for this side's FIN, and nothing was said either way."""
        before = np.maximum(self._place, 1) - 1
        was_waiting = (self.last == wire.LAST_ACK) & (self.rows["path_state"][self._lines, before] == wire.CLOSE_WAIT)
        quiet_ns = np.maximum(self.rows["path_ns"][self._lines, before], self.rows["moved_ns"])
        past = np.where(was_waiting, _between(quiet_ns, self._entered_ns), np.uint64(0))
        waits = ~self.ended & (self.rows["state"] == wire.CLOSE_WAIT)
        return np.where(waits, self.quiet_ns, past)

    @cached_property
    def peer_half_closed_for_ns(self) -> np.ndarray:
        """How long this side, which has sent its FIN and still listens, has heard nothing."""
        waits = ~self.ended & (self.rows["state"] == wire.FIN_WAIT2)
        return np.where(waits, self.quiet_ns, np.uint64(0))

    @cached_property
    def quiet_ns(self) -> np.ndarray:
        """Since the present state was entered, or data last moved."""
        return _between(np.maximum(self._entered_ns, self.rows["moved_ns"]), self.now_ns)

    def since_ns(self, name: str) -> np.ndarray:
        return _between(self.rows[name], self.now_ns)

    # What limited it; False where the length of a tick is unknown

    def limited(self, name: str, share: float, least_s: float) -> np.ndarray:
        """Whether `name` took this share of the time with data to send, and there was enough of that."""
        busy = self.rows["busy_ticks"].astype(np.float64)
        return (busy >= max(least_s * self.hz, 1)) & (self.rows[name] >= share * busy) & (self.hz > 0)

    @cached_property
    def busy_rate(self) -> np.ndarray:
        """Bytes sent per second of the time with data to send."""
        return self.rows["bytes_sent"] * float(self.hz) / np.maximum(self.rows["busy_ticks"], 1)

    @cached_property
    def moving_s(self) -> np.ndarray:
        """From the handshake until data last moved."""
        return _between(self.rows["established_ns"], self.rows["moved_ns"]) / 1e9

    @cached_property
    def idle_share(self) -> np.ndarray:
        """Of that time, how much of it passed without data to send; 0 where unknown."""
        busy_s = self.rows["busy_ticks"] / max(self.hz, 1)
        share = 1 - busy_s / np.maximum(self.moving_s, 1e-9)
        return np.where((self.moving_s > 0) & (self.hz > 0), np.maximum(share, 0), 0)

    @cached_property
    def _place(self) -> np.ndarray:
        return np.clip(self.rows["path_len"], 1, shape.PATH).astype(np.intp) - 1

    @cached_property
    def _entered_ns(self) -> np.ndarray:
        return self.rows["path_ns"][self._lines, self._place]

    def _flag(self, bits: int) -> np.ndarray:
        return self.rows["flags"] & bits != 0

    def _mark(self, bits: int) -> np.ndarray:
        return self.rows["marks"] & bits != 0

    def _reset_flag(self, bits: int) -> np.ndarray:
        return self.rows["reset_flags"] & bits != 0


def _between(from_ns: np.ndarray, to_ns: np.ndarray | np.uint64) -> np.ndarray:
    known = (from_ns != 0) & (to_ns != 0) & (to_ns > from_ns)
    return np.where(known, to_ns - from_ns, np.uint64(0))


@lru_cache(maxsize=64)
def _numbers(reasons: tuple[str, ...], name: str | None) -> np.ndarray:
    """(65536,) of bool: which numbers mean this reason; None: which mean anything."""
    table = np.zeros(1 << 16, bool)
    for number, known in enumerate(reasons[: 1 << 16]):
        table[number] = known not in _UNSPOKEN if name is None else known == name
    return table
