"""What a batch of records is made of before it is text: numbers that differ from record to record, and values that many
records share. Knows neither which keys exist nor how they are written."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Array = np.ndarray  # of whatever type
Mask = np.ndarray  # of bool
Codes = np.ndarray  # of integers
Value = None | bool | int | str | list[int] | list[list[str | int | None]]  # everything JSON that a key may hold
Pick = slice | Codes  # which of a batch's records are wanted


@dataclass(frozen=True, slots=True)
class Number:
    """One key whose value is a number. values: (n,) unsigned; known: (n,) bool, None = all of them."""

    name: str
    values: Array
    known: Mask | None = None

    def decode(self) -> list[Value]:
        values: list[Value] = self.values.tolist()
        return values if self.known is None else [v if k else None for v, k in zip(values, self.known.tolist())]

    def floats(self) -> NDArray[np.float64]:
        """(n,) with NaN where unknown, as filters want them."""
        values = self.values.astype(np.float64)
        if self.known is not None:
            values[~self.known] = np.nan
        return values


@dataclass(frozen=True, slots=True)
class Shared:
    """Keys whose values come together and repeat: each combination is held, and made text, only once.

    values: per key (m,) the distinct combinations; codes: (n,) which of them each record has."""

    values: Mapping[str, Sequence[Value]]
    codes: Codes

    def decode(self, name: str) -> list[Value]:
        values = self.values[name]
        return [values[code] for code in self.codes.tolist()]


@dataclass(frozen=True, slots=True)
class Sequences:
    """One key whose value is a list of [word, number] pairs, of another length in each record.

    words: the vocabulary; codes: (most, n) which word; lengths: (n,); values: (most, n); known: (most, n) of bool."""

    name: str
    words: Sequence[str]
    codes: Codes
    lengths: Array
    values: Array
    known: Mask

    def decode(self) -> list[Value]:
        rows = zip(self.lengths.tolist(), *(column.T.tolist() for column in (self.codes, self.values, self.known)))
        return [
            [[self.words[c], v if k else None] for c, v, k in zip(codes[:length], values, known)]
            for length, codes, values, known in rows
        ]


@dataclass(frozen=True, slots=True)
class Label:
    """One key whose value is a name made of numbers, hexadecimal, with dashes between them.

    numbers: (n,) unsigned each, left out where it is zero, but for the first; known: (n,) of bool."""

    name: str
    numbers: Sequence[Array]
    known: Mask

    def decode(self) -> list[Value]:
        rows = zip(zip(*(numbers.tolist() for numbers in self.numbers)), self.known.tolist())
        return [
            "-".join(f"{number:x}" for number in (first, *filter(None, rest))) if known else None
            for (first, *rest), known in rows
        ]


Part = Number | Shared | Sequences | Label


@dataclass(frozen=True, slots=True)
class Records:
    """A batch of records. parts: together the contract's keys, in its order. extra: numbers only the text shows."""

    size: int
    parts: tuple[Part, ...]
    extra: tuple[Number, ...] = field(default=())

    def names(self) -> list[str]:
        return [name for part in self.parts for name in names_of(part)]

    def columns(self) -> dict[str, list[Value]]:
        """Each key's values, one per record, in the contract's order (the extra ones last)."""
        return {
            name: part.decode(name) if isinstance(part, Shared) else part.decode()
            for part in (*self.parts, *self.extra)
            for name in names_of(part)
        }

    def number(self, name: str) -> Number:
        return {part.name: part for part in (*self.parts, *self.extra) if isinstance(part, Number)}[name]

    def sequences(self, name: str) -> Sequences:
        return next(p for p in self.parts if isinstance(p, Sequences) and p.name == name)

    def shared(self, name: str) -> Shared:
        return {key: part for part in self.parts if isinstance(part, Shared) for key in part.values}[name]


def names_of(part: Part) -> tuple[str, ...]:
    """The keys it has the values of."""
    return tuple(part.values) if isinstance(part, Shared) else (part.name,)


def each(size: int, values: Mapping[str, Sequence[Value]]) -> Shared:
    """Values that do not repeat: every record has its own."""
    return Shared(values, np.arange(size))


def same(size: int, values: Mapping[str, Value]) -> Shared:
    """Values that all records have in common."""
    return Shared({name: [value] for name, value in values.items()}, np.zeros(size, np.intp))


def labelled(key: str, numbers: Array, label: Callable[[int], Value]) -> Shared:
    """A value for each number; each number's is made only once."""
    first, codes = group(numbers)
    return Shared({key: [label(number) for number in numbers[first].tolist()]}, codes)


_SPREAD = np.uint64(0x9E3779B97F4A7C15)


def group(*keys: Array) -> tuple[Codes, Codes]:
    """Finds the records that agree in all keys, without sorting.

    keys: (n,) of unsigned integers each. Returns first (m,): one record per group, and codes (n,): each record's group.
    Exact in what it joins; where two groups meet in one slot of the table, one of them may come back in several pieces,
    which costs a little time and changes nothing."""
    size = len(keys[0])
    keys = tuple(key for key in keys if (key[1:] != key[:1]).any()) or keys[:1]  # the rest tell nothing apart
    bits = max(1, (4 * size - 1).bit_length()) if size else 1
    mixed = np.zeros(size, np.uint64)
    for key in keys:
        mixed ^= mixed >> np.uint64(29)
        mixed ^= key
        mixed *= _SPREAD
    slot = mixed >> np.uint64(64 - bits)
    order = np.arange(size)
    winner = np.empty(1 << bits, np.intp)
    winner[slot] = order
    leader = winner[slot]
    agree = np.ones(size, np.bool_)
    for key in keys:
        agree &= key[leader] == key
    leader = np.where(agree, leader, order)
    leads = leader == order
    return np.flatnonzero(leads), (np.cumsum(leads) - 1)[leader]
