"""`python -m bench.replayed ROUTE FILE`: plays a recording by one of several routes, and prints a figure a line."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from math import inf
from pathlib import Path

from tcpwatch.recording.source import open_recording
from tcpwatch.replay.player import Player, open_player
from tcpwatch.tracker.tracker import Tracker

SHARES = (0.5, 0.1, 0.9, 0.3, 0.31, 0.29, 0.99, 0.02, 0.7, 0.45, 1.0, 0.0)
"""Where of the recording is gone to, one after the other: forward and back, far and near."""
_DEADLINE_S = 120.0


def main() -> int:
    sys.stdout.writelines(f"{figure:.6f}\n" for figure in ROUTES[sys.argv[1]](sys.argv[2]))
    return 0


def fold(path: str) -> Iterator[float]:
    """Through the tracker, as `life` has it: events per second of CPU time, decoding included."""
    source, tracker = open_recording(path), Tracker()
    begin_s = time.process_time()
    for frame in source.frames():
        tracker.fold(frame)
    yield int(source.delivered.sum()) / (time.process_time() - begin_s)
    source.close()


def seek(path: str) -> Iterator[float]:
    """A player is sent to SHARES: seconds until each moment's view is there."""
    played = _Played(path)
    for share in SHARES:
        yield played.seek(share)
    played.player.stop()


def play(path: str) -> Iterator[float]:
    """A player plays all of it as fast as possible, while it looks through it for findings: the most memory it took,
    MB."""
    played = _Played(path)
    played.play()
    played.player.stop()
    yield peak_mb()


ROUTES: dict[str, Callable[[str], Iterator[float]]] = {route.__name__: route for route in (fold, seek, play)}


class _Played:
    """A player with its first view, as the TUI has it, and somebody who waits for what it tells."""

    def __init__(self, path: str) -> None:
        self._told = threading.Event()
        self.player: Player = open_player(path)
        self.player.set_listener(self._told.set)
        self.player.start()
        self._until(lambda: self.player.latest() is not None)

    def seek(self, share: float) -> float:
        bar = self.player.transport()
        begin_s = time.perf_counter()
        self.player.seek(round(bar.begin_ns + share * (bar.end_ns - bar.begin_ns)))
        self._until(lambda: not self.player.transport().busy)
        return time.perf_counter() - begin_s

    def play(self) -> None:
        self.player.set_speed(inf)
        self._until(lambda: self.player.transport().state == "ended")

    def _until(self, there: Callable[[], bool]) -> None:
        until = time.monotonic() + _DEADLINE_S
        while not there():
            self._told.wait(1.0)
            self._told.clear()
            if self.player.error is not None:
                raise self.player.error
            if time.monotonic() > until:
                raise RuntimeError("the player does not come to what it was asked for")


def peak_mb() -> float:
    """The most memory this process had in use so far, without what it inherited from who started it."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1000 for line in lines if line.startswith("VmHWM:"))


if __name__ == "__main__":
    sys.exit(main())
