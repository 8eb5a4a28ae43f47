"""The table of connections: one structured array, the index over its keys, and the lines that are free. Hands out lines
and takes them back; what stands in them is other rooms' business."""

import numpy as np

from tcpwatch.tracker.index import Index
from tcpwatch.tracker.rows import ROW

_START = 4096


class Table:
    def __init__(self) -> None:
        self.rows = np.zeros(_START, ROW)
        self.index = Index(self.rows)
        self._free = np.arange(_START - 1, -1, -1, dtype=np.int32)
        self._free_count = _START
        self._scratch = np.empty(_START, np.int32)

    def __len__(self) -> int:
        return len(self.rows) - self._free_count

    def live(self) -> np.ndarray:
        """(n,) the lines in use, in order."""
        return np.flatnonzero(self.rows["cookie"])

    def find_or_add(self, cookies: np.ndarray, netns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(each key's line, the lines that are new), for keys that may repeat. New lines hold their key and nothing
        else yet. A cookie of 0 names no socket: -1."""
        lines = self.index.find(cookies, netns)
        missing = np.flatnonzero((lines < 0) & (cookies != 0))
        if not len(missing):
            return lines, missing.astype(np.int32)
        order = missing[np.lexsort((netns[missing], cookies[missing]))]
        cookie, space = cookies[order], netns[order]
        first = np.ones(len(order), bool)
        first[1:] = (cookie[1:] != cookie[:-1]) | (space[1:] != space[:-1])
        fresh = self.allocate(int(first.sum()))
        lines[order] = fresh[np.cumsum(first) - 1]
        self.rows["cookie"][fresh] = cookie[first]
        self.rows["netns"][fresh] = space[first]
        self.index.add(fresh)
        return lines, fresh

    def allocate(self, count: int) -> np.ndarray:
        """(count,) i4: lines full of zeros, not yet in the index."""
        while self._free_count < count:
            self._grow()
        self._free_count -= count
        lines = self._free[self._free_count : self._free_count + count].copy()
        self.rows["snap"][lines] = -1
        return lines

    def succeed(self, line: int) -> int:
        """A new line with the same key, one turn later: the socket connects again. The old one leaves the index."""
        fresh = self.allocate(1)
        for name in ("cookie", "netns", "pid", "comm", "owner_start_ns", "cgroup"):
            self.rows[name][fresh] = self.rows[name][line]
        self.rows["turn"][fresh] = self.rows["turn"][line] + 1
        self.index.remove(np.array([line], np.int32))
        self.index.add(fresh)
        return int(fresh[0])

    def release(self, lines: np.ndarray) -> None:
        """Give lines back; each at most once."""
        self.index.remove(lines.astype(np.int32))
        self.rows[lines] = np.zeros((), ROW)
        self._free[self._free_count : self._free_count + len(lines)] = lines
        self._free_count += len(lines)

    def last_of_each(self, lines: np.ndarray) -> np.ndarray:
        """Positions in `lines` of each line's last occurrence: the newest event of each connection, without sorting."""
        places = np.arange(len(lines), dtype=np.int32)
        self._scratch[lines] = places  # of repeated lines, the last assignment stays
        return places[self._scratch[lines] == places]

    def grouped(self, lines: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(order, starts): positions in `lines` so that equal lines are together, in their old order within; and where
        each group starts in that order. A radix sort when at most 65,536 distinct lines are touched."""
        touched = lines[self.last_of_each(lines)]
        self._scratch[touched] = np.arange(len(touched), dtype=np.int32)
        small = self._scratch[lines]
        if len(touched) <= 1 << 16:
            small = small.astype(np.uint16)
        order = np.argsort(small, kind="stable")
        together = small[order]
        starts = np.flatnonzero(np.concatenate(([True], together[1:] != together[:-1]))) if len(order) else order
        return order, starts

    def _grow(self) -> None:
        size = len(self.rows)
        self.rows = np.concatenate([self.rows, np.zeros(size, ROW)])
        self.index.table = self.rows
        free = np.empty(2 * size, np.int32)
        free[: self._free_count] = self._free[: self._free_count]
        free[self._free_count : self._free_count + size] = np.arange(2 * size - 1, size - 1, -1)
        self._free, self._free_count = free, self._free_count + size
        self._scratch = np.empty(2 * size, np.int32)
