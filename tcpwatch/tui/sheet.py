"""What a table shows and in which order: a mask and a sort over a view's rows, kept as one index array. Pure NumPy,
no object per row, no terminal."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from tcpwatch.tracker.view import Key, View
from tcpwatch.tui.columns import Cell, Column

if TYPE_CHECKING:
    from tcpwatch.filter import Filter  # its grammar is loaded when the first filter is, not before the first screen

Kind = Literal["connections", "events", "ports", "findings"]  # the view's list of that name


@dataclass(frozen=True, slots=True)
class Sheet:
    """One table. kind: which of the view's lists it is of. rows: a line for each of that list, in the shape filters
    understand (rows.CONNECTION). belongs: which of them are this table's at all; its argument says whether closed ones
    are. name, place: a line's lasting name, and the line that bears a name now (None: gone). key: the connection behind
    a line. sign: the mark in front of it, and how bright the line is. follows: it is a stream, whose newest line is of
    interest."""

    noun: str
    kind: Kind
    columns: tuple[Column, ...]
    sort: str
    rows: Callable[[View], np.ndarray]
    belongs: Callable[[View, np.ndarray, bool], np.ndarray]
    name: Callable[[View, np.ndarray, int], Hashable]
    place: Callable[[View, np.ndarray, Hashable], int | None]
    key: Callable[[View, np.ndarray, int], Key | None]
    sign: Callable[[View, np.ndarray, int], Cell]
    follows: bool = False

    def column(self, name: str) -> Column:
        return next(c for c in self.columns if c.name == name)


@dataclass(frozen=True, slots=True)
class Wish:
    """What the user asked a table to show."""

    sort: str
    descending: bool
    closed: bool = False
    filter: "Filter | None" = None


@dataclass(frozen=True, slots=True)
class Shown:
    """A view through a wish. order: (n,) int64, indices into rows, from the top of the screen down; total: how many
    there would be without the filter."""

    view: View
    rows: np.ndarray
    order: np.ndarray
    total: int


def show(sheet: Sheet, view: View, wish: Wish) -> Shown:
    rows = sheet.rows(view)
    mask = sheet.belongs(view, rows, wish.closed)
    total = int(np.count_nonzero(mask))
    if wish.filter is not None:
        from tcpwatch.filter import Names

        mask = mask & wish.filter.mask(rows, Names(view.cgroups, view.namespaces))
    chosen = np.flatnonzero(mask)
    keys = sheet.column(wish.sort).keys(view, rows, chosen)
    return Shown(view, rows, chosen[ranked(keys, rows["opened_ns"][chosen], wish.descending)], total)


def ranked(keys: Sequence[np.ndarray], opened_ns: np.ndarray, descending: bool) -> np.ndarray:
    """The order of lines: by keys, equal ones youngest first; NaN is last in both directions."""
    signed = [_turned(k) if descending else k for k in keys]
    return np.lexsort((~opened_ns, *reversed(signed)))


def _turned(key: np.ndarray) -> np.ndarray:
    """Reversed order; unsigned numbers by complement, as they have no negatives."""
    return ~key if key.dtype.kind == "u" else -key
