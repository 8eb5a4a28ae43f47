"""The table of connections: one structured array, the index over its keys, and the lines that are free. Hands out lines
and takes them back; what stands in them is other rooms' business. Lines are intp: NumPy indexes with anything else
through a buffer, at half the speed."""

import numpy as np

from tcpwatch.rows import ROW
from tcpwatch.tracker.index import Index

_START = 4096


class Table:
    def __init__(self) -> None:
        self.rows = np.zeros(_START, ROW)
        self.index = Index(self.rows)
        self._free = np.arange(_START - 1, -1, -1)
        self._free_count = _START
        self._scratch = np.empty(_START, np.int32)
        self.segments_out = 0  # sent by all connections since each was first seen

    def __len__(self) -> int:
        return len(self.rows) - self._free_count

    def live(self) -> np.ndarray:
        """(n,) the lines in use, in order."""
        return np.flatnonzero(self.rows["cookie"])

    def find_or_add(self, cookies: np.ndarray, netns: np.ndarray, may_add: np.ndarray | None = None) -> np.ndarray:
        """(n,) intp: each key's line, for keys that may repeat. New lines hold their key and nothing else yet. -1 for a
        cookie of 0, which names no socket, and for unknown keys up to the first place where may_add (n,) holds."""
        lines = self.index.find(cookies, netns)
        wanted = np.flatnonzero((lines < 0) & (cookies != 0))
        if may_add is not None and not may_add[wanted].all():
            added = wanted[may_add[wanted]]
            self._add(cookies, netns, lines, added)
            unsure = wanted[~may_add[wanted]]
            found = self.index.find(cookies[unsure], netns[unsure])
            self._scratch[lines[added][::-1]] = added[::-1]
            known = found >= 0
            unsure, found = unsure[known], found[known]
            late = self._scratch[found] < unsure
            lines[unsure[late]] = found[late]
        elif len(wanted):
            self._add(cookies, netns, lines, wanted)
        return lines

    def _add(self, cookies: np.ndarray, netns: np.ndarray, lines: np.ndarray, missing: np.ndarray) -> None:
        """Fill in `lines` at the positions `missing`."""
        cookie, space = cookies[missing], netns[missing]
        order = np.lexsort((space, cookie)) if (space != space[:1]).any() else np.argsort(cookie, kind="stable")
        cookie, space = cookie[order], space[order]
        first = np.ones(len(order), bool)
        first[1:] = (cookie[1:] != cookie[:-1]) | (space[1:] != space[:-1])
        fresh = self.allocate(int(first.sum()))
        lines[missing[order]] = fresh[np.cumsum(first) - 1]
        self.rows["cookie"][fresh] = cookie[first]
        self.rows["netns"][fresh] = space[first]
        self.index.add(fresh)

    def allocate(self, count: int) -> np.ndarray:
        """(count,) intp: lines full of zeros, not yet in the index."""
        size = len(self.rows)
        while self._free_count + size - len(self.rows) < count:
            size *= 2
        if size > len(self.rows):
            self._resize(size)
        self._free_count -= count
        lines = self._free[self._free_count : self._free_count + count].copy()
        self.rows["snap"][lines] = -1
        return lines

    def succeed(self, lines: np.ndarray) -> np.ndarray:
        """New lines with the same keys, each one turn later: sockets that connect again. `lines` may repeat, equal ones
        together: one more turn each. The index knows only the last turn."""
        fresh = self.allocate(len(lines))
        first, last = np.ones(len(lines), bool), np.ones(len(lines), bool)
        first[1:] = last[:-1] = lines[1:] != lines[:-1]
        starts = np.flatnonzero(first)
        for name in ("cookie", "netns", "cgroup"):
            self.rows[name][fresh] = self.rows[name][lines]
        passed = np.arange(len(lines)) - starts[np.cumsum(first) - 1]
        self.rows["turn"][fresh] = self.rows["turn"][lines] + passed + 1
        self.index.remove(lines[first])
        self.index.add(fresh[last])
        return fresh

    def release(self, lines: np.ndarray) -> None:
        """Give lines back; each at most once."""
        self.index.remove(lines)
        whole = f"V{ROW.itemsize}"  # as one piece: a structured array is assigned field by field
        self.rows.view(whole)[lines] = np.zeros(1, ROW).view(whole)
        self._free[self._free_count : self._free_count + len(lines)] = lines
        self._free_count += len(lines)

    def last_of_each(self, lines: np.ndarray) -> np.ndarray:
        """Positions in `lines` of each line's last occurrence: the newest event of each connection, without sorting."""
        places = np.arange(len(lines), dtype=np.int32)
        self._scratch[lines] = places  # of repeated lines, the last assignment stays
        newest: np.ndarray = places[self._scratch[lines] == places]
        return newest

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

    def shrink(self) -> None:
        """Give back what a burst left behind: halve while the upper half is free. Frees lines, moves none."""
        used = self.live()
        need = max(int(used[-1]) + 1 if len(used) else 0, _START)
        size = len(self.rows)
        while size // 2 >= need:
            size //= 2
        if size < len(self.rows):
            self._resize(size)
        self._free[: self._free_count] = -np.sort(-self._free[: self._free_count])  # low lines are handed out first

    def _resize(self, size: int) -> None:
        rows, kept = np.zeros(size, ROW), min(size, len(self.rows))
        words = kept * ROW.itemsize // 8  # NumPy copies structures one by one, words all at once
        rows.view(np.uint64)[:words] = self.rows.view(np.uint64)[:words]
        free = self._free[: self._free_count]
        free = np.concatenate([np.arange(size - 1, kept - 1, -1), free[free < size]])
        self.rows = self.index.table = rows
        self._free = np.empty(size, np.intp)
        self._free[: len(free)] = free
        self._free_count = len(free)
        self._scratch = np.empty(size, np.int32)
