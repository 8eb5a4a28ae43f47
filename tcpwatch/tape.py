"""Records a session while somebody wants it, beside whatever else becomes of the frames. A disk that is full ends the
recording and nothing else. Knows nothing of terminals."""

import os
import re
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

import numpy as np

from tcpwatch.errors import TcpwatchError
from tcpwatch.frame import Frame

if TYPE_CHECKING:
    from tcpwatch.tracker.tracker import Tracker

SUFFIX = ".tcpw"
_HOST_LENGTH = 64


class Writer(Protocol):
    """What a file of frames can do; see tcpwatch.recording.writer."""

    @property
    def bytes(self) -> int: ...

    def write(self, frame: Frame) -> None: ...

    def close(self) -> None: ...


class Tape:
    """host: goes into the file's name. directory: where files go. Frames are taken on one thread, and the user is
    answered on another."""

    def __init__(self, host: str, directory: str = ".", *, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self._host, self._directory, self._clock = host, directory, clock
        self.ending = ""
        """What to tell the user after a session that was recorded to its end."""
        self._lock = threading.Lock()
        self._writer: Writer | None = None
        self._name = ""
        self._since_ns = 0
        self._fault = ""
        self._begun = False  # the file has been told what was known before
        self._before: Frame | None = None
        self._owners: np.ndarray | None = None

    def toggle(self) -> str:
        """Start or stop; what to tell the user. Raises TcpwatchError where it cannot start; nothing is left then."""
        with self._lock:
            if self._writer is not None:
                return self._end()
            self._name, self._writer = _begin(self._directory, self._host)
            self._since_ns, self._fault, self._begun = self._clock(), "", False
            return f"recording to {self._name}; r stops"

    def progress(self) -> tuple[int, int] | None:
        """(for how long, ns; bytes written); None: it does not record."""
        writer = self._writer
        return None if writer is None else (self._clock() - self._since_ns, writer.bytes)

    def fault(self) -> str:
        """Why it stopped by itself, told once; "" otherwise."""
        fault, self._fault = self._fault, ""  # without the lock: whoever draws must not wait for a slow disk
        return fault

    def take(self, frame: Frame, tracker: "Tracker") -> bool:
        """The session's next frame; tracker: that has folded it. False: it could not be written, and that was all."""
        good = True
        with self._lock:
            if self._writer is not None:
                good = self._write(self._writer, frame, tracker)
        self._before = frame
        if frame.owners is not None:
            self._owners = frame.owners
        return good

    def end(self) -> None:
        """The session is over; `ending` says what became of the file, if it was recording."""
        with self._lock:
            if self._writer is not None:
                self.ending = self._end()

    def _write(self, writer: Writer, frame: Frame, tracker: "Tracker") -> bool:
        try:
            if not self._begun and self._before is not None:
                writer.write(_told_before(self._before, self._owners, tracker))
            self._begun = True
            writer.write(frame)
        except (TcpwatchError, OSError) as error:
            self._fault = f"recording stopped: {self._name}: {_cause(error)}; up to there it is whole"
            self._close(writer)
            return False
        return True

    def _end(self) -> str:
        writer, name = self._writer, self._name
        assert writer is not None
        problem = self._close(writer)
        size, seconds = _size(writer.bytes), (self._clock() - self._since_ns) // 10**9
        return (
            f"{name}: its end could not be written: {problem}" if problem else f"recorded {seconds} s, {size}: {name}"
        )

    def _close(self, writer: Writer) -> str:
        """What went wrong; "": nothing."""
        self._writer = None
        try:
            writer.close()
        except (TcpwatchError, OSError) as error:
            return _cause(error)
        return ""


def open_writer(descriptor: int) -> Writer:
    from tcpwatch.recording.writer import Writer as File  # with its compressor: not before somebody records

    return File(descriptor)


def _told_before(last: Frame, owners: np.ndarray | None, tracker: "Tracker") -> Frame:
    """What frames tell only once, for a recording that begins in the middle. last: the frame before it."""
    return Frame(
        last.end_ns,
        last.end_ns,
        last.host,
        owners=owners,
        processes=tuple(tracker.processes.values()),
        cgroups=tuple(tracker.cgroups.items()),
        namespaces=tuple(tracker.namespaces.items()),
        settings=tuple((netns, tuple(values.items())) for netns, values in tracker.settings.items()),
        tally=last.tally,
        probes=last.probes,
        shows_time_wait=last.shows_time_wait,
        joins=True,
    )


def _begin(directory: str, host: str) -> tuple[str, Writer]:
    """The name of a new file, and its writer. Raises TcpwatchError."""
    path = _free_name(directory, host)
    name = path.removeprefix("./")
    try:
        descriptor = _create(path)
        try:
            return name, open_writer(descriptor)
        except BaseException:
            os.unlink(path)
            raise
    except (TcpwatchError, OSError) as error:
        raise TcpwatchError(f"{_cause(error)}: {name}") from error


def _free_name(directory: str, host: str) -> str:
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", host)[:_HOST_LENGTH] or "host"
    stem = os.path.join(directory, f"tcpwatch-{plain}-{time.strftime('%Y%m%d-%H%M%S')}")
    names = [f"{stem}{suffix}{SUFFIX}" for suffix in ("", *(f"-{n}" for n in range(2, 100)))]
    return next((name for name in names if not os.path.lexists(name)), names[0])


def _create(path: str) -> int:
    """A descriptor of a new file of our own, that nobody else can read; the one who called sudo gets it."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    if os.geteuid() == 0 and os.environ.get("SUDO_UID", "").isdecimal():
        with suppress(OSError, OverflowError):  # a file system without owners; a number that is no user's
            os.fchown(descriptor, int(os.environ["SUDO_UID"]), -1)
    return descriptor


def _cause(error: Exception) -> str:
    """Without the descriptor's number, by which the writer knows the file."""
    cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
    return getattr(cause, "strerror", None) or str(error)


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.0f} KB"
