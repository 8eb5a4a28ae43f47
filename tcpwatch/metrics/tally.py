"""How much of each line of the tracker's table was counted already? Lines are given away and used again, so each is
known by its connection. Knows nothing of metrics."""

import numpy as np

from tcpwatch.metrics.columns import Columns

_COLUMNS = {
    "bytes_sent": np.uint64,
    "bytes_received": np.uint64,
    "segs_out": np.uint32,
    "segs_in": np.uint32,
    "spurious": np.uint32,
    "busy_ticks": np.uint32,
    "rwnd_limited_ticks": np.uint32,
    "sndbuf_limited_ticks": np.uint32,
    "stalled_ns": np.uint64,
}
FACTS = ("cookie", "netns", "turn", "opened_ns", "established_ns", *_COLUMNS)
_SPACE, _TURN = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93)


class Tally:
    """All methods: rows, with the columns FACTS, of the table's lines, (n,) intp."""

    def __init__(self) -> None:
        self._who = np.zeros(0, np.uint64)
        self._opened = np.zeros(0, bool)
        self._counted = {name: np.zeros(0, kind) for name, kind in _COLUMNS.items()}

    def reach(self, lines: int) -> None:
        """So many lines there are."""
        if lines > len(self._who):
            size = 2 * lines  # memory that nobody writes to takes no room
            self._who, self._opened = _longer(self._who, size), _longer(self._opened, size)
            self._counted = {name: _longer(one, size) for name, one in self._counted.items()}

    def knows(self, rows: Columns, lines: np.ndarray) -> np.ndarray:
        """(n,) bool: something of that connection was counted."""
        known: np.ndarray = self._who[lines] == _identity(rows)
        return known

    def meet(self, rows: Columns, lines: np.ndarray) -> None:
        """Begin with connections that were not known: at 0, or, with those that were open before us, at what they
        have."""
        identity = _identity(rows)
        fresh = np.flatnonzero(self._who[lines] != identity)
        if not len(fresh):
            return
        at = lines[fresh]
        self._who[at] = identity[fresh]
        self._opened[at] = False
        found = rows["opened_ns"][fresh] == 0
        for name, counted in self._counted.items():
            counted[at] = np.where(found, rows[name][fresh], 0)

    def moved(self, rows: Columns, lines: np.ndarray) -> np.ndarray:
        """(n,) bool: there is something to count."""
        moved = ~self._opened[lines] & (rows["established_ns"] != 0)
        for name in ("segs_out", "segs_in", "spurious", "busy_ticks", "stalled_ns"):
            moved |= self._counted[name][lines] != rows[name]
        return moved

    def grown(self, name: str, lines: np.ndarray, values: np.ndarray) -> np.ndarray:
        """(n,) f8: how much more it is than what was counted, and count that."""
        counted = self._counted[name]
        before = counted[lines]
        after = np.maximum(before, values)
        counted[lines] = after
        grown: np.ndarray = (after - before).astype(np.float64)
        return grown

    def began(self, name: str, lines: np.ndarray, times_ns: np.ndarray) -> np.ndarray:
        """(n,) bool: it began since the last look. times_ns: since when it lasts; 0: it does not."""
        counted = self._counted[name]
        fresh: np.ndarray = (times_ns != 0) & (times_ns != counted[lines])
        counted[lines] = times_ns
        return fresh

    def rest(self, name: str, lines: np.ndarray, values: np.ndarray, known: np.ndarray) -> np.ndarray:
        """(n,) f8: what is left to count at the end. known: of knows()."""
        rest = values.astype(np.float64)
        if known.any():
            some = np.flatnonzero(known)
            rest[some] -= np.minimum(self._counted[name][lines[some]], values[some])
        return rest

    def not_opened(self, lines: np.ndarray) -> np.ndarray:
        """(n,) bool: that it was established is not counted yet."""
        return ~self._opened[lines]

    def note_opened(self, lines: np.ndarray, established: np.ndarray) -> None:
        self._opened[lines] |= established


def _longer(array: np.ndarray, size: int) -> np.ndarray:
    longer = np.zeros(size, array.dtype)
    longer[: len(array)] = array
    return longer


def _identity(rows: Columns) -> np.ndarray:
    identity: np.ndarray = rows["cookie"] + rows["netns"] * _SPACE + rows["turn"] * _TURN
    return identity
