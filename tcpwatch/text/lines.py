"""Turns columns into lines of bytes, all lines at once: each column becomes a byte matrix, the matrices stand side by
side, and the padding (zero bytes, which no text holds) falls out at the end. Knows no format and no key."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tcpwatch.text.parts import Array, Codes, Mask, Number

Bytes = NDArray[np.uint8]  # (n, width), or (width,) where all lines have the same

CHUNK = 8192  # lines made in one go; bounds the memory where one text is very long


class Fixed:
    """The same text in every line."""

    def __init__(self, text: str) -> None:
        self._bytes = np.frombuffer(text.encode(), np.uint8)

    def matrix(self, lines: slice) -> Bytes:
        return self._bytes


class Coded:
    """One of a few texts in each line. texts: (m,); codes: (n,) which of them."""

    def __init__(self, texts: Sequence[str], codes: Codes) -> None:
        table = np.array([text.encode() for text in texts], np.bytes_)
        width = max(1, table.itemsize)
        self._table = table.astype(f"S{width}").view(np.uint8).reshape(len(texts), width)
        self._codes = codes

    def matrix(self, lines: slice) -> Bytes:
        block: Bytes = self._table[self._codes[lines]]
        return block


class Decimal:
    """A number in each line; `unknown` where there is none.

    width: at least so many characters, filled with spaces on the left; places: so many of the digits stand behind a
    point (1234 with 3 places is 1.234); absent: (n,) of bool, lines that have nothing at all here."""

    def __init__(
        self, number: Number, unknown: str, width: int = 0, places: int = 0, absent: Mask | None = None
    ) -> None:
        self._values, self._known, self._places = number.values, number.known, places
        self._absent = absent
        self._unknown = unknown.rjust(width)
        self._width = width

    def matrix(self, lines: slice) -> Bytes:
        values, known = self._values[lines], None if self._known is None else self._known[lines]
        if known is not None:
            values = np.where(known, values, 0)
        text = digits(values, self._places + 1)
        if self._places:
            text = np.insert(text, text.shape[1] - self._places, ord("."), axis=1)
        marked = _mark_unknown(_fill(text, self._width), known, np.frombuffer(self._unknown.encode(), np.uint8))
        if self._absent is not None:
            marked[self._absent[lines]] = 0
        return marked


Column = Fixed | Coded | Decimal


def digits(values: Array, least: int = 1) -> Bytes:
    """Unsigned integers (n,) as decimal digits (n, width), right-aligned, zero bytes in front; at least `least`
    digits each, with leading zeros."""
    width = max(least, len(str(int(values.max())))) if len(values) else least
    number = np.dtype(np.uint32 if width <= 9 else np.uint64)
    rest, ten = values.astype(number), number.type(10)
    text = np.empty((width, len(values)), np.uint8)
    for place in range(width - 1, -1, -1):
        left = rest // ten
        digit = (rest - left * ten).astype(np.uint8)
        digit += ord("0")
        if place < width - least:
            digit *= rest != 0
        text[place], rest = digit, left
    return text.T


def join(columns: Sequence[Column], size: int) -> bytes:
    """All lines one after the other; the columns bring their own separators and line ends."""
    return b"".join(_join(columns, slice(at, min(at + CHUNK, size))) for at in range(0, size, CHUNK))


def _join(columns: Sequence[Column], lines: slice) -> bytes:
    blocks = [column.matrix(lines) for column in columns]
    ends = np.cumsum([block.shape[-1] for block in blocks]).tolist()
    # What all lines share is put down in one stroke: a stroke per column costs more than the bytes in it
    ruled = np.concatenate([block if block.ndim == 1 else np.zeros(block.shape[1], np.uint8) for block in blocks])
    page = np.empty((lines.stop - lines.start, ends[-1]), np.uint8)
    page[:] = ruled
    for block, end in zip(blocks, ends):
        if block.ndim == 2:
            page[:, end - block.shape[1] : end] = block
    return page.tobytes().replace(b"\0", b"")


def _fill(text: Bytes, width: int) -> Bytes:
    if not width:
        return text
    wide = np.full((len(text), max(width, text.shape[1])), ord(" "), np.uint8)
    wide[:, wide.shape[1] - text.shape[1] :] = np.where(text == 0, ord(" "), text)
    return wide


def _mark_unknown(text: Bytes, known: Mask | None, unknown: Bytes) -> Bytes:
    if known is None or known.all():
        return text
    marked = np.zeros((len(text), max(text.shape[1], len(unknown))), np.uint8)
    marked[:, : text.shape[1]] = text
    marked[~known] = 0
    marked[~known, : len(unknown)] = unknown
    return marked
