"""Drawing numbers as characters: sparklines of eighth blocks, plots of braille dots. Pure; knows nothing of what the
numbers are."""

import numpy as np

_BLOCKS = " ▁▂▃▄▅▆▇█"
_EMPTY = 0x2800
_DOTS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]], np.uint8)


def sparkline(values: np.ndarray, width: int) -> str:
    """The last `width` values, scaled to the highest of them; unknown is blank, zero is the lowest block."""
    kept = np.asarray(values, float)[-width:] if width > 0 else np.empty(0)
    top = np.nanmax(kept, initial=0.0)
    levels = np.ones(len(kept)) if top <= 0 else 1 + np.ceil(kept / top * 7)
    known = np.where(np.isnan(kept), 0, levels).astype(int)
    return "".join(_BLOCKS[level] for level in known).rjust(max(0, width))


def braille(x: np.ndarray, y: np.ndarray, width: int, height: int, top: float) -> list[str]:
    """A curve in `height` lines of `width` cells, each of 2x4 dots.

    x: (n,) 0..1, rising; y: (n,) 0..top, NaN where unknown. Spikes narrower than a dot are kept: each dot column shows
    the whole range of its samples."""
    return letters(curve(x, y, width, height, top))


def curve(x: np.ndarray, y: np.ndarray, width: int, height: int, top: float) -> np.ndarray:
    """(height, width) u1: the dots of each cell; see `braille`."""
    low, high = envelope(x, y, width * 2)
    if not top > 0:
        return np.zeros((height, width), np.uint8)
    rows = height * 4
    begin, end = (_dot_row(edge, rows, top) for edge in (high, low))
    return _cells(_filled(begin, end, rows))


def area(x: np.ndarray, y: np.ndarray, width: int, height: int, top: float) -> np.ndarray:
    """The same, filled from the curve down with every other dot; nothing where y is 0."""
    _, high = envelope(x, y, width * 2)
    if not top > 0:
        return np.zeros((height, width), np.uint8)
    rows = height * 4
    line, column = np.arange(rows)[:, None], np.arange(width * 2)
    begin = np.where(high > 0, _dot_row(high, rows, top), rows)
    return _cells((line >= begin) & ((line + column) % 2 == 0))


def letters(masks: np.ndarray) -> list[str]:
    """masks: (height, width) u1, the dots of each cell."""
    return ["".join(chr(_EMPTY + int(mask)) if mask else " " for mask in line) for line in masks]


def _cells(dots: np.ndarray) -> np.ndarray:
    """(rows, columns) bool, four by two to a cell."""
    rows, columns = dots.shape
    masks: np.ndarray = (dots.reshape(rows // 4, 4, columns // 2, 2) * _DOTS[None, :, None, :]).sum(axis=(1, 3))
    return masks.astype(np.uint8)


def envelope(x: np.ndarray, y: np.ndarray, dots: int) -> tuple[np.ndarray, np.ndarray]:
    """The lowest and highest value in each of `dots` columns, in between along a straight line; NaN outside the known
    samples."""
    known = ~np.isnan(y)
    x, y = x[known], y[known].astype(float)
    if not len(x):
        return np.full(dots, np.nan), np.full(dots, np.nan)
    bins = np.minimum((x * dots).astype(int), dots - 1)
    low = np.interp((np.arange(dots) + 0.5) / dots, x, y)
    low[: bins[0]] = low[bins[-1] + 1 :] = np.nan
    high = low.copy()
    np.minimum.at(low, bins, y)
    np.maximum.at(high, bins, y)
    return low, high


def _dot_row(values: np.ndarray, rows: int, top: float) -> np.ndarray:
    """Counted from above; -1 where unknown."""
    scaled = rows - 1 - np.round(np.clip(values / top, 0, 1) * (rows - 1))
    return np.where(np.isnan(values), -1, scaled).astype(int)


def _filled(begin: np.ndarray, end: np.ndarray, rows: int) -> np.ndarray:
    """(rows, columns) bool: each column from begin to end, drawn on to meet its neighbour."""
    begin, end = begin.copy(), end.copy()
    for i in range(1, len(begin)):
        if begin[i] >= 0 and begin[i - 1] >= 0:
            begin[i] = min(begin[i], max(end[i - 1] + 1, 0)) if end[i - 1] < begin[i] else begin[i]
            end[i] = max(end[i], begin[i - 1] - 1) if begin[i - 1] > end[i] else end[i]
    line = np.arange(rows)[:, None]
    return (line >= begin) & (line <= end) & (begin >= 0)


def step_rows(x: np.ndarray, y: np.ndarray, width: int, height: int, top: float) -> np.ndarray:
    """(width,) which line of a plot a stepwise value is on in each cell; -1 where unknown or out of the picture."""
    known = ~np.isnan(y)
    x, y = x[known], y[known]
    if not len(x):
        return np.full(width, -1)
    at = np.searchsorted(x, (np.arange(width) + 1) / width, side="right") - 1
    values = np.where(at >= 0, y[np.maximum(at, 0)], np.nan)
    rows = height - 1 - np.round(values / top * (height - 1))
    return np.where(np.isnan(values) | (values > top), -1, rows).astype(int)
