"""Was a key pressed? At a terminal that is ours at the moment, without waiting; Ctrl-C stays what it is."""

import os
import select
import sys
import termios
import tty
from contextlib import suppress
from types import TracebackType
from typing import Any, Self


class Keyboard:
    """Where there is no terminal nobody ever presses a key. Leaving it gives the terminal back as it was."""

    def __init__(self) -> None:
        self._terminal = -1
        self._before: list[Any] = []
        self._ours: list[Any] = []

    def __enter__(self) -> Self:
        with suppress(OSError, ValueError, termios.error):
            descriptor = -1 if sys.stdin is None else sys.stdin.fileno()
            if os.isatty(descriptor) and _is_ours(descriptor):
                self._before = termios.tcgetattr(descriptor)
                tty.setcbreak(descriptor, termios.TCSANOW)
                self._ours = termios.tcgetattr(descriptor)
                self._terminal = descriptor
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._terminal >= 0 and _is_ours(self._terminal):  # in the background, setting it would stop us
            with suppress(OSError, termios.error):
                termios.tcsetattr(self._terminal, termios.TCSADRAIN, self._before)

    @property
    def there(self) -> bool:
        return self._terminal >= 0

    def pressed(self) -> bytes:
        """All keys since the last call."""
        with suppress(OSError, termios.error):
            if not (self.there and _is_ours(self._terminal)):
                return b""
            if termios.tcgetattr(self._terminal)[3] != self._ours[3]:  # a shell had it, after Ctrl-Z
                termios.tcsetattr(self._terminal, termios.TCSANOW, self._ours)
            if select.select([self._terminal], [], [], 0)[0]:
                return os.read(self._terminal, 4096)
        return b""


def _is_ours(terminal: int) -> bool:
    """Whether we are in the foreground: in the background, reading would stop us."""
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:  # nobody's jobs are controlled from it
        return True
