"""How is the recording getting on? One line on stderr, written over again on a terminal, and one every ten seconds
elsewhere. Knows no file and no frame."""

import sys
import time

from tcpwatch.narration import say

_TERMINAL_S, _ELSEWHERE_S = 1.0, 10.0


class Progress:
    def __init__(self) -> None:
        self._terminal = sys.stderr is not None and sys.stderr.isatty()
        self._width = 0  # of the line that stands there
        self._due = time.monotonic() + (0.0 if self._terminal else _ELSEWHERE_S)

    def due(self) -> bool:
        """Whether to show() how it is; at most once in a while."""
        now = time.monotonic()
        if now < self._due:
            return False
        self._due = now + (_TERMINAL_S if self._terminal else _ELSEWHERE_S)
        return True

    def show(self, line: str) -> None:
        if not self._terminal:
            say(f"tcpwatch: {line}")
            return
        line = f"tcpwatch: {line}"
        self._put(f"\r{line}{' ' * (self._width - len(line))}")
        self._width = len(line)

    def say(self, line: str) -> None:
        """Something that happened; it stays."""
        self.clear()
        say(f"tcpwatch: {line}")

    def clear(self) -> None:
        """Take the line away that would be written over."""
        if self._width:
            self._put(f"\r{' ' * self._width}\r")
            self._width = 0

    def _put(self, text: str) -> None:
        try:
            sys.stderr.write(text)
            sys.stderr.flush()
        except OSError:  # nobody can see it: no reason to fail
            self._terminal, self._width = False, 0
