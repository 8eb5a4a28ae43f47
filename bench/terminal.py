"""A program on a terminal of its own, and the moment at which something stood on its screen. What comes is stamped
as it comes and read as a screen only afterwards, so that the emulator's own time is in no figure."""

import fcntl
import os
import pty
import selectors
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import pyte

COLUMNS, LINES = 120, 40
_DEADLINE_S = 120.0
_STEP_S = 0.05

Seen = Callable[[pyte.Screen], bool]


class Terminal:
    """Use as a context: the program runs inside, and is ended with Ctrl-C."""

    def __init__(self, command: Sequence[str], directory: Path) -> None:
        self.screen = pyte.Screen(COLUMNS, LINES)
        self._stream = pyte.ByteStream(self.screen)
        self._command, self._directory = command, directory
        self.process: subprocess.Popen[bytes]
        self.begun = 0.0

    def __enter__(self) -> Self:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        environment.pop("NO_COLOR", None)
        self.begun = time.monotonic()
        self.process = subprocess.Popen(
            self._command,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=self._directory,
            env=environment,
            start_new_session=True,
        )
        os.close(theirs)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._ours, selectors.EVENT_READ)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.process.send_signal(signal.SIGINT if kind is None else signal.SIGKILL)
        until = time.monotonic() + _DEADLINE_S
        while self.process.poll() is None:
            self._collect(_STEP_S)
            if time.monotonic() > until:
                self.process.kill()
        self._selector.close()
        os.close(self._ours)

    def until(self, seen: Seen) -> float:
        """When what is wanted was first on the screen (time.monotonic). Raises RuntimeError where it never was."""
        until = time.monotonic() + _DEADLINE_S
        while time.monotonic() < until:
            first = None
            ended = self.process.poll() is not None  # asked before: its last words are collected yet
            for moment, part in self._collect(_STEP_S):
                self._stream.feed(part)
                if first is None and seen(self.screen):
                    first = moment
            if first is not None:
                return first
            if ended:
                break
        raise RuntimeError("the screen never showed what was waited for; it shows:\n" + self.text())

    def press(self, key: bytes, seen: Seen) -> float:
        """Seconds from the key to the screen that answers it."""
        self.rest(0)
        pressed = time.monotonic()
        os.write(self._ours, key)
        return self.until(seen) - pressed

    def rest(self, seconds: float) -> None:
        """Let time pass; the screen follows."""
        until = time.monotonic() + seconds
        while True:
            for _, part in self._collect(max(0.0, min(_STEP_S, until - time.monotonic()))):
                self._stream.feed(part)
            if time.monotonic() >= until:
                return

    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self.screen.display)

    def _collect(self, seconds: float) -> list[tuple[float, bytes]]:
        """What comes within that time, each part with the moment it came."""
        until, parts = time.monotonic() + seconds, []
        while self._selector.select(max(0.0, until - time.monotonic())):
            moment = time.monotonic()
            try:
                parts.append((moment, os.read(self._ours, 1 << 16)))
            except OSError:  # the other end is closed: the program has ended
                break
            if moment >= until:
                break
        return parts
