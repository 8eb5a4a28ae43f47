"""What connections looked like before: one compact column set per snapshot, kept within a budget of bytes, so that few
connections have a long history and very many a short one."""

from collections import deque

import numpy as np

from tcpwatch import wire
from tcpwatch.rows import SAMPLE
from tcpwatch.tracker.columns import Passage
from tcpwatch.tracker.view import Key

_MEASURES = ("srtt_us", "cwnd", "ssthresh", "snd_wnd", "rcv_wnd", "unacked")
_POINT = np.dtype([("cookie", "u8"), ("netns", "u4"), *((name, "u4") for name in _MEASURES)])
_KEPT = Passage(wire.SOCKET, _POINT, _POINT.names or ())
_NO_WINDOW = 0xFFFFFFFF  # larger than any: the peer has not told yet
_MOST_TICKS = 3600  # an hour of snapshots: no plot has more columns, and reading one searches them all
_TICK_BYTES = 256  # what a snapshot costs that held nothing


class History:
    def __init__(self, budget_bytes: int) -> None:
        self._budget = budget_bytes
        self._ticks: deque[tuple[int, np.ndarray]] = deque()
        self._bytes = 0

    def remember(self, time_ns: int, sockets: np.ndarray) -> None:
        """Keep the measures of a snapshot's (wire.SOCKET) established-like sockets."""
        alive = np.flatnonzero(sockets["cwnd"])
        points = np.empty(len(alive), _POINT)
        _KEPT.copy(sockets, points, slice(None), alive)
        points["snd_wnd"][sockets["state"][alive] == wire.SYN_SENT] = _NO_WINDOW
        self._ticks.append((time_ns, points))
        self._bytes += points.nbytes + _TICK_BYTES
        while (self._bytes > self._budget and len(self._ticks) > 2) or len(self._ticks) > _MOST_TICKS:
            self._bytes -= self._ticks.popleft()[1].nbytes + _TICK_BYTES

    def of(self, key: Key) -> np.ndarray:
        """(n,) SAMPLE, oldest first, of all the socket's lives, CLOCK_MONOTONIC; NaN where a measure was unknown."""
        found = []
        for time_ns, points in self._ticks:
            here = points[np.flatnonzero(points["cookie"] == np.uint64(key.cookie))]  # sorting them costs more
            found += [(time_ns, point) for point in here if point["netns"] == key.netns]
        samples = np.empty(len(found), SAMPLE)
        samples["time_ns"] = [time_ns for time_ns, _ in found]
        points = np.array([point for _, point in found], _POINT)
        samples["rtt_us"] = np.where(wire.unknown_rtt(points["srtt_us"]), np.nan, points["srtt_us"])
        samples["ssthresh"] = np.where(wire.unknown_ssthresh(points["ssthresh"]), np.nan, points["ssthresh"])
        samples["snd_wnd"] = np.where(points["snd_wnd"] == _NO_WINDOW, np.nan, points["snd_wnd"])
        for name in ("cwnd", "unacked", "rcv_wnd"):
            samples[name] = points[name]
        return samples
