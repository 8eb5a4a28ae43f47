"""How closely a recording is looked at on the way to a moment, what that costs, and from where it can be done in time.
Arithmetic only."""

from dataclasses import dataclass

import numpy as np

_SECOND_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Pace:
    """stride_ns: frames of so much time are folded as one; 0: each by itself. look_ns: how often the rules about the
    whole machine are asked; what they find depends on it."""

    stride_ns: int
    look_ns: int


AS_LIVE = Pace(0, _SECOND_NS)
"""As a live session does."""
QUICK = Pace(_SECOND_NS, 5 * _SECOND_NS)


def of_speed(speed: float) -> Pace:
    """The faster it goes the less can be seen of each second, and the less is looked at."""
    if speed <= 10:
        return AS_LIVE
    seconds = min(10, max(1, round(speed / 100))) if speed < 1e9 else 10
    return Pace(seconds * _SECOND_NS, max(5, seconds) * _SECOND_NS)


_EXACT_S = 0.015  # what a second of the recording costs, five frames and a look at a thousand connections
_QUICK_S = 0.006
_EVENT_S = 0.7e-6


def cost_s(timeline: np.ndarray, begin_ns: int, end_ns: int, pace: Pace) -> float:
    """About how long it takes to get from one moment to another, on the machine this was written on."""
    first, last = np.searchsorted(timeline["time_ns"], np.array([begin_ns, end_ns], np.uint64))
    seconds = max(0, end_ns - begin_ns) / _SECOND_NS
    return seconds * _second_s(pace) + float(timeline["events"][first:last].sum()) * _EVENT_S


def lead_ns(timeline: np.ndarray, target_ns: int, budget_s: float, pace: Pace) -> int:
    """From when on everything can be looked at within the budget, CLOCK_MONOTONIC."""
    last = int(np.searchsorted(timeline["time_ns"], np.uint64(target_ns)))
    most = int(budget_s / _second_s(pace)) + 1
    times_ns = timeline["time_ns"][max(0, last - most) : last].astype(np.int64)
    events = timeline["events"][max(0, last - most) : last].astype(np.float64)
    costs = (target_ns - times_ns) / _SECOND_NS * _second_s(pace) + np.cumsum(events[::-1])[::-1] * _EVENT_S
    within = times_ns[costs <= budget_s]
    if len(within):
        return int(within[0])
    if not len(times_ns):
        return target_ns
    # not even the last second: so much of it as there is time for
    return int(target_ns - (target_ns - times_ns[-1]) * budget_s / costs[-1])


def _second_s(pace: Pace) -> float:
    return _QUICK_S if pace.stride_ns else _EXACT_S
