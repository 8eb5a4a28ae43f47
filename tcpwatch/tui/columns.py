"""What a column is, and which columns fit a width. Knows nothing of Textual, or of what its cells say."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from rich.cells import cell_len, set_cell_size

from tcpwatch.tracker.view import View

Role = Literal["plain", "fresh", "bright", "dim", "good", "warn", "bad", "info", "title"]
Cell = tuple[str, Role]
Draw = Callable[[View, np.ndarray, int, int], Cell]
Keys = Callable[[View, np.ndarray, np.ndarray], Sequence[np.ndarray]]

MARK_WIDTH = 3  # the cursor and the sign in front of each line


@dataclass(frozen=True, slots=True)
class Column:
    """draw: (view, rows, which of the rows, width) -> (text, role); text may be longer than width, it is cut then.
    keys: (view, rows, which) -> numeric sort keys of those rows, the most significant first; NaN sorts last either way.
    priority: the highest goes first when the terminal is narrow. widest: how far it may grow (0: not)."""

    name: str
    title: str
    width: int
    align: Literal["left", "right"]
    priority: int
    draw: Draw
    keys: Keys
    descending: bool = False  # the direction a first sort takes
    widest: int = 0


def fit(columns: Sequence[Column], width: int) -> list[tuple[Column, int]]:
    """The columns that fit `width`, in their order, each with the width it gets."""
    gap = gap_of(width)
    room = width - MARK_WIDTH
    kept: set[str] = set()
    for column in sorted(columns, key=lambda c: c.priority):
        room -= column.width + gap
        if room < -gap:
            break
        kept.add(column.name)
    return _grown([c for c in columns if c.name in kept], width, gap)


def gap_of(width: int) -> int:
    """Spaces between columns."""
    return 2 if width >= 110 else 1


def _grown(kept: list[Column], width: int, gap: int) -> list[tuple[Column, int]]:
    """Spare room goes to those that may grow, the most important first, to a comfortable width before a full one."""
    widths = {c.name: c.width for c in kept}
    spare = width - MARK_WIDTH - sum(widths.values()) - gap * (len(kept) - 1)
    growing = sorted((c for c in kept if c.widest), key=lambda c: c.priority)
    for limit in (22, 30, 46, 1000):
        for column in growing:
            extra = max(0, min(spare, min(limit, column.widest) - widths[column.name]))
            widths[column.name] += extra
            spare -= extra
    return [(c, widths[c.name]) for c in kept]


def padded(text: str, width: int, align: Literal["left", "right"]) -> str:
    """Exactly `width` cells, whatever the characters' widths are."""
    length = cell_len(text)
    if length > width:
        return set_cell_size(text, width - 1) + "…"
    return text + " " * (width - length) if align == "left" else " " * (width - length) + text
