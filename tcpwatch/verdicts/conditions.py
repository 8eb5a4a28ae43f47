"""What the rules ask that takes more than a line, and from which amount on something is worth a word. A verdict that
cries wolf is worse than none, so the thresholds lean to silence."""

import errno
from collections.abc import Callable

import numpy as np

from tcpwatch import rows as shape
from tcpwatch import wire
from tcpwatch.verdicts.facts import SECOND_NS, Facts, among

SHARED_PORT_NS = 1_000_000  # a port of its own that is taken is refused within the system call
STALLED_NS = 3 * SECOND_NS  # four zero-window probes: no pause for breath
NOT_CLOSED_NS = 10 * SECOND_NS  # a live process that has not noticed the end of file in this time will not
NOT_CLOSED_LONG_NS = 60 * SECOND_NS  # afterwards it is worth a word only if it took so long; pools do this on purpose
PEER_NOT_CLOSED_NS = 60 * SECOND_NS
UNACKNOWLEDGED_TIMEOUTS, UNANSWERED_PROBES = 3, 2
LOST_LEAST, LOST_SHARE = 5, 0.01
RECENT_NS = 60 * SECOND_NS
LIMITED_SHARE, LIMITED_LEAST_S = 0.5, 1.0
FAST_BYTES_S = 125e6  # a gigabit a second: whatever limits such a flow is no trouble
BULK_LEAST_S, BULK_BYTES_S, BULK_RECEIVED = 5.0, 256e3, 16_384  # a one-way flow, not questions and answers
AT_ONCE_NS = 10_000_000
IMPATIENT_NS = 20_000_000  # no time limit is as short
SILENCE_NS = 30 * SECOND_NS  # the shortest time after which boxes are known to forget
STALE_NS = SECOND_NS  # what was under way when the peer's FIN came has been answered by then

Condition = Callable[[Facts], np.ndarray]
"""Of which of them it is true, (n,) bool."""

_CLOSING = among(
    (wire.FIN_WAIT1, wire.FIN_WAIT2, wire.CLOSING, wire.CLOSE_WAIT, wire.LAST_ACK, wire.TIME_WAIT),
)
_LAST_WORDS = among((wire.FIN_WAIT1, wire.LAST_ACK, wire.CLOSING))
_REJECTED = among((errno.ECONNREFUSED, errno.EACCES))


def no_port(facts: Facts) -> np.ndarray:
    instant = (facts.rows["lport"] == 0) | (facts.life_ns < SHARED_PORT_NS)
    silent = (facts.rows["segs_out"] == 0) & (facts.rows["flags"] & shape.HAS_COUNTERS != 0)
    resets = facts.rows["resets_sent"] | facts.rows["resets_received"]
    return (facts.last == wire.SYN_SENT) & silent & instant & (facts.error == 0) & (resets == 0)


def queue_was_full(facts: Facts, marked: np.ndarray) -> np.ndarray:
    unanswered = facts.calling & ~facts.peer_reset & ((facts.error == 0) | facts.timed_out)
    delayed = facts.orderly & np.where(facts.client, facts.syns_again > 0, facts.synacks_again > 0)
    cut = facts.ignored & ~facts.orderly & ((facts.rows["retrans"] > 0) | facts.peer_reset)
    return marked & (unanswered | delayed | cut)


def queue_is_full(facts: Facts, marked: np.ndarray) -> np.ndarray:
    waits = (facts.calling & (facts.syns_again > 0)) | (facts.half_open & (facts.synacks_again > 0))
    return marked & (waits | (facts.ignored & (facts.rows["retrans"] > 0)))


def no_answer(facts: Facts) -> np.ndarray:
    given_up = (facts.error == 0) & (facts.syns_again > 0)
    return facts.calling & ~facts.peer_reset & (facts.timed_out | given_up)


def unacknowledged(facts: Facts) -> np.ndarray:
    """cwnd stays at 1 from time-out to time-out, and grows with the first acknowledgement (tcp_enter_loss)."""
    lost = (facts.rows["ca_state"] == wire.CA_STATES.index("loss")) & (facts.rows["cwnd"] <= 1)
    repeated = lost & (facts.again(wire.TIMEOUT) >= UNACKNOWLEDGED_TIMEOUTS)
    probed = (facts.rows["probes"] >= UNANSWERED_PROBES) & (facts.rows["stalled_ns"] == 0)
    return facts.met & (repeated | probed)


