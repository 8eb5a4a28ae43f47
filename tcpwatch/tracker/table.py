"""The table of connections: one structured array, the index over its keys, and the lines that are free. Hands out lines
and takes them back; what stands in them is other rooms' business. Lines are intp: NumPy indexes with anything else
through a buffer, at half the speed."""

import numpy as np

from tcpwatch.rows import ROW
from tcpwatch.tracker.index import Index, distinct

_START = 4096
_BLANK = np.zeros(1, ROW)
_BLANK["snap"] = -1


class Table:
    def __init__(self) -> None:
        self.rows = np.zeros(_START, ROW)
        self.index = Index(self.rows)
        self._free = np.arange(_START - 1, -1, -1)
        self._free_count = _START
        self.top = 0  # no line from here on was ever in use: their memory is not touched, so it takes no room
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
        if not cookies.all():
            named = np.flatnonzero(cookies)
            lines = np.full(len(cookies), -1)
            lines[named] = self.find_or_add(cookies[named], netns[named], None if may_add is None else may_add[named])
            return lines
        which, last = distinct(cookies, netns)
        cookies, netns = cookies[last], netns[last]
        lines = self.index.find(cookies, netns)
        missing = lines < 0
        if may_add is None or may_add.all():
            self._add(cookies, netns, lines, np.flatnonzero(missing))
            return lines[which]
        from_ = np.full(len(last), len(which))  # the first place of each where it may be added
        allowed = np.flatnonzero(may_add)[::-1]
        from_[which[allowed]] = allowed
        from_[~missing] = 0
        self._add(cookies, netns, lines, np.flatnonzero(missing & (from_ < len(which))))
        return np.where(np.arange(len(which)) >= from_[which], lines[which], -1)

    def _add(self, cookies: np.ndarray, netns: np.ndarray, lines: np.ndarray, missing: np.ndarray) -> None:
        """Fill in `lines` at the positions `missing`; distinct keys."""
        if not len(missing):
            return
        fresh = self.allocate(len(missing))
        lines[missing] = fresh
        self.rows["cookie"][fresh] = cookies[missing]
        self.rows["netns"][fresh] = netns[missing]
        self.index.add(fresh)

    def lives(self, netns: int, cookie: int) -> np.ndarray:
        """(n,) intp: the lines of one socket, oldest first; several where it connected again."""
        newest = self.index.find(np.array([cookie], np.uint64), np.array([netns], np.uint32))
        if newest[0] < 0:
            return newest[:0]
        if not self.rows["turn"][newest[0]]:
            return newest
        rows = self.rows[: self.top]
        lines = np.flatnonzero((rows["cookie"] == np.uint64(cookie)) & (rows["netns"] == netns))
        return lines[np.argsort(rows["turn"][lines])]

    def allocate(self, count: int) -> np.ndarray:
        """(count,) intp: lines full of zeros, not yet in the index."""
        if count > self._free_count:
            need = len(self) + count
            size = max(need + need // 8, len(self.rows) + len(self.rows) // 2)  # a few more will come, or many
            self._resize(-(-size // _START) * _START)
        self._free_count -= count
        lines = self._free[self._free_count : self._free_count + count].copy()
        if count:
            self.rows["snap"][lines] = -1
            self.top = max(self.top, int(lines.max()) + 1)
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
        self.rows.view(whole)[lines] = _BLANK.view(whole)
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
        """Give back what a burst left behind, if the upper half is free. Frees lines, moves none."""
        used = self.live()
        need = max(int(used[-1]) + 1 if len(used) else 0, _START)
        if need * 2 <= len(self.rows):
            self._resize(-(-need // _START) * _START)
        self._free[: self._free_count] = -np.sort(-self._free[: self._free_count])  # low lines are handed out first

    def _resize(self, size: int) -> None:
        rows, kept = np.zeros(size, ROW), min(size, len(self.rows))
        self.top = min(self.top, size)
        words = self.top * ROW.itemsize // 8  # NumPy copies structures one by one, words all at once
        rows.view(np.uint64)[:words] = self.rows.view(np.uint64)[:words]
        free = self._free[: self._free_count]
        free = np.concatenate([np.arange(size - 1, kept - 1, -1), free[free < size]])
        self.rows = self.index.table = rows
        self._free = np.empty(size, np.intp)
        self._free[: len(free)] = free
        self._free_count = len(free)
        self._scratch = np.empty(size, np.int32)
