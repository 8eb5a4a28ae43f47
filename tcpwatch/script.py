"""A source of frames that were prepared beforehand: for tests and benchmarks."""

from collections.abc import Iterable, Iterator

from tcpwatch.frame import Frame


class ScriptedSource:
    def __init__(self, frames: Iterable[Frame]) -> None:
        self._frames = frames
        self._stopped = False

    def frames(self) -> Iterator[Frame]:
        for frame in self._frames:
            if self._stopped:
                return
            yield frame

    def stop(self) -> None:
        self._stopped = True

    def close(self) -> None:
        pass
