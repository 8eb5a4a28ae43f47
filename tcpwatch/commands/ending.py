"""Why should a command end before its source does? Ctrl-C, SIGTERM or a terminal that was closed, --duration, or a
reader that went away without our writing."""

import select
import signal
import sys
import time
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tcpwatch.frame import Frame
    from tcpwatch.source import Source


class Ending:
    """Made before the source, so that a signal in the middle of loading is neither lost nor an exception in somebody's
    callback. duration: in seconds, of the wall's clock, or with `recorded` of the recording's. stdout: whether somebody
    reads it."""

    def __init__(self, duration: float | None = None, *, recorded: bool = False, stdout: bool = True) -> None:
        self._duration = duration
        self._recorded = recorded
        self._until: float | None = None
        self._source: Source | None = None
        self._wanted = False
        self._pipe = select.poll()
        if stdout:
            self._pipe.register(sys.stdout.fileno(), 0)  # errors and hang-ups are always reported
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup
                signal.signal(number, self._asked)

    def governs(self, source: "Source") -> None:
        """From now on the time runs."""
        self._source = source
        if self._duration is not None and not self._recorded:
            self._until = time.monotonic() + self._duration
        if self._wanted:
            source.stop()

    def due(self, frame: "Frame") -> bool:
        """Whether this should be the last frame."""
        if self._recorded and self._duration is not None and self._until is None:
            self._until = frame.begin_ns / 1e9 + self._duration
        now = frame.end_ns / 1e9 if self._recorded else time.monotonic()
        return (self._until is not None and now >= self._until) or bool(self._pipe.poll(0))

    def _asked(self, number: int, _frame: FrameType | None) -> None:
        self._wanted = True
        if self._source is not None:
            self._source.stop()
        if number != signal.SIGHUP:  # of which the shell sends one, and the kernel another
            signal.signal(number, signal.default_int_handler)  # asked again: at once
