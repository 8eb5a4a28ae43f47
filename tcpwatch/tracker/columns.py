"""Copies columns between structured arrays, as fast as NumPy can. Knows nothing of what is in them."""

from collections.abc import Iterable

import numpy as np


def copy(source: np.ndarray, at: np.ndarray, target: np.ndarray, lines: np.ndarray, names: Iterable[str]) -> None:
    """Bring the named columns from `source` at the positions `at` to `target` at `lines`; both (n,) intp."""
    for name in names:
        _whole(target[name])[lines] = _whole(source[name])[at]


def _whole(column: np.ndarray) -> np.ndarray:
    """Addresses and names, (n, 16) u1 or (n,) S16, as (n,) pieces: else NumPy copies them byte by byte. Such columns
    must have one type in both."""
    if column.ndim == 2:
        return column.view(f"V{column.itemsize * column.shape[1]}")[:, 0]
    return column.view(f"V{column.dtype.itemsize}") if column.dtype.kind == "S" else column
