"""How each listener's queues were in the last two minutes: a point per listener and snapshot, in bounded memory."""

import numpy as np

from tcpwatch.rows import POINT

_MOST, _LEAST = 120, 20  # points of each listener
_ALL = 240_000  # points of all listeners together (11 MB), as far as that leaves each the least

_FIELDS = len(POINT.names or ())


class Backlog:
    def __init__(self) -> None:
        self._times = np.empty(0, np.uint64)
        self._points = np.empty((0, 0, _FIELDS), np.float32)  # oldest first, by listener

    def add(self, time_ns: int, points: np.ndarray, came_from: np.ndarray) -> None:
        """points: (n,) POINT. came_from: (n,) where each listener was at the last call, -1: it is new."""
        keep = max(_LEAST, min(_MOST, _ALL // max(1, len(points)))) - 1
        old = self._points[-keep:]
        before = np.full((len(old), len(points), _FIELDS), np.nan, np.float32)
        was = came_from >= 0
        before[:, was] = old[:, came_from[was]]
        newest = np.ascontiguousarray(points).view(np.float32).reshape(1, len(points), _FIELDS)
        self._points = np.concatenate([before, newest])
        self._times = np.append(self._times[-keep:], np.uint64(time_ns))

    def picture(self, which: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """((p,) u8 CLOCK_MONOTONIC, oldest first; (m, p) POINT of the listeners `which`)."""
        chosen = np.ascontiguousarray(self._points[:, which].transpose(1, 0, 2))
        return self._times.copy(), chosen.view(POINT)[:, :, 0]
