"""Finds table lines by key, many at once: an open-addressing hash over the table's own (cookie, netns) columns. A dict
would cost a Python object per connection and a call per event."""

import numpy as np

_FREE, _DEAD = -1, -2
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio: spreads consecutive numbers
_LOW_BITS = 4  # so many consecutive cookies share a cache line of the slots
_STEP = (1 << _LOW_BITS) + 1  # to the next line; odd, so that a search comes to every slot


class Index:
    """Maps (cookie, netns) to a line of `table` (rows.ROW). The table may be replaced by a longer copy of itself."""

    def __init__(self, table: np.ndarray) -> None:
        self.table = table
        self._slots = np.full(1024, _FREE, np.int32)
        self._used = 0  # slots not _FREE: live and dead

    def find(self, cookies: np.ndarray, netns: np.ndarray) -> np.ndarray:
        """(n,) intp: the line of each key, -1 where there is none."""
        found = np.full(len(cookies), -1, np.intp)
        open_ = np.arange(len(cookies))
        places = self._places(cookies, netns)
        while len(open_):
            lines = self._slots[places].astype(np.intp)
            same = (lines >= 0) & (self.table["cookie"][lines] == cookies) & (self.table["netns"][lines] == netns)
            hit = np.flatnonzero(same)
            found[open_[hit]] = lines[hit]
            on = np.flatnonzero(~same & (lines != _FREE))
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
            self._vacate(places[hit])
            on = ~hit & (found != _FREE)  # a line whose key another line took over is not here any more
            open_, places = open_[on], self._next(places[on])

    def _vacate(self, places: np.ndarray) -> None:
        last = self._slots[self._next(places)] == _FREE  # no search passes here on its way to another line
        self._slots[places] = np.where(last, _FREE, _DEAD)
        self._used -= int(np.count_nonzero(last))

    def _insert(self, lines: np.ndarray) -> None:
        places = self._places(self.table["cookie"][lines], self.table["netns"][lines])
        while len(lines):
            before = self._slots[places]
            vacant = np.flatnonzero(before < 0)
            self._slots[places[vacant]] = lines[vacant]  # of several that want one slot, one wins
            won = self._slots[places] == lines
            self._used += int(np.count_nonzero(won & (before == _FREE)))
            lost = np.flatnonzero(~won)
            lines, places = lines[lost], self._next(places[lost])

    def _rebuild(self, coming: int) -> None:
        """Make room, and be rid of the dead."""
        live = self._slots[self._slots >= 0]
        size = max(1024, 1 << int((len(live) + coming) * 3).bit_length())
        self._slots = np.full(size, _FREE, np.int32)
        self._used = 0
        self._insert(live)

    def _places(self, cookies: np.ndarray, netns: np.ndarray) -> np.ndarray:
        return _hashed(cookies, netns, len(self._slots))

    def _next(self, places: np.ndarray) -> np.ndarray:
        return (places + _STEP) & (len(self._slots) - 1)


def distinct(cookies: np.ndarray, netns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(which, last), intp: numbers the keys, (n,), from 0, and the position of each key's last occurrence, in order.
    Without sorting: in each round all that meet in a slot learn who was last there, and who has another key goes on."""
    size = 1 << max(10, len(cookies).bit_length())
    slots, numbers = np.empty(size, np.int32), np.arange(len(cookies), dtype=np.int32)
    places = _hashed(cookies, netns, size)
    slots[places] = numbers  # of several, the last assignment stays
    found = slots[places]
    open_ = np.flatnonzero((cookies[found] != cookies) | (netns[found] != netns))
    places = places[open_]
    while len(open_):
        places = (places + _STEP) & (size - 1)
        slots[places] = open_
        found[open_] = winners = slots[places]
        on = np.flatnonzero((cookies[winners] != cookies[open_]) | (netns[winners] != netns[open_]))
        open_, places = open_[on], places[on]
    last = np.flatnonzero(found == numbers)
    slots[last] = numbers[: len(last)]  # it is longer than there are positions
    return slots[found].astype(np.intp), last


def _hashed(cookies: np.ndarray, netns: np.ndarray, size: int) -> np.ndarray:
    """(n,) i8: places among `size`, a power of two. Cookies that follow one another lie together, as they are asked for
    together."""
    mixed = netns.astype(np.uint64)
    mixed <<= np.uint64(32)
    mixed ^= cookies >> np.uint64(_LOW_BITS)
    mixed *= _MULTIPLIER
    mixed >>= np.uint64(64 - (size.bit_length() - 1) + _LOW_BITS)
    mixed <<= np.uint64(_LOW_BITS)
    mixed |= cookies & np.uint64((1 << _LOW_BITS) - 1)
    return mixed.view(np.int64)
