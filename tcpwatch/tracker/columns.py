"""Copies columns between structured arrays, as fast as NumPy can. Knows nothing of what is in them."""

from collections.abc import Iterable, Iterator

import numpy as np

_MOST = 16  # bytes; NumPy copies larger pieces by a call each
_PART = 4096  # records
_AT_ONCE = 1024  # records: all columns of so many, before they leave the processor's cache


def parts(count: int) -> Iterator[slice]:
    """All of so many records, some at a time: what is done with a few stays in the processor's cache meanwhile, and
    what is made on the way is small."""
    return (slice(begin, min(begin + _PART, count)) for begin in range(0, count, _PART))


class Passage:
    """Columns that go from records of one type to records of another. What lies side by side in both and has the same
    types goes as one piece: each piece costs a look at every record."""

    def __init__(self, source: np.dtype, target: np.dtype, names: Iterable[str]) -> None:
        self._pieces = tuple(_pieces(source, target, names))

    def copy(
        self, source: np.ndarray, target: np.ndarray, lines: np.ndarray | slice, at: np.ndarray | slice = slice(None)
    ) -> None:
        """Bring the columns of `source` at the positions `at` to `target` at `lines`; intp, or all. Where there are
        many columns and few of the records, it is better to take those first."""
        pieces = [
            (source.getfield(there, begin), target.getfield(kind, here)) for kind, there, begin, here in self._pieces
        ]
        count = len(target) if isinstance(lines, slice) else len(lines)
        for some in (slice(begin, begin + _AT_ONCE) for begin in range(0, count, _AT_ONCE)):
            into = some if isinstance(lines, slice) else lines[some]
            from_ = some if isinstance(at, slice) else at[some]
            for values, column in pieces:
                found = values[from_]
                column[into] = found if found.dtype == column.dtype else found.astype(column.dtype)


def _pieces(source: np.dtype, target: np.dtype, names: Iterable[str]) -> Iterator[tuple[np.dtype, np.dtype, int, int]]:
    """(type there, type in the source, offset in the source, offset there)"""
    theirs, ours = source.fields, target.fields
    assert theirs is not None
    assert ours is not None
    begin = here = size = 0  # of the piece to come
    for name in sorted(names, key=lambda name: theirs[name][1]):
        kind, offset, *_ = theirs[name]
        place = ours[name][1]
        if kind != ours[name][0]:
            yield ours[name][0], kind, offset, place
            continue
        if (offset, place) != (begin + size, here + size) or size + kind.itemsize > _MOST:
            if size:
                yield _whole(begin, here, size)
            begin, here, size = offset, place, 0
        size += kind.itemsize
    if size:
        yield _whole(begin, here, size)


def _whole(begin: int, here: int, size: int) -> tuple[np.dtype, np.dtype, int, int]:
    """Numbers as numbers; all else as bytes, or NumPy would copy addresses byte by byte."""
    aligned = size in (1, 2, 4, 8) and begin % size == here % size == 0
    kind = np.dtype(f"u{size}" if aligned else f"V{size}")
    return kind, kind, begin, here
