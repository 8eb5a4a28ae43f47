"""How connections ended in the last minute: the bad ends by group, and how many ends there were in all with the same
services. Bounded, whatever goes wrong; judges nothing."""

from collections import deque
from collections.abc import Callable

import numpy as np

from tcpwatch import wire
from tcpwatch.health.groups import GROUP, SERVICE, gather, merged, services

WINDOW_NS = 60_000_000_000
_SERVICES = 5000  # to count all ends of


class Ledger:
    """by: (256,) u1, for each verdict what groups are made by. worth: which rows.ROW count at all, (n,) bool."""

    def __init__(self, by: np.ndarray, worth: Callable[[np.ndarray], np.ndarray]) -> None:
        self._by, self._worth = by, worth
        self._bad: deque[tuple[int, np.ndarray]] = deque()  # (when, GROUP)
        self._all: deque[tuple[int, np.ndarray, np.ndarray]] = deque()  # (when, services, how many ended)
        self._watched = np.empty(0, np.uint64)  # services with bad ends

    def note(self, lives: np.ndarray, now_ns: int) -> None:
        """lives: rows.ROW with their verdicts, that ended just now."""
        self._forget(now_ns)
        if not len(lives):
            return
        verdicts = lives["verdict"]
        bad = np.flatnonzero(self._worth(lives))
        if len(bad):
            times_ns = lives["closed_ns"][bad].astype(np.int64)
            groups = gather(lives, bad, self._by[verdicts[bad]], np.where(times_ns, times_ns, now_ns), "ended")
            self._bad.append((now_ns, groups))
            watched = self._watched if len(self._watched) < _SERVICES else self._watched[:0]
            self._watched = wire.distinct(np.concatenate([watched, groups["service"]]))
        if len(self._watched):
            every, _ = services(lives, slice(None), SERVICE)
            found, counts = np.unique(every[np.isin(every, self._watched)], return_counts=True)
            self._all.append((now_ns, found, counts))

    def _forget(self, now_ns: int) -> None:
        while self._bad and self._bad[0][0] + WINDOW_NS < now_ns:
            self._bad.popleft()
            if not self._bad:
                self._watched = self._watched[:0]
        while self._all and self._all[0][0] + WINDOW_NS < now_ns:
            self._all.popleft()

    def bad(self, now_ns: int) -> np.ndarray:
        """(n,) GROUP, each once."""
        self._forget(now_ns)
        return merged(np.concatenate([np.empty(0, GROUP), *(groups for _, groups in self._bad)]))

    def ends(self) -> dict[int, int]:
        """How many ended since the first bad end, by service; those of services without a bad end are left out."""
        if not self._all:
            return {}
        found = np.concatenate([found for _, found, _ in self._all])
        counts = np.concatenate([counts for _, _, counts in self._all])
        known, at = np.unique(found, return_inverse=True)
        return dict(zip(known.tolist(), np.bincount(at, counts).astype(int).tolist()))
