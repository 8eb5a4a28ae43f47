"""How does one get to a moment of a recording in time? From where one is, from the very start, or with so much of what
precedes it as there is time for. Knows no clock on the wall but to measure with, and no thread."""

from bisect import bisect_right
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from tcpwatch.replay import pace
from tcpwatch.replay.head import Head
from tcpwatch.replay.pace import AS_LIVE, QUICK, Pace
from tcpwatch.tracker.tracker import Tracker
from tcpwatch.tracker.view import Key

if TYPE_CHECKING:
    from tcpwatch.recording.reader import Recording

SEEK_S = 0.17  # for what comes before the moment that was asked for
REFINE_S = 5.0  # so much work is worth doing afterwards, in pieces, to know what had happened before
_SLOWEST = 8.0
_FIRST_NS = 2_000_000_000  # of a recording, in which there should be a picture


class Cue:
    """tracker: makes an empty one. now: ns, for measuring. going: False as soon as the way is not worth going on."""

    def __init__(
        self,
        recording: "Recording",
        tracker: Callable[[], Tracker],
        now: Callable[[], int],
        going: Callable[[], bool],
    ) -> None:
        self.key: Key | None = None
        """Which connection the heads look at."""
        self._recording, self._tracker, self._now, self._going = recording, tracker, now, going
        self._origin: np.ndarray | None = None  # what had been counted when the recording began
        self._ease = 1.0  # how much longer things take here than pace thinks
        self.measure()

    def measure(self) -> None:
        """How long the recording is by now, and what is in it."""
        self.begin_ns, self.end_ns = self._recording.begin_ns, self._recording.end_ns
        self.timeline = self._recording.timeline

    def first(self) -> Head:
        """At the beginning, with a picture."""
        head = self._head(AS_LIVE)
        self._see(head)
        self._origin = head.base
        return head

    def exact(self) -> Head:
        """Before the beginning, to be moved on."""
        return self._head(AS_LIVE)

    def bring(self, head: Head, target_ns: int) -> Head:
        """A head that shows the moment: this one, moved on, or another. The picture of the moment before the first
        frame is the first one."""
        budget_s = SEEK_S / self._ease
        if head.position_ns <= target_ns and self._cost_s(head.position_ns, target_ns) <= budget_s:
            head.pace = AS_LIVE
        elif self._cost_s(self.begin_ns, target_ns) <= budget_s:
            head = self._head(AS_LIVE)
        else:
            from_ns = pace.lead_ns(self.timeline, target_ns, budget_s, QUICK)
            head = self._head(QUICK, self.segment_at(from_ns), from_ns)
        self._wind(head, target_ns)
        return head

    def worth_refining(self, target_ns: int) -> bool:
        return self._cost_s(self.begin_ns, target_ns) * self._ease <= REFINE_S

    def segment_at(self, moment_ns: int) -> int:
        return max(0, bisect_right(self._recording.segments, moment_ns, key=lambda one: one.begin_ns) - 1)

    def _cost_s(self, begin_ns: int, end_ns: int) -> float:
        return pace.cost_s(self.timeline, begin_ns, end_ns, AS_LIVE)

    def _head(self, closely: Pace, segment: int = 0, from_ns: int = 0) -> Head:
        head = Head(self._recording, self._tracker(), closely, segment, from_ns, self._origin)
        head.look_at(self.key)
        return head

    def _wind(self, head: Head, target_ns: int) -> None:
        started_ns = self._now()
        begin_ns = head.position_ns or head.from_ns or self.begin_ns
        expected_s = pace.cost_s(self.timeline, begin_ns, target_ns, head.pace)
        while head.advance(target_ns) and self._going():
            pass
        self._see(head)
        if expected_s > SEEK_S / 2:
            slower = (self._now() - started_ns) / 1e9 / expected_s
            self._ease = min(_SLOWEST, max(1.0, (self._ease + slower) / 2))

    def _see(self, head: Head) -> None:
        """Something must be seen: a first frame, and at the beginning those up to the first snapshot, if it is near."""
        until_ns = self.begin_ns + _FIRST_NS
        if not head.position_ns:
            head.advance(1 << 62)
        while head.position_ns < until_ns and not head.has_snapshot and head.advance(until_ns):
            pass
