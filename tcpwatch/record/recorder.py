"""What does `tcpwatch record` do? Takes a source's frames to their end and puts them where they are wanted, saying how
it gets on. Which source that is, and when it should end, is for others to say."""

import os
import sys
from argparse import Namespace
from collections.abc import Callable
from contextlib import ExitStack
from typing import Protocol

from tcpwatch import words
from tcpwatch.errors import TcpwatchError, UsageError
from tcpwatch.frame import Frame
from tcpwatch.record.counting import Count
from tcpwatch.record.keeper import Keeper
from tcpwatch.record.orders import STDOUT, Orders, orders
from tcpwatch.record.progress import Progress
from tcpwatch.record.sizes import told, told_time
from tcpwatch.recording.rotation import Files, Pipe
from tcpwatch.source import Source

_MANY_EVENTS = 10_000


class Sink(Protocol):
    """Where frames go. close() is to be called once, whatever happened."""

    @property
    def bytes(self) -> int: ...

    def begin(self) -> None: ...
    def write(self, frame: Frame) -> None: ...
    def close(self) -> None: ...
    def state(self) -> str: ...
    def summary(self) -> str: ...


class Recorder:
    """options: see orders.orders(). Made before the source is, so that what cannot work is said at once, and nothing is
    written yet."""

    def __init__(self, options: Namespace) -> None:
        wanted = orders(vars(options))
        self._redactor = wanted.redactor
        self._progress = Progress()
        self._sink = _sink(wanted, self._progress)

    def run(self, source: Source, due: Callable[[Frame], bool] = lambda _: False) -> None:
        """Until the source ends, or is due to, with that frame; closes it. Raises TcpwatchError where something could
        not be written: what was recorded until then is whole."""
        count = Count()
        try:
            with ExitStack() as ends:  # the last one first
                ends.callback(self._sink.close)
                ends.callback(self._progress.clear)
                ends.callback(source.close)
                self._sink.begin()
                for frame in source.frames():
                    self._take(frame, count)
                    if due(frame):
                        source.stop()
        except TcpwatchError as error:
            if isinstance(error.__cause__, BrokenPipeError):
                return  # whoever read it has seen enough
            if count.seen:
                self._summarise(count)
            raise
        self._summarise(count)

    def _take(self, frame: Frame, count: Count) -> None:
        count.note(frame)
        self._sink.write(frame if self._redactor is None else self._redactor.redact(frame))
        if self._progress.due():
            parts = (
                told_time(count.span_ns),
                f"{count.events:,} events",
                told(self._sink.bytes),
                f"{count.lost:,} lost",
                self._sink.state(),
            )
            self._progress.show(", ".join(filter(None, parts)))

    def _summarise(self, count: Count) -> None:
        say = self._progress.say
        say(f"{count.seen} events seen, {count.events} delivered, {count.lost} lost")
        if count.lost:
            say("the ring was too small for the load: use a larger --ring-mb, or filter by port or namespace")
        say(self._sink.summary())


class _FileSink(Files):
    """Says what it did."""

    def begin(self) -> None:
        pass

    def state(self) -> str:
        return f"{self.count} files" if self.count > 1 else ""

    def summary(self) -> str:
        if not self.count:
            return "nothing was recorded"
        # of a quiet machine's, nearly all are snapshots
        each = f", {self.bytes / self.events:.1f} bytes per event" if self.events >= _MANY_EVENTS else ""
        where = words.clean(self.file) if self.count == 1 else f"{self.count} files, the last {words.clean(self.file)}"
        return f"{told(self.bytes)} in {where}{each}"


class _PipeSink(Pipe):
    def begin(self) -> None:
        pass

    def state(self) -> str:
        return ""

    def summary(self) -> str:
        return f"{told(self.bytes)} written"


def _sink(wanted: Orders, progress: Progress) -> Sink:
    if wanted.keep_ns is not None:
        return Keeper(wanted, progress)
    if wanted.output != STDOUT:
        return _FileSink(
            wanted.output,
            force=wanted.force,
            max_bytes=wanted.max_bytes,
            max_age_ns=wanted.max_age_ns,
            max_files=wanted.max_files,
            tell=progress.say,
        )
    if sys.stdout.isatty():
        raise UsageError("a recording is not for a terminal", "use -o FILE, or send it through a pipe")
    return _PipeSink(os.dup(sys.stdout.fileno()))
