"""The newest events, bounded, with who was behind each; and all events of the one connection somebody is looking at."""

from collections import deque

import numpy as np

from tcpwatch import wire
from tcpwatch.tracker.view import Key

_FOLLOWED = 4096  # events kept of the connection looked at


class EventLog:
    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._batches: deque[tuple[np.ndarray, np.ndarray, np.ndarray]] = deque()
        self._held = 0
        self.total = 0
        self.key: Key | None = None
        self._followed = np.empty(0, wire.EVENT)

    def add(self, events: np.ndarray, lines: np.ndarray, rows: np.ndarray) -> None:
        self.total += len(events)
        if not self._keep or not len(events):
            return
        if self.key is not None:
            self._followed = wire.joined([self._followed, events[self._about(events, self.key)]])[-_FOLLOWED:]
        events, lines = events[-self._keep :].copy(), lines[-self._keep :]
        portless = (events["lport"] == 0) & (lines >= 0)  # a connect() that had not chosen one; by now it has
        events["lport"][portless] = rows["lport"][lines[portless]]
        owned = (events["pid"] == 0) & (lines >= 0)
        pids = np.where(owned, rows["pid"][lines], events["pid"])
        comms = np.where(owned, rows["comm"][lines], events["comm"])
        batch = (events, pids, comms)
        if self._batches and len(self._batches[-1][0]) < self._keep // 32:  # few big ones: drawing joins them all
            newest = self._batches.pop()
            batch = (
                wire.joined([newest[0], events]),
                np.concatenate([newest[1], pids]),
                np.concatenate([newest[2], comms]),
            )
        self._batches.append(batch)
        self._held += len(events)
        while self._held - len(self._batches[0][0]) >= self._keep:
            self._held -= len(self._batches.popleft()[0])

    def newest(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(events, pids, comms), oldest first."""
        if not self._batches:
            return np.empty(0, wire.EVENT), np.empty(0, np.uint32), np.empty(0, "S16")
        events, pids, comms = zip(*self._batches, strict=True)
        keep = slice(-self._keep, None)
        return wire.joined(events)[keep], np.concatenate(pids)[keep], np.concatenate(comms)[keep]

    def follow(self, key: Key | None) -> None:
        if key == self.key:
            return
        self.key = key
        self._followed = np.empty(0, wire.EVENT)
        if key is not None:
            events = self.newest()[0]
            self._followed = events[self._about(events, key)]

    def followed(self) -> np.ndarray:
        return self._followed

    @staticmethod
    def _about(events: np.ndarray, key: Key) -> np.ndarray:
        about: np.ndarray = (events["netns"] == key.netns) & (events["cookie"] == key.cookie)
        return about
