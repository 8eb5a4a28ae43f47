"""When do a recording's frames come? When they came: dashboards see it as it was. After its end the last picture
stays."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from tcpwatch.frame import Frame
from tcpwatch.source import Source


class Paced:
    """A source whose frames() ends by stop() alone. ended: called once, when there is no more to come. given: the last
    frame so far, as the source has it."""

    def __init__(self, source: Source, ended: Callable[[], None]) -> None:
        self.given: Frame | None = None
        self._source, self._ended = source, ended
        self._stopped = threading.Event()

    def frames(self) -> Iterator[Frame]:
        last: Frame | None = None
        ahead_ns = 0  # of the recording's clock: ours
        for frame in self._source.frames():
            if last is None:
                ahead_ns = time.monotonic_ns() - frame.end_ns
            elif self._waited(last.end_ns + ahead_ns):
                self.given = last
                yield last
            last = frame
        if last is not None and self._waited(last.end_ns + ahead_ns):
            self.given = last
            yield replace(last, final=True)  # so that it is in the last picture, and nothing is waited for
            self._ended()
        self._stopped.wait()

    def _waited(self, until_ns: int) -> bool:
        """False: it was stopped."""
        self._stopped.wait(max(0.0, (until_ns - time.monotonic_ns()) / 1e9))
        return not self._stopped.is_set()

    def stop(self) -> None:
        self._source.stop()
        self._stopped.set()

    def close(self) -> None:
        self._source.close()