def lossy(facts: Facts) -> np.ndarray:
    return (facts.lost >= LOST_LEAST) & (facts.lost >= LOST_SHARE * facts.rows["segs_out"])


def lossy_now(facts: Facts) -> np.ndarray:
    again_ns = facts.since_ns("again_ns")
    return facts.met & lossy(facts) & (facts.rows["again_ns"] != 0) & (again_ns < RECENT_NS)


def limited(facts: Facts, ticks: str) -> np.ndarray:
    slow = facts.busy_rate < FAST_BYTES_S
    return facts.limited(ticks, LIMITED_SHARE, LIMITED_LEAST_S) & slow


def limited_now(facts: Facts, ticks: str) -> np.ndarray:
    moved_ns = facts.since_ns("moved_ns")
    return facts.met & limited(facts, ticks) & (facts.rows["moved_ns"] != 0) & (moved_ns < RECENT_NS)


def bulk_with_pauses(facts: Facts) -> np.ndarray:
    sent, received = facts.rows["bytes_sent"], facts.rows["bytes_received"]
    one_way = (received <= BULK_RECEIVED) & (sent >= BULK_BYTES_S * facts.moving_s)
    return (facts.moving_s >= BULK_LEAST_S) & one_way & (facts.idle_share >= LIMITED_SHARE)


def over_at_once(facts: Facts) -> np.ndarray:
    return facts.calling & (facts.life_ns != 0) & (facts.life_ns < IMPATIENT_NS)


def let_go_at_once(facts: Facts) -> np.ndarray:
    return over_at_once(facts) & ~facts.process_died


def rejected(facts: Facts) -> np.ndarray:
    return facts.calling & ~facts.peer_reset & _REJECTED[facts.error]


def closing(facts: Facts) -> np.ndarray:
    """One side's FIN, or both, were under way."""
    return _CLOSING[facts.last]


def last_words(facts: Facts) -> np.ndarray:
    """This side had closed, and its last data or its FIN was still to be acknowledged."""
    return _LAST_WORDS[facts.last]


def late_data(facts: Facts) -> np.ndarray:
    return facts.late_data


def reset_after_goodbye(facts: Facts) -> np.ndarray:
    return facts.peer_reset & np.isin(facts.last, (wire.CLOSE_WAIT, wire.LAST_ACK))


def stale(facts: Facts) -> np.ndarray:
    """The peer's FIN was long there when it was used once more."""
    return reset_after_goodbye(facts) & (facts.since_goodbye_ns >= STALE_NS)


def stale_answer(facts: Facts) -> np.ndarray:
    return stale(facts) & (facts.rows["role"] == shape.SERVER)


def stale_use(facts: Facts) -> np.ndarray:
    return stale(facts) & (facts.rows["role"] != shape.SERVER)


def shut_out(facts: Facts) -> np.ndarray:
    """The peer's window was shut, with data waiting, when its reset came."""
    return facts.peer_reset & (facts.rows["stalled_ns"] != 0)


def at_once(facts: Facts) -> np.ndarray:
    """The peer's reset came as soon as it could, before the peer had said anything."""
    early_ns = AT_ONCE_NS + facts.rows["srtt_us"].astype(np.uint64) * np.uint64(2000)
    established_ns, reset_ns = facts.rows["established_ns"], facts.rows["reset_ns"]
    known = facts.met & (established_ns != 0) & (reset_ns >= established_ns)
    return known & (reset_ns - established_ns <= early_ns) & (facts.rows["bytes_received"] == 0)


def after_silence(facts: Facts) -> np.ndarray:
    return (facts.once(silence_ns) >= SILENCE_NS) & ~shut_out(facts)


def unprovoked(facts: Facts) -> np.ndarray:
    """After a silence, and neither data nor a keep-alive probe can have asked for it: who forgot a connection answers,
    and never speaks first."""
    return after_silence(facts) & ~facts.unanswered & (facts.rows["options"] & wire.KEEPALIVE == 0)


def silence_ns(facts: Facts) -> np.ndarray:
    """How long nothing had been said when the reset came; 0 where unknown."""
    reset_ns, moved_ns = facts.rows["reset_ns"], np.maximum(facts.rows["moved_ns"], facts.rows["established_ns"])
    known = (facts.rows["moved_ns"] != 0) & (reset_ns > moved_ns)
    return np.where(known, reset_ns - moved_ns, np.uint64(0))
