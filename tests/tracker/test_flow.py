"""Is what a sender does, and what holds it back, worked out rightly?"""

import numpy as np
import pytest

from tcpwatch import wire
from tcpwatch.tracker.flow import limiter, phase, shares, timer, under_way

from .one import SECOND_NS, at, row, socket

OPEN, DISORDER, CWR, RECOVERY, LOSS = range(5)


@pytest.mark.parametrize(
    ("facts", "algorithm", "expected"),
    [
        ({"ssthresh": wire.SSTHRESH_INFINITE}, "cubic", "slow start"),
        ({"ssthresh": 11}, "cubic", "slow start"),
        ({"ssthresh": 10}, "cubic", "congestion avoidance"),
        ({"ssthresh": 10}, "", "congestion avoidance"),
        ({"ssthresh": 10}, "bbr", "by bbr's model"),
        ({"ssthresh": 20, "ca_state": LOSS}, "bbr", "loss recovery"),
        ({"ca_state": DISORDER}, "cubic", "disorder"),
        ({"ca_state": CWR}, "cubic", "CWR (reducing)"),
        ({"ca_state": RECOVERY}, "cubic", "fast recovery"),
        ({"ca_state": 9}, "cubic", None),
        ({"cwnd": 0}, "cubic", None),
    ],
)
def test_the_phase(facts: dict[str, int], algorithm: str, expected: str | None) -> None:
    """By tcp_in_slow_start() while nothing is lost; unknown where nothing was measured."""
    assert phase(row(**facts), algorithm) == expected


def test_no_phase_before_the_handshake_is_over() -> None:
    """There is no window to speak of."""
    assert phase(row((wire.SYN_SENT, 0.0)), "cubic") is None


def test_under_way_is_what_was_sent() -> None:
    """Not what waits to be; a snapshot of two moments gives nothing below zero."""
    assert under_way(socket(send_queue=5000, unsent=3000)) == 2000
    assert under_way(socket(send_queue=1, unsent=3)) == 0


# Twenty segments are under way, as many wait; a megabyte a second, where the window makes two
BUSY = {
    "chrono": wire.CHRONO_BUSY,
    "send_queue": 57_920,
    "unsent": 28_960,
    "unacked": 20,
    "cwnd": 40,
    "srtt_us": 28_960,
    "snd_wnd": 65_536,
    "pacing_rate": 1_000_000,
}
UNPACED = {"pacing_rate": 2_400_000}


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"chrono": wire.CHRONO_IDLE}, "application"),
        ({"chrono": wire.CHRONO_RWND, "options": wire.APP_LIMITED}, "receiver"),
        ({"chrono": wire.CHRONO_SNDBUF}, "buffer"),
        (BUSY, "pacing"),
        (BUSY | {"options": wire.CWND_LIMITED}, "path"),
        (BUSY | {"options": wire.CWND_LIMITED | wire.APP_LIMITED, "unacked": 40}, "path"),
        (BUSY | {"send_queue": 28_960, "unsent": 0}, "application"),  # all of it is under way
        (BUSY | {"send_queue": 28_960, "unsent": 0, "ca_state": LOSS, "lost": 3}, "path"),
        (BUSY | {"snd_wnd": 30_000}, "receiver"),  # BBR waits for its turn before it looks at the window
        (BUSY | {"snd_wnd": 30_000, "unsent": 500, "send_queue": 29_460}, "pacing"),  # so little fits
        (BUSY | {"snd_wnd": 30_000, "cwnd": 20, "options": wire.CWND_LIMITED}, "path"),  # cwnd is looked at first
        (BUSY | UNPACED, ""),
        (BUSY | {"pacing_rate": wire.UNLIMITED}, ""),
        (BUSY | UNPACED | {"options": wire.APP_LIMITED}, "application"),
    ],
)
def test_the_limiter_of_the_moment(facts: dict[str, int], expected: str) -> None:
    """The chronograph's word, and what fills the time that it calls busy."""
    assert limiter(socket(**facts)) == expected


TICKS = {"busy_ticks": 600, "rwnd_limited_ticks": 300, "sndbuf_limited_ticks": 100}


def test_the_shares_of_a_life() -> None:
    """They add up to the time from the handshake to the measurement."""
    found = shares(row(**TICKS, established_ns=at(0)), at(8), 100)
    assert found is not None
    assert (found.span_ns, found.path, found.receiver, found.buffer, found.application) == (
        *(8 * SECOND_NS, 2 / 8, 3 / 8, 1 / 8),
        2 / 8,
    )


def test_the_shares_of_a_life_whose_beginning_nobody_saw() -> None:
    """Of the time with data to send; the application's is unknown."""
    found = shares(row(**TICKS), at(8), 100)
    assert found is not None
    assert (found.span_ns, found.path, found.receiver) == (6 * SECOND_NS, 2 / 6, 3 / 6)
    assert np.isnan(found.application)


def test_busy_for_longer_than_the_clock_says() -> None:
    """A jiffy more than there was time: nobody was idle for less than nothing."""
    found = shares(row(busy_ticks=101, established_ns=at(0)), at(1), 100)
    assert found is not None
    assert (found.path, found.application) == (1, 0)


@pytest.mark.parametrize(("facts", "hz"), [(TICKS, 0), ({**TICKS, "moved_ns": 0}, 100), ({}, 100)])
def test_no_shares(facts: dict[str, int], hz: int) -> None:
    """The length of a jiffy is not known, no snapshot held it, or it never had anything to send that we know of."""
    assert shares(row(**facts), at(8), hz) is None


def test_the_timer_that_runs() -> None:
    """By its name, with the ticks that are left."""
    assert timer(socket(pending=wire.PENDING_LOSS_PROBE, pending_ticks=7)) == ("tail-loss probe", 7)
    assert timer(socket()) is None
