"""Looks through a whole recording for findings, behind the player's back and at its leisure, with a tracker of its own.
Knows nothing of players."""

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from tcpwatch.errors import TcpwatchError
from tcpwatch.replay.head import Head
from tcpwatch.replay.marks import Marks, of_findings
from tcpwatch.replay.pace import Pace
from tcpwatch.tracker.tracker import Tracker

if TYPE_CHECKING:
    from tcpwatch.recording.reader import Recording
    from tcpwatch.tracker.view import View

PACE = Pace(1_000_000_000, 2_000_000_000)
MOST = 2000  # findings that are kept
_REST = 4.0  # times what a piece of work took: a fifth of one core
_NAP_S = 0.02  # pieces of work are gathered up to so much before it rests
_TELL_S = 0.5  # marks are told of at most so often
_POLL_S = 2.0  # a growing file


class Scan:
    """begin: opens the recording for this scan alone, and makes a tracker for it. tell: given all that was found so
    far, on the scan's thread. quiet_s: for how long it should not work now."""

    def __init__(
        self,
        begin: Callable[[], tuple["Recording", Tracker]],
        tell: Callable[[Marks], None],
        quiet_s: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self.share = 0.0
        self.fault = ""
        self._begin, self._tell, self._quiet_s = begin, tell, quiet_s
        self._found: list[tuple[int, int, str]] = []
        self._held: set[tuple[object, ...]] = set()
        self._told, self._told_s = 0, 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="scan", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while (quiet_s := self._quiet_s()) and not self._over.wait(quiet_s):
            pass
        try:
            recording, tracker = self._begin()
        except (TcpwatchError, OSError) as error:
            self.fault = f"not searched for findings: {error}"
            return
        try:
            self._search(recording, Head(recording, tracker, PACE))
        finally:
            recording.close()

    def _search(self, recording: "Recording", head: Head) -> None:
        worked_s, looked_ns = 0.0, 0
        while not self._over.is_set() and len(self._found) < MOST:
            if quiet_s := self._quiet_s():
                self._over.wait(quiet_s)
                continue
            begin_s = time.perf_counter()
            if head.advance(1 << 62):
                if head.looked_ns != looked_ns:
                    looked_ns = head.looked_ns
                    self._note(head.view(), looked_ns)
                self.share = _share(recording, head.position_ns)
                self._report(rarely=True)
                worked_s += time.perf_counter() - begin_s
                if worked_s > _NAP_S:
                    self._over.wait(worked_s * _REST)
                    worked_s = 0.0
            elif not self._more(recording, head):
                break
        self.share = 1.0
        self._report()

    def _more(self, recording: "Recording", head: Head) -> bool:
        """Wait for the file to grow. False: it will not."""
        self.share = 1.0
        self._report()
        while not (recording.complete or head.fault or self._over.wait(_POLL_S)):
            if recording.refresh():
                head.resume(len(recording.segments) - 1)
                return True
        return False

    def _note(self, view: "View", now_ns: int) -> None:
        """Each finding once when it appears, and again when it comes back."""
        names: set[tuple[object, ...]] = {(one.code, one.subject) for one in view.findings}
        for one in view.findings:
            if (one.code, one.subject) not in self._held:
                self._found.append((now_ns, one.severity, one.sentence))
        self._held = names

    def _report(self, rarely: bool = False) -> None:
        now_s = time.monotonic()
        if len(self._found) > self._told and not (rarely and now_s < self._told_s + _TELL_S):
            self._told, self._told_s = len(self._found), now_s
            self._tell(of_findings(self._found))


def _share(recording: "Recording", position_ns: int) -> float:
    return min(1.0, (position_ns - recording.begin_ns) / max(1, recording.end_ns - recording.begin_ns))
