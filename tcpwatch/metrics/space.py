"""Which sets of values of the same labels are told apart, and for how long? Gives each a small number, first come first
served; those that find no room share number 0. Knows nothing of numbers that are counted."""

import heapq
from collections.abc import Callable

import numpy as np

from tcpwatch.metrics.metric import OTHER

IDLE_NS = 600_000_000_000  # a set without live connections and without change for so long disappears
_LOOK_NS = 10_000_000_000  # how often that is looked for

Values = tuple[str, ...]


class Space:
    """A set of values lives as long as something has it: it stays while live connections (listeners, destinations)
    carry it or any of its counters changes, and IDLE_NS longer. Then it disappears from all metrics at once, with the
    numbers it had, and its place is free; should it come back, it begins at 0. Number 0 never disappears.

    most: how many sets, number 0 included."""

    def __init__(self, labels: tuple[str, ...], most: int) -> None:
        self.labels = labels
        self.most = most
        self.now_ns = 0
        self.refused = 0  # how often a set found no room
        self.names: list[Values] = [(OTHER,) * len(labels)]
        self.leaves: list[Callable[[np.ndarray], None]] = []  # told the numbers that are free again
        self._code_of: dict[Values, int] = {}
        self._free: list[int] = []
        self._active_ns = np.zeros(most, np.int64)
        self._looked_ns = 0

    def code(self, values: Values) -> int:
        """Its number, a new one if need be."""
        known = self._code_of.get(values)
        if known is not None:
            return known
        if self._free:
            code = heapq.heappop(self._free)
            self.names[code] = values
        elif len(self.names) < self.most:
            code = len(self.names)
            self.names.append(values)
        else:
            self.refused += 1
            return 0
        self._code_of[values] = code
        self._active_ns[code] = self.now_ns
        return code

    def touch(self, codes: np.ndarray) -> None:
        """Something has these now."""
        self._active_ns[codes] = self.now_ns

    def expire(self) -> bool:
        """Let those go that nothing has had for long. Whether there were any: numbers that were kept are void then."""
        if self.now_ns < self._looked_ns + _LOOK_NS:
            return False
        self._looked_ns = self.now_ns
        idle = self._active_ns[: len(self.names)] + IDLE_NS < self.now_ns
        idle[0] = False
        idle[self._free] = False
        gone = np.flatnonzero(idle)
        for code in gone.tolist():
            del self._code_of[self.names[code]]
            heapq.heappush(self._free, code)
        if len(gone):
            for leave in self.leaves:
                leave(gone)
        return bool(len(gone))
