"""Turns columns into lines of bytes, all lines at once: each column gives cells, which stand side by side on a page,
and the padding (zero bytes, which no text holds) falls out at the end. Knows no format and no key."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import accumulate

import numpy as np

from tcpwatch.records.parts import Array, Codes, Mask, Number

Cell = bytes | Array  # the same in every line, or (n,) of whatever type: what counts is its bytes

CHUNK = 8192  # lines whose columns are made in one go, and as wide as the widest number among them
PAGE_BYTES = 1 << 19  # what fits into a core's cache, and is not given back to the kernel after each page
_DIGITS = np.frombuffer(b"0123456789abcdef", np.uint8)


class Fixed:
    """The same text in every line."""

    def __init__(self, text: str) -> None:
        self._text = text.encode()

    def cells(self, lines: slice) -> list[Cell]:
        return [self._text]


class Coded:
    """One of a few texts in each line. texts: (m,); codes: (n,) which of them."""

    def __init__(self, texts: Sequence[str], codes: Codes) -> None:
        self._table = np.array([text.encode() for text in texts], np.bytes_)
        self._codes = codes

    def cells(self, lines: slice) -> list[Cell]:
        return [bytes(self._table[0]) if len(self._table) == 1 else self._table.take(self._codes[lines])]


class Decimal:
    """A number in each line; `unknown` where there is none.

    width: at least so many characters, filled with spaces on the left; places: so many of the digits, 3 at most, stand
    behind a point (1234 with 3 places is 1.234); absent: (n,) of bool, lines that have nothing at all here."""

    def __init__(
        self, number: Number, unknown: str, width: int = 0, places: int = 0, absent: Mask | None = None
    ) -> None:
        self._values, self._known, self._places = number.values, number.known, places
        self._absent = absent
        self._unknown = unknown.rjust(width).encode()
        self._width = width

    def cells(self, lines: slice) -> list[Cell]:
        values, known = self._values[lines], None if self._known is None else self._known[lines]
        if known is not None:
            values = np.where(known, values, 0)
        words = _with_point(values, self._width, self._places)
        if known is not None:
            words = _replace(words, ~known, self._unknown)
        if self._absent is not None:
            words = _replace(words, self._absent[lines], b"")
        return [*words]


class Hexadecimal:
    """A number in each line but the absent ones. values: (n,) unsigned; absent: (n,) of bool."""

    def __init__(self, values: Array, absent: Mask) -> None:
        self._values, self._absent = values, absent

    def cells(self, lines: slice) -> list[Cell]:
        return [*_replace(digits(self._values[lines], 16, 2), self._absent[lines], b"")]


Column = Fixed | Coded | Decimal | Hexadecimal


def digits(values: Array, radix: int = 10, size: int = 4, width: int = 0) -> list[Array]:
    """Unsigned integers (n,) as words of `size` digits each, (n,) of as many bytes, from left to right. In front of the
    digits stand zero bytes; where a width is given, spaces make all numbers as wide as it or as the widest of them."""
    base, most = radix**size, int(values.max(initial=0))
    number = np.dtype(np.uint32 if most < 2**32 else np.uint64)
    width = max(width, len(str(most))) if width > 0 else 0
    rest, unit = values.astype(number, copy=False), number.type(base)
    words: list[Array] = []
    while not words or most or width > 0:
        left = rest // unit
        group = (rest - left * unit).astype(np.intp)
        most //= base
        if most:
            group += (left != 0) * base
        words.append(_table(radix, size, int(not words), min(max(width, 0), size)).take(group))
        rest, width = left, width - size
    return words[::-1]


@lru_cache(maxsize=64)
def _table(radix: int, size: int, least: int, fill: int) -> Array:
    """All words of `size` digits: first those of numbers that begin there, at least `least` digits and then spaces up
    to `fill` characters; then those with more digits in front."""
    numbers = np.arange(radix**size)
    words = np.empty((2, len(numbers), size), np.uint8)
    for place in range(size):
        power, behind = radix ** (size - 1 - place), size - place
        words[:, :, place] = _DIGITS[numbers // power % radix]
        if behind > least:
            words[0, numbers < power, place] = ord(" ") if behind <= fill else 0
    return words.view(f"u{size}").ravel()


@lru_cache(maxsize=8)
def _fractions(places: int) -> Array:
    """The words `.000` to `.999`, or as many digits as there are places."""
    words = _table(10, 4, places, 0)[: 10**places].copy()
    words.view(np.uint8).reshape(-1, 4)[:, 3 - places] = ord(".")
    return words


def _with_point(values: Array, width: int, places: int) -> list[Array]:
    if not places:
        return digits(values, width=width)
    unit = values.dtype.type(10**places)
    whole = values // unit
    behind = _fractions(places).take((values - whole * unit).astype(np.intp))
    return [*digits(whole, width=width - places - 1), behind]


def _replace(words: list[Array], where: Mask, text: bytes) -> list[Array]:
    """The text instead of the words, in these lines."""
    if not where.any():
        return words
    size = words[0].itemsize
    lacking = max(0, -(-len(text) // size) - len(words))
    words = [*(np.zeros_like(words[0]) for _ in range(lacking)), *words]
    for word, part in zip(words, np.frombuffer(text.rjust(size * len(words), b"\0"), words[0].dtype)):
        np.copyto(word, part, where=where)
    return words


def join(columns: Sequence[Column], size: int) -> memoryview:
    """All lines one after the other; the columns bring their own separators and line ends."""
    text, end = np.empty(0, np.uint8), 0
    for at in range(0, size, CHUNK):
        lines = slice(at, min(at + CHUNK, size))
        cells = [cell for column in columns for cell in column.cells(lines)]
        width = sum(map(_size, cells))
        if end + width * (lines.stop - at) > len(text):
            # Room for all the rest: what is never written to costs nothing, putting pieces together at the end does
            text, written = np.empty(end + width * (size - at), np.uint8), text[:end]
            text[:end] = written
        for page in _pages(cells, width, lines.stop - at):
            text[end : end + len(page)] = page
            end += len(page)
    return text[:end].data


def _pages(cells: Sequence[Cell], width: int, count: int) -> Iterator[Array]:
    # What all lines share is put down in one stroke: a stroke per column costs more than the bytes in it
    ruled = b"".join(cell if isinstance(cell, bytes) else bytes(cell.itemsize) for cell in cells)
    begins = accumulate(map(_size, cells), initial=0)
    varied = [(cell, begin) for cell, begin in zip(cells, begins) if not isinstance(cell, bytes)]
    step = max(1, PAGE_BYTES // width)
    for at in range(0, count, step):
        page = np.full(min(step, count - at), ruled, f"V{width}")
        for cell, begin in varied:
            np.ndarray(len(page), cell.dtype, page, begin, page.strides)[:] = cell[at : at + step]
        text = page.view(np.uint8)
        yield text[text != 0]


def _size(cell: Cell) -> int:
    return len(cell) if isinstance(cell, bytes) else cell.itemsize
