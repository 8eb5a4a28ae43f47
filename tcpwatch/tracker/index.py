"""Finds table lines by key, many at once: an open-addressing hash over the table's own (cookie, netns) columns. A dict
would cost a Python object per connection and a call per event."""

import numpy as np

_FREE, _DEAD = -1, -2
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio: spreads consecutive cookies


class Index:
    """Maps (cookie, netns) to a line of `table` (rows.ROW). The table may be replaced by a longer copy of itself."""

    def __init__(self, table: np.ndarray) -> None:
        self.table = table
        self._slots = np.full(1024, _FREE, np.int32)
        self._used = 0  # slots not _FREE: live and dead

    def find(self, cookies: np.ndarray, netns: np.ndarray) -> np.ndarray:
        """(n,) i4: the line of each key, -1 where there is none."""
        found = np.full(len(cookies), -1, np.int32)
        open_ = np.arange(len(cookies))
        places = self._places(cookies, netns)
        while len(open_):
            lines = self._slots[places]
            hit = (lines >= 0) & (self.table["cookie"][lines] == cookies) & (self.table["netns"][lines] == netns)
            found[open_[hit]] = lines[hit]
            on = ~hit & (lines != _FREE)
            open_, cookies, netns, places = open_[on], cookies[on], netns[on], self._next(places[on])
        return found

    def add(self, lines: np.ndarray) -> None:
        """Enter new lines; their keys must be in the table, distinct, and not yet here."""
        if (self._used + len(lines)) * 2 > len(self._slots):
            self._rebuild(len(lines))
        self._insert(lines)

    def remove(self, lines: np.ndarray) -> None:
        """Forget lines, before their keys leave the table."""
        open_, places = lines, self._places(self.table["cookie"][lines], self.table["netns"][lines])
        while len(open_):
            found = self._slots[places]
            hit = found == open_
            self._slots[places[hit]] = _DEAD
            on = ~hit & (found != _FREE)  # a line whose key another line took over is not here any more
            open_, places = open_[on], self._next(places[on])

    def _insert(self, lines: np.ndarray) -> None:
        places = self._places(self.table["cookie"][lines], self.table["netns"][lines])
        self._used += len(lines)
        while len(lines):
            free = self._slots[places] == _FREE
            self._slots[places[free]] = lines[free]  # of several that want one slot, one wins
            lost = self._slots[places] != lines
            lines, places = lines[lost], self._next(places[lost])

    def _rebuild(self, coming: int) -> None:
        """Make room, and be rid of the dead."""
        live = self._slots[self._slots >= 0]
        size = max(1024, 1 << int((len(live) + coming) * 3).bit_length())
        self._slots = np.full(size, _FREE, np.int32)
        self._used = 0
        self._insert(live)

    def _places(self, cookies: np.ndarray, netns: np.ndarray) -> np.ndarray:
        mixed = (cookies ^ (netns.astype(np.uint64) << np.uint64(32))) * _MULTIPLIER
        shift = np.uint64(64 - (len(self._slots).bit_length() - 1))
        places: np.ndarray = (mixed >> shift).astype(np.int64)
        return places

    def _next(self, places: np.ndarray) -> np.ndarray:
        return (places + 1) & (len(self._slots) - 1)
