"""Finds the label sets that words stand for, many at once: an open-addressing hash from words to entries, each made
into labels once. A dict would cost a Python object per connection. Knows nothing of metrics."""

from collections.abc import Callable

import numpy as np

from tcpwatch.metrics.keys import Words

_FACTORS = np.array([0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB, 0xD6E8FEB86659FD93], np.uint64)
_SLOTS = 1 << 17
_MOST = 1 << 15  # entries: more than any machine has services; then all are forgotten and found again
UNNAMED = 0  # the entry of words that were too many at once to be looked at


class Ring:
    """forgotten: how often all entries have become void. at_once: how many new ones a call may make: each costs some
    microseconds of Python, and whoever runs a process of another name for each connection shall not stop the rest."""

    def __init__(self, at_once: int) -> None:
        self.forgotten = 0
        self.unnamed = 0  # how many different words became UNNAMED
        self._at_once = at_once
        self._slots = np.full(_SLOTS, -1, np.int32)
        self._words = np.zeros((4, _MOST + 1), np.uint64)
        self._count = 1

    def forget(self) -> None:
        self.forgotten += 1
        self._slots.fill(-1)
        self._count = 1

    @property
    def crowded(self) -> bool:
        return self._count > _MOST // 2

    def entries(self, words: Words) -> np.ndarray:
        """(n,) intp: where the same words have the same entry until all are forgotten."""
        hashes = _hashed(words)
        found = self._find(words, hashes)
        missing = np.flatnonzero(found < 0)
        made = 0
        while len(missing):
            _, first = np.unique(hashes[missing], return_index=True)
            room = min(self._at_once - made, _MOST - self._count)
            if room < len(first):
                self.unnamed += len(first) - max(room, 0)
            if room <= 0:
                found[missing] = UNNAMED
                break
            fresh = missing[np.sort(first)[:room]]
            made += len(fresh)
            self._add([word[fresh] for word in words], hashes[fresh])
            found[missing] = self._find(tuple(word[missing] for word in words), hashes[missing])  # type: ignore[arg-type]
            missing = missing[found[missing] < 0]
        return found

    def words(self, entry: int) -> tuple[int, int, int, int]:
        first, second, third, fourth = self._words[:, entry].tolist()
        return first, second, third, fourth

    def _find(self, words: Words, hashes: np.ndarray) -> np.ndarray:
        """(n,) intp, -1 where there is none."""
        found = np.full(len(hashes), -1, np.intp)
        open_: np.ndarray | slice = slice(None)
        places = (hashes >> np.uint64(40)).astype(np.intp) & (_SLOTS - 1)
        while True:
            entries = self._slots[places]
            same = entries >= 0
            for known, word in zip(self._words, words):
                same &= known[entries] == word[open_]
            if isinstance(open_, slice):
                found[same] = entries[same]
                open_ = np.arange(len(hashes))
            else:
                found[open_[same]] = entries[same]
            on = np.flatnonzero(~same & (entries >= 0))
            if not len(on):
                return found
            open_, places = open_[on], (places[on] + 1) & (_SLOTS - 1)

    def _add(self, words: list[np.ndarray], hashes: np.ndarray) -> None:
        """Words that are not here and of which no two have the same hash."""
        for i, place in enumerate(((hashes >> np.uint64(40)).astype(np.intp) & (_SLOTS - 1)).tolist()):
            while self._slots[place] >= 0:
                place = (place + 1) & (_SLOTS - 1)
            self._slots[place] = self._count
            for known, word in zip(self._words, words):
                known[self._count] = word[i]
            self._count += 1


def _hashed(words: Words) -> np.ndarray:
    total = words[0] * _FACTORS[0]
    for word, factor in zip(words[1:], _FACTORS[1:]):
        total += word * factor
    total ^= total >> np.uint64(29)  # multiplication carries only upwards
    total *= _FACTORS[0]
    return total


class Codes:
    """Of each entry of a ring the label set it stands for, as a number, once somebody asked. find: makes it, of an
    entry."""

    def __init__(self, ring: Ring, find: Callable[[int], int]) -> None:
        self._ring = ring
        self._find = find
        self._of = np.full(_MOST + 1, -1, np.intp)
        self._forgotten = 0

    def of(self, entries: np.ndarray) -> np.ndarray:
        """(n,) intp"""
        if self._forgotten != self._ring.forgotten:
            self._of.fill(-1)
            self._forgotten = self._ring.forgotten
        self._of[UNNAMED] = 0
        found = self._of[entries]
        missing = found < 0
        if missing.any():
            for entry in np.unique(entries[missing]).tolist():
                self._of[entry] = self._find(entry)
            found = self._of[entries]
        return found
