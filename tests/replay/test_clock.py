"""The clock of a replay, and what a way through a recording costs."""

from math import inf

import numpy as np
import pytest

from tcpwatch.recording.format import SECOND as LINE
from tcpwatch.replay import pace
from tcpwatch.replay.clock import Clock
from tcpwatch.replay.transport import SPEEDS, faster, slower

S = 1_000_000_000


def test_it_runs_at_its_speed_and_stands_still() -> None:
    """From where it is, whatever it is set to."""
    clock = Clock()
    clock.run(True, 4.0, 100 * S, 1000 * S)
    assert clock.moment_ns(102 * S) == 1008 * S
    clock.run(False, 4.0, 102 * S, 1008 * S)
    assert clock.moment_ns(200 * S) == 1008 * S
    assert clock.until_s(2000 * S, 200 * S) == inf
    clock.run(True, 0.25, 300 * S, 1008 * S)
    assert clock.moment_ns(304 * S) == 1009 * S
    assert clock.until_s(1010 * S, 304 * S) == pytest.approx(4.0)


def test_as_fast_as_possible_nothing_is_in_the_future() -> None:
    """No moment has to be waited for."""
    clock = Clock()
    clock.run(True, inf, 0, 1000 * S)
    assert clock.moment_ns(0) > 1 << 61
    assert clock.until_s(5000 * S, 0) == 0


def test_what_cannot_be_kept_up_with_is_played_slower() -> None:
    """And not skipped."""
    clock = Clock()
    clock.run(True, 100.0, 0, 0)
    clock.hold_back(10 * S, 2 * S, S // 2)
    assert clock.moment_ns(2 * S) == 60 * S


def test_speeds_have_two_ends() -> None:
    """Faster and slower, one at a time."""
    up = [SPEEDS[0]]
    while up[-1] != faster(up[-1]):
        up.append(faster(up[-1]))
    assert tuple(up) == SPEEDS
    assert [slower(speed) for speed in up] == [0.25, *SPEEDS[:-1]]


def test_a_lead_is_as_long_as_its_budget() -> None:
    """Quiet seconds cost little, busy ones much; of one that costs too much a part is looked at."""
    lines = np.zeros(1000, LINE)
    lines["time_ns"] = np.arange(1000) * S
    quiet = pace.lead_ns(lines, 900 * S, 0.3, pace.QUICK)
    assert pace.cost_s(lines, quiet, 900 * S, pace.QUICK) <= 0.3 < pace.cost_s(lines, quiet - S, 900 * S, pace.QUICK)
    lines["events"] = 100_000
    busy = pace.lead_ns(lines, 900 * S, 0.3, pace.QUICK)
    assert quiet < busy < 900 * S
    lines["events"] = 10_000_000
    flooded = pace.lead_ns(lines, 900 * S, 0.3, pace.QUICK)
    assert 900 * S - flooded == pytest.approx(S * 0.3 / pace.cost_s(lines, 899 * S, 900 * S, pace.QUICK), rel=0.01)
    assert pace.lead_ns(lines[:0], 900 * S, 0.3, pace.QUICK) == 900 * S
