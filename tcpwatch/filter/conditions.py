"""Conditions over columns, each a vectorised mask of the rows where it is *certainly* true. An absent column or an
unknown value makes no row certain, neither for a condition nor for its opposite. Knows nothing of how filters are
written."""

import operator
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

import numpy as np

from tcpwatch import wire, words
from tcpwatch.filter import prefilter
from tcpwatch.filter.prefilter import KernelFilter

Columns = np.ndarray | Mapping[str, np.ndarray]

OPPOSITE = {"=": "!=", "!=": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
_COMPARE: dict[str, Callable[[np.ndarray, float], np.ndarray]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}

STATES = frozenset(range(1, len(wire.STATES)))


@dataclass(frozen=True, slots=True)
class Names:
    """What turns ids into text. cgroups: inode number -> path; namespaces: inode number -> name of `ip netns`."""

    cgroups: Mapping[int, str] = field(default_factory=dict)
    namespaces: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Table:
    columns: Columns
    names: Names
    rows: int

    def column(self, name: str) -> np.ndarray | None:
        if isinstance(self.columns, np.ndarray):
            return self.columns[name] if name in (self.columns.dtype.names or ()) else None
        return self.columns.get(name)

    def all(self, value: bool) -> np.ndarray:
        return np.full(self.rows, value)


class Condition(Protocol):
    def mask(self, table: Table) -> np.ndarray:
        """(rows,) bool: where this is certainly true."""

    def opposite(self) -> "Condition":
        """True exactly where this is certainly false."""

    def box(self) -> KernelFilter:
        """What each row that this accepts satisfies."""

    def columns(self) -> frozenset[str]:
        """The columns it looks at."""


@dataclass(frozen=True, slots=True)
class Constant:
    value: bool

    def mask(self, table: Table) -> np.ndarray:
        return table.all(self.value)

    def opposite(self) -> Condition:
        return Constant(not self.value)

    def box(self) -> KernelFilter:
        return prefilter.EVERYTHING if self.value else prefilter.NOTHING

    def columns(self) -> frozenset[str]:
        return frozenset()


Join = Literal["and", "or"]


@dataclass(frozen=True, slots=True)
class Chain:
    """Conditions joined from left to right; the rest may be long, so it is walked and never recursed into."""

    first: Condition
    rest: tuple[tuple[Join, Condition], ...]

    def mask(self, table: Table) -> np.ndarray:
        result = self.first.mask(table)
        for join, condition in self.rest:
            if join == "or":
                result = result | condition.mask(table)
            elif result.any():
                result = result & condition.mask(table)
        return result

    def opposite(self) -> Condition:
        """De Morgan, link by link."""
        flipped: dict[Join, Join] = {"and": "or", "or": "and"}
        return Chain(self.first.opposite(), tuple((flipped[join], part.opposite()) for join, part in self.rest))

    def box(self) -> KernelFilter:
        box = self.first.box()
        for join, condition in self.rest:
            box = (prefilter.overlap if join == "and" else prefilter.around)(box, condition.box())
        return box

    def columns(self) -> frozenset[str]:
        return self.first.columns().union(*(part.columns() for _, part in self.rest))


def every(conditions: Iterable[Condition]) -> Condition:
    """True where all of them are; of none, everywhere."""
    parts = tuple(conditions)
    if not parts:
        return Constant(True)
    return Chain(parts[0], tuple(("and", part) for part in parts[1:])) if len(parts) > 1 else parts[0]


@dataclass(frozen=True, slots=True)
class _Column(ABC):
    column: str

    def box(self) -> KernelFilter:
        return prefilter.EVERYTHING

    def columns(self) -> frozenset[str]:
        return frozenset((self.column,))

    def mask(self, table: Table) -> np.ndarray:
        values = table.column(self.column)
        return table.all(False) if values is None else self.certain(values, table.names)

    @abstractmethod
    def certain(self, values: np.ndarray, names: Names) -> np.ndarray:
        """The mask, of the column's values."""


@dataclass(frozen=True, slots=True)
class Number(_Column):
    """A column against a number. zero_unknown: in this column a 0 means unknown, as NaN does in all."""

    sign: str
    value: float
    zero_unknown: bool = False

    def certain(self, values: np.ndarray, names: Names) -> np.ndarray:
        result = _COMPARE[self.sign](values, self.value)
        if self.sign == "!=" and values.dtype.kind == "f":  # alone among the signs, != is true of NaN
            result &= values == values
        if self.zero_unknown:
            result &= values != 0
        return result

    def opposite(self) -> Condition:
        return replace(self, sign=OPPOSITE[self.sign])

    def box(self) -> KernelFilter:
        if self.column in ("lport", "rport"):
            return prefilter.ports(self.column, *_range(self.sign, int(self.value)))
        if self.column in ("family", "netns") and self.sign == "=":
            return KernelFilter(**{self.column: int(self.value)})
        return prefilter.EVERYTHING


def _range(sign: str, port: int) -> tuple[int, int]:
    """The ports, lowest and highest, that satisfy the sign; those satisfying != have a hole which no range shows."""
    if sign == "!=":
        return int(port == 0), prefilter.PORT_MAX - (port == prefilter.PORT_MAX)
    lowest = {"=": port, ">=": port, ">": port + 1}.get(sign, 0)
    highest = {"=": port, "<=": port, "<": port - 1}.get(sign, prefilter.PORT_MAX)
    return lowest, highest


@dataclass(frozen=True, slots=True)
class OneOf(_Column):
    """A column of small numbers is one of these, of all that there are; 0 is unknown."""

    numbers: frozenset[int]
    among: frozenset[int]

    def certain(self, values: np.ndarray, names: Names) -> np.ndarray:
        listed = np.zeros(256, bool)
        listed[list(self.numbers)] = True
        result: np.ndarray = listed[values]
        return result

    def opposite(self) -> Condition:
        return replace(self, numbers=self.among - self.numbers)


def states(numbers: frozenset[int]) -> Condition:
    """All states hold for a socket of unknown state, too: `state all` is what people type to say `no condition`."""
    return Constant(bool(numbers)) if numbers in (STATES, frozenset()) else OneOf("state", numbers, STATES)


def _begin(values: np.ndarray, wanted: bytes, bits: int) -> np.ndarray:
    """values: 16 bytes a row; (rows,) bool where the first bits are the wanted ones'. As halves of 64 bits, which is
    five times as fast as bytes; their order is of no matter to a masked equality."""
    cover = np.frombuffer(((1 << 128) - (1 << (128 - bits))).to_bytes(16, "big"), np.uint64)
    target = np.frombuffer(wanted.ljust(16, b"\0"), np.uint64) & cover
    halves = np.ascontiguousarray(values).view(np.uint64).reshape(-1, 2)
    same: np.ndarray = ((halves[:, 0] & cover[0]) == target[0]) & ((halves[:, 1] & cover[1]) == target[1])
    return same


@dataclass(frozen=True, slots=True)
class Network(_Column):
    """The first `bits` of a 16-byte address."""

    address: bytes
    bits: int
    inside: bool = True

    def certain(self, values: np.ndarray, names: Names) -> np.ndarray:
        same = _begin(values, self.address, self.bits)
        return same if self.inside else ~same

    def opposite(self) -> Condition:
        return replace(self, inside=not self.inside)


def pattern(text: str) -> re.Pattern[str]:
    """`*` stands for any characters, none included."""
    return re.compile(".*".join(re.escape(part) for part in re.split(r"\*+", text)), re.DOTALL)


@dataclass(frozen=True, slots=True)
class Text(_Column):
    """A column of names as they are shown (words.clean), empty = unknown."""

    text: str
    same: bool = True

    def certain(self, values: np.ndarray, names: Names) -> np.ndarray:
        head, star, tail = self.text.partition("*")
        # Shown otherwise than the kernel's bytes are control characters (`?`) and what is not ASCII
        if tail or "?" in head or not head.isascii() or values.dtype != "S16" or len(head) > 15:
            return self._by_pattern(values)
        begins = _begin(values, head.encode(), 8 * len(head)) if star else values == head.encode()
        certain: np.ndarray = (begins == self.same) & (values != b"")
        return certain

    def _by_pattern(self, values: np.ndarray) -> np.ndarray:
        found = values.tolist()
        fits = pattern(self.text).fullmatch
        listed = {name for name in set(found) if name and (fits(words.clean(name)) is not None) == self.same}
        return np.fromiter(map(listed.__contains__, found), bool, len(found))

    def opposite(self) -> Condition:
        return replace(self, same=not self.same)


@dataclass(frozen=True, slots=True)
class Cgroup(_Column):
    """The control group at this path or below it; an id without a path is unknown."""

    path: str
    inside: bool = True

    def certain(self, values: np.ndarray, names: Names) -> np.ndarray:
        fits = re.compile(pattern(self.path.rstrip("/")).pattern + "(/.*)?", re.DOTALL).fullmatch
        listed = [key for key, path in names.cgroups.items() if key and (fits(path) is not None) == self.inside]
        return np.isin(values, np.array(listed, np.uint64))

    def opposite(self) -> Condition:
        return replace(self, inside=not self.inside)


@dataclass(frozen=True, slots=True)
class Namespace(_Column):
    """The network namespace that `ip netns` knows by this name; one without a name has certainly another."""

    name: str
    same: bool = True

    def certain(self, values: np.ndarray, names: Names) -> np.ndarray:
        fits = pattern(self.name).fullmatch
        listed = [key for key, name in names.namespaces.items() if key and fits(name)]
        found = np.isin(values, np.array(listed, np.uint64))
        return found if self.same else ~found & (values != 0)

    def opposite(self) -> Condition:
        return replace(self, same=not self.same)
