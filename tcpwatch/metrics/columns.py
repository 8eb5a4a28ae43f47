"""Columns of records, brought together: what is asked for again and again then lies side by side in memory. Knows
nothing of what is in them."""

from collections.abc import Iterable
from functools import lru_cache

import numpy as np

_WORD = 8  # bytes
_AT_ONCE = 1024  # records: all columns of so many, before they leave the processor's cache


class Columns:
    """Of (n,) records; each column (n,), one of 16 bytes (n, 2) u8. Copies: the records may change meanwhile."""

    def __init__(self, kind: np.dtype, words: np.ndarray, places: dict[str, int]) -> None:
        self._kind = kind
        self._words = words  # (columns, n) u8
        self._places = places

    def __len__(self) -> int:
        return self._words.shape[1]

    def __getitem__(self, name: str) -> np.ndarray:
        kind, offset = self._kind.fields[name][:2]  # type: ignore[index]
        place = self._places[name]
        if kind.itemsize == 2 * _WORD:
            return self._words[place : place + 2].T
        if kind.itemsize == _WORD:
            return self._words[place].view(kind)
        narrow = self._words[place].view(kind)
        return narrow[offset % _WORD // kind.itemsize :: _WORD // kind.itemsize]

    def take(self, at: np.ndarray) -> "Columns":
        return Columns(self._kind, self._words.take(at, axis=1), self._places)


class Heap:
    """Gathers columns of records until there are enough of them. What it gave is void when more are added."""

    def __init__(self, kind: np.dtype, names: tuple[str, ...], room: int) -> None:
        self._kind = kind
        self._which, self._places = _layout(kind, names)
        self._words = np.empty((len(self._which), room), np.uint64)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, records: np.ndarray) -> None:
        count, room = self._count + len(records), self._words.shape[1]
        if count > room:
            wider = np.empty((len(self._which), count + room), np.uint64)
            wider[:, : self._count] = self._words[:, : self._count]
            self._words = wider
        _gather(records, None, self._which, self._words[:, self._count : count])
        self._count = count

    def empty(self) -> Columns:
        """All there are."""
        words, self._count = self._words[:, : self._count], 0
        return Columns(self._kind, words, self._places)


def columns(records: np.ndarray, names: tuple[str, ...], lines: np.ndarray | None = None) -> Columns:
    """records: contiguous, of a type whose fields are aligned. lines: (n,) which of them; None: all."""
    which, places = _layout(records.dtype, names)
    words = np.empty((len(which), len(records) if lines is None else len(lines)), np.uint64)
    _gather(records, lines, which, words)
    return Columns(records.dtype, words, places)


def _gather(records: np.ndarray, lines: np.ndarray | None, which: np.ndarray, words: np.ndarray) -> None:
    """Fill in (columns, n) words."""
    whole = records.view(np.uint64).reshape(-1, records.dtype.itemsize // _WORD)
    for begin in range(0, words.shape[1], _AT_ONCE):
        some = slice(begin, begin + _AT_ONCE)
        block = whole[some] if lines is None else whole.take(lines[some], axis=0)
        words[:, some] = block.T[which]


@lru_cache(maxsize=64)
def _layout(kind: np.dtype, names: Iterable[str]) -> tuple[np.ndarray, dict[str, int]]:
    """Which words of a record are wanted, and at which of those each column begins."""
    fields = kind.fields
    assert fields is not None
    assert kind.itemsize % _WORD == 0
    spans = {name: (fields[name][1] // _WORD, -(-fields[name][0].itemsize // _WORD)) for name in names}
    which = sorted({first + i for first, width in spans.values() for i in range(width)})
    return np.array(which), {name: which.index(first) for name, (first, _) in spans.items()}
