"""Is it told rightly who ended a connection, and how?"""

import errno

import pytest

from tcpwatch import rows as shape
from tcpwatch import wire
from tcpwatch.tracker.ending import Goodbye, abortive, goodbye, newest_reset

from .one import at, row

NAN = float("nan")
REASONS = ("NOT_SPECIFIED", "NO_SOCKET", "TCP_ABORT_ON_CLOSE", "TCP_STATE", "TCP_ABORT_ON_LINGER", "ODD")
MET, OURS, ACKED, WAITS = wire.ESTABLISHED, wire.FIN_WAIT1, wire.FIN_WAIT2, wire.TIME_WAIT
OVER = {"state": wire.CLOSE, "flags": shape.CLOSED | shape.HAS_COUNTERS}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (((MET, 0),), Goodbye(None, None, False)),
        (((MET, 0), (OURS, 1)), Goodbye("us", None, True)),
        (((MET, 0), (OURS, 1), (ACKED, 2)), Goodbye("us", 7_000_000, True)),
        (((MET, 0), (OURS, 1), (ACKED, 2), (WAITS, 5)), Goodbye("us", 3_000_000, False)),
        (((ACKED, NAN), (WAITS, 5)), Goodbye("us", None, False)),
        (((MET, 0), (wire.CLOSE_WAIT, 4)), Goodbye("peer", 5_000_000, True)),
        (((MET, 0), (wire.CLOSE_WAIT, 4), (wire.LAST_ACK, 6)), Goodbye("peer", 2_000_000, False)),
        (((MET, 0), (OURS, 1), (wire.CLOSING, 2), (WAITS, 3)), Goodbye("both", None, False)),
    ],
)
def test_who_closed_first(path: tuple[tuple[int, float], ...], expected: Goodbye) -> None:
    """By the states it went through; half-closed from the acknowledged FIN to the other one, nine seconds in."""
    assert goodbye(row(*path), at(9)) == expected


def test_no_goodbye_is_awaited_after_the_end() -> None:
    """A reset in CLOSE_WAIT."""
    assert goodbye(row((MET, 0), (wire.CLOSE_WAIT, 4), **OVER), at(9)) == Goodbye("peer", None, False)


SENT = wire.EVENT_SOCKET | wire.EVENT_REASON


@pytest.mark.parametrize(
    ("facts", "reason", "meaning", "inferred"),
    [
        ({"reset_reason": 2, "reset_flags": SENT}, "TCP_ABORT_ON_CLOSE", "closed with received data unread", False),
        ({"reset_flags": wire.EVENT_SOCKET | wire.EVENT_UNREAD}, "", "closed with received data unread", True),
        ({"reset_flags": wire.EVENT_SOCKET | wire.EVENT_LINGER}, "", "SO_LINGER with 0 s", True),
        ({"reset_reason": 3, "reset_flags": SENT | wire.EVENT_LINGER}, "TCP_STATE", "SO_LINGER with 0 s", True),
        ({"reset_reason": 3, "reset_flags": SENT}, "TCP_STATE", "aborted by its process", False),
        ({"reset_reason": 5, "reset_flags": SENT}, "ODD", "", False),
        ({"reset_reason": 0, "reset_flags": SENT}, "", "", False),
        ({"reset_flags": wire.EVENT_SOCKET}, "", "", False),
    ],
)
def test_why_a_reset_was_sent(facts: dict[str, int], reason: str, meaning: str, inferred: bool) -> None:
    """The kernel's word where it gives one, else what is inferred, and marked so."""
    line = row((MET, 0), **OVER, resets_sent=1, reset_ns=at(2), closed_ns=at(2), pid=812, comm=b"nginx", **facts)
    reset = newest_reset(line, at(9), REASONS)
    assert reset is not None
    assert (reset.sent, reset.time_ns, reset.who) == (True, at(2), "nginx 812")
    assert (reset.reason, reset.meaning, reset.inferred) == (reason, meaning, inferred)


def test_who_sent_a_reset() -> None:
    """A dying process did not do it itself; a segment without a socket concerns nobody's."""
    facts = {**OVER, "resets_sent": 1, "reset_ns": at(2), "closed_ns": at(2), "pid": 812, "comm": b"nginx"}
    died = newest_reset(row((MET, 0), reset_flags=wire.EVENT_SOCKET | wire.EVENT_EXITING, **facts), at(9), ())
    stray = newest_reset(row((MET, 0), **facts), at(9), ())
    assert died is not None
    assert stray is not None
    assert died.who == "the kernel: nginx 812 was ending"
    assert stray.who.startswith("the kernel, for a segment")


@pytest.mark.parametrize(
    ("state", "error", "meaning"),
    [
        (wire.SYN_SENT, errno.ECONNREFUSED, "nothing listens there, or a firewall refuses"),
        (MET, errno.ECONNRESET, ""),
        (wire.CLOSE_WAIT, errno.EPIPE, "while it was being closed"),
    ],
)
def test_a_reset_that_was_received(state: int, error: int, meaning: str) -> None:
    """From the peer, or in its name."""
    line = row((state, 0), **OVER, resets_received=1, reset_ns=at(2), closed_ns=at(2), error=error)
    reset = newest_reset(line, at(9), REASONS)
    assert reset is not None
    assert (reset.sent, reset.meaning) == (False, meaning)
    assert "peer" in reset.who


def test_no_reset() -> None:
    """Nothing is made of nothing."""
    assert newest_reset(row(), at(9), REASONS) is None


def test_cut_off() -> None:
    """By a reset or an error, and not where both had said goodbye."""
    assert abortive(row((MET, 0), **OVER, resets_received=1))
    assert abortive(row((MET, 0), **OVER, error=errno.ETIMEDOUT))
    assert not abortive(row((MET, 0), resets_received=1))
    assert not abortive(row((MET, 0), (wire.CLOSE_WAIT, 1), (wire.LAST_ACK, 2), **OVER, resets_sent=1))
