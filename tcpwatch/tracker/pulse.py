"""The machine's pulse: how much happened in each of the last seconds. Counts into a ring of one-second bins."""

import numpy as np

from tcpwatch.tracker.view import PULSE_SECONDS, Pulse

_SECOND_NS = 1_000_000_000
_NAMES = ("opened", "closed", "retransmits", "resets", "segments_out")


class PulseMeter:
    def __init__(self) -> None:
        self._bins = np.zeros((len(_NAMES), PULSE_SECONDS + 1))
        self._first: int | None = None
        self._newest = 0

    def advance(self, now_ns: int) -> None:
        """Move on to the second of now_ns, emptying the bins in between."""
        second = now_ns // _SECOND_NS
        if self._first is None:
            self._first = self._newest = second
        passed = min(second - self._newest, PULSE_SECONDS + 1)
        for back in range(max(0, passed)):
            self._bins[:, (second - back) % (PULSE_SECONDS + 1)] = 0
        self._newest = max(self._newest, second)

    def count(self, name: str, times_ns: np.ndarray, weights: np.ndarray | None = None) -> None:
        """Add events at their own times; what is older than the ring is left out."""
        seconds = (times_ns // np.uint64(_SECOND_NS)).astype(np.int64)
        inside = (seconds > self._newest - PULSE_SECONDS) & (seconds <= self._newest)
        places = seconds[inside] % (PULSE_SECONDS + 1)
        added = np.bincount(places, None if weights is None else weights[inside], PULSE_SECONDS + 1)
        self._bins[_NAMES.index(name)] += added

    def picture(self) -> Pulse:
        """The last whole seconds; the running one is left out, as it would always look low."""
        seconds = np.arange(self._newest - PULSE_SECONDS, self._newest)
        values = self._bins[:, seconds % (PULSE_SECONDS + 1)]
        values[:, seconds < (self._newest if self._first is None else self._first)] = np.nan
        return Pulse(**{name: values[i] for i, name in enumerate(_NAMES)})
