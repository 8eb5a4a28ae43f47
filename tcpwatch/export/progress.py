"""How far is it? Told on stderr by an export that takes longer than a moment."""

import time
from collections.abc import Callable

from tcpwatch.narration import say

_PATIENCE_S, _EVERY_S = 1.0, 5.0


class Progress:
    """span: when the stream begins and ends, CLOCK_MONOTONIC ns; None where nobody knows. clock: seconds."""

    def __init__(self, span: tuple[int, int] | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._span, self._clock = span, clock
        self._due_s = clock() + _PATIENCE_S

    def note(self, rows: int, now_ns: int) -> None:
        """rows: written so far. now_ns: how far the stream has come."""
        now_s = self._clock()
        if now_s >= self._due_s:
            self._due_s = now_s + _EVERY_S
            say(f"tcpwatch: {rows:,} rows{self._share(now_ns)}")

    def _share(self, now_ns: int) -> str:
        if self._span is None or self._span[1] <= self._span[0]:
            return ""
        begin_ns, end_ns = self._span
        return f", {min(max((now_ns - begin_ns) * 100 // (end_ns - begin_ns), 0), 100)} %"
