"""How much was recorded, and was anything lost? Counts frames as they pass, and knows no file."""

import numpy as np

from tcpwatch import wire
from tcpwatch.frame import Frame


class Count:
    """Of the frames since the first one; what precedes that is not ours."""

    def __init__(self) -> None:
        self._by_kind = np.zeros(len(wire.KINDS), np.int64)
        self._first: Frame | None = None
        self._base = np.zeros(len(wire.KINDS), wire.TALLY)
        self.last: Frame | None = None

    def note(self, frame: Frame) -> None:
        if frame.joins and self._first is None:
            self._base = frame.tally
            return
        if self._first is None:
            self._first = frame
        self.last = frame
        # a recording may hold kinds that nobody knows
        self._by_kind += np.bincount(frame.events["kind"], minlength=len(wire.KINDS))[: len(wire.KINDS)]

    @property
    def span_ns(self) -> int:
        return 0 if self._first is None or self.last is None else self.last.end_ns - self._first.begin_ns

    @property
    def events(self) -> int:
        """Those that faces show."""
        return int(self._by_kind[wire.SHOWN_KINDS].sum())

    @property
    def seen(self) -> int:
        return self._grown("seen")

    @property
    def lost(self) -> int:
        return self._grown("lost")

    def _grown(self, column: str) -> int:
        if self.last is None:
            return 0
        grown = self.last.tally[column].astype(np.int64) - self._base[column].astype(np.int64)
        return int(grown[wire.SHOWN_KINDS].sum())
