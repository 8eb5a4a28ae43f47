"""Is what looks like something else told from it? Each of these was once explained by what it only resembles."""

import errno
from typing import Any

import pytest

from tcpwatch import rows as shape
from tcpwatch import wire

from .build import (
    ACCEPTED,
    CALLED,
    CLOSE_WAIT,
    CONNECTED,
    ESTABLISHED,
    FIN_WAIT1,
    MS,
    START,
    S,
    explained,
    got_reset,
    live,
    row,
)

FORGOTTEN = "likely something between had forgotten the connection"
LONG_SILENT: dict[str, Any] = {"took": 33 * S, "moved_ns": START + S, **got_reset(reset_ns=START + 33 * S)}
CLOSED_ON = (0, MS, 2 * S)  # when it entered each state: the peer's FIN came after two seconds


def test_who_speaks_first_has_forgotten_nothing() -> None:
    """A box that forgot a connection resets what comes on it. Here all that was sent had been acknowledged."""
    told = explained(row(CONNECTED, **LONG_SILENT))
    assert told.sentence == (
        "The peer reset it after 32 s of silence, though nothing was sent to it: likely a time limit there or of a "
        "proxy between ran out, or its process ended."
    )
    assert "idle limit" in told.advice


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        (CONNECTED, {"bytes_sent": 400, "bytes_acked": 400}),  # of a client's, one is its SYN
        (ACCEPTED, {"bytes_sent": 400, "bytes_acked": 399}),
        ((ESTABLISHED,), {"bytes_sent": 400, "bytes_acked": 399}),
        (CONNECTED, {"bytes_sent": 800, "bytes_retrans": 400, "bytes_acked": 400}),
        (CONNECTED, {"options": wire.KEEPALIVE}),  # its probe may have asked for it
    ],
)
def test_who_answers_may_have_forgotten(path: tuple[int, ...], fields: dict[str, Any]) -> None:
    """One byte that nobody acknowledged is enough."""
    assert FORGOTTEN in explained(row(path, **{**LONG_SILENT, **fields})).sentence


def test_a_shut_window_is_no_silence() -> None:
    """Data waited for the peer to read, and nothing had been forgotten: also where this side had closed meanwhile."""
    for path in (CONNECTED, (*CONNECTED, FIN_WAIT1)):
        told = explained(row(path, **{**LONG_SILENT, "stalled_ns": START + 2 * S, "bytes_acked": 301}))
        assert told.code == "reset_by_peer"
        assert told.sentence == (
            "The peer reset it while data had been waiting for at least 31 s for its shut window: its process had not "
            "read."
        )
        assert "did not read what it was sent" in told.advice


@pytest.mark.parametrize(
    ("path", "said", "advice"),
    [
        (CONNECTED, "it was used once more", "pools"),
        (ACCEPTED, "this side's answer came too late", "did not wait"),
    ],
)
def test_a_goodbye_that_was_not_read(path: tuple[int, ...], said: str, advice: str) -> None:
    """A pool's connection that the server had closed before; and a server whose client had gone before the answer."""
    fields: dict[str, Any] = {"at": CLOSED_ON, "took": 6 * S, "flags": 1 | shape.HAS_COUNTERS | shape.FIN_RECEIVED}
    late = row((*path, CLOSE_WAIT), **fields, bytes_received=1201, **got_reset(errno.EPIPE, reset_ns=START + 5 * S))
    told = explained(late)
    assert told.code == "reset_after_goodbye"
    assert told.sentence == (
        f"The peer had closed it 3.0 s before; likely {said}, and was answered with a reset; 400 bytes had been sent "
        "and 1.2 kB received."
    )
    assert advice in told.advice
    soon = row((*path, CLOSE_WAIT), **fields, **got_reset(errno.EPIPE, reset_ns=START + 2 * S + 999 * MS))
    assert "after its own FIN" in explained(soon).sentence


def test_nobody_gives_up_within_milliseconds() -> None:
    """Of its own time limit: something else had served it."""
    told = explained(row(CALLED, took=19 * MS))
    assert (told.code, told.certain) == ("given_up", False)
    assert told.sentence == (
        "curl (812) closed it after 19 ms, too soon for a time limit, and no ICMP message was known: likely it had "
        "another connection by then."
    )
    for other in (row(CALLED, took=20 * MS), row(CALLED, took=19 * MS, marks=shape.EXITED)):
        told = explained(other)
        assert (told.code, told.certain) == ("given_up", True)
        assert "the SYN had been sent once" in told.sentence


@pytest.mark.parametrize("error", [errno.ECONNREFUSED, errno.EHOSTUNREACH])
def test_who_says_so_at_once_is_close_by(error: int) -> None:
    """A rule of this machine as a rule, as for a service of Kubernetes that nobody serves."""
    near, far = (explained(row(CALLED, error=error, took=took * MS)) for took in (19, 20))
    assert near.code == far.code
    assert "on this machine first" in near.advice
    assert "on this machine" not in far.advice


def test_what_nobody_accepted_is_nobody_s_leak() -> None:
    """It holds no descriptor, and its process cannot close it."""
    left = live((*ACCEPTED, CLOSE_WAIT), at=CLOSED_ON, moved_ns=START + S, pid=0, comm=b"")
    told = explained(left, START + 25 * S)
    assert told.code == "half_closed_lingering"
    assert told.sentence == (
        "The peer closed it 23 s ago, and no process was found that has it: likely it was never accepted."
    )
    assert "accept()" in told.advice
    held = explained(live((*ACCEPTED, CLOSE_WAIT), at=CLOSED_ON, moved_ns=START + S), START + 25 * S)
    assert "has not closed for 23 s" in held.sentence
    assert "a leak" in held.advice
