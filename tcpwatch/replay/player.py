"""Plays a recording on a thread of its own, for a face that draws views and has a transport bar. What the user wishes
goes in, views come out; knows nothing of terminals."""

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from tcpwatch.replay import marks, pace
from tcpwatch.replay.clock import Clock
from tcpwatch.replay.cue import Cue
from tcpwatch.replay.head import Head
from tcpwatch.replay.marks import Marks
from tcpwatch.replay.pace import AS_LIVE
from tcpwatch.replay.scan import Scan
from tcpwatch.replay.transport import State, Transport
from tcpwatch.replay.wishes import Wish, Wishes
from tcpwatch.tracker.tracker import Tracker
from tcpwatch.tracker.view import Key, View

if TYPE_CHECKING:
    from tcpwatch.recording.reader import Recording

_SLICE_NS = 20_000_000  # a piece of work, between two looks at what the user wants
_BREATH_S = 0.005  # between two pieces of what is not urgent
_GIVE_WAY_NS = 250_000_000  # to a face that answers a key, with what is not urgent
_GIVE_WAY_AT_FIRST_NS = 1_000_000_000  # ... or that is being loaded, and draws its first screen
_REFINED_UP_TO = 10.0  # the speed: faster than that it would not catch up
_BETWEEN_NS = 100_000_000  # views, at least
_REST = 1.5  # ... and so many times what the last one took
_POLL_S = 0.25  # a growing file
_LATE_NS = 500_000_000
_SECOND_NS = 1_000_000_000
_AGAIN_NS = 2 * _SECOND_NS  # who plays and asks for the mark before means not the one just passed
_FOREVER = 1 << 62


class Player:
    """recording: of which this thread is the only reader, and which it closes. tracker: makes an empty one. search:
    opens the same recording for the scan, and makes a tracker for it; None: no scan. now: ns, going forward only. All
    methods may be called from any thread and return at once, but for stop(), which waits for the threads. A new player
    has its first picture: made beside a face that is being loaded, it would take both longer than one after the other,
    as each waits for the other's hold of the interpreter."""

    def __init__(
        self,
        recording: "Recording",
        tracker: Callable[[], Tracker],
        search: Callable[[], tuple["Recording", Tracker]] | None = None,
        *,
        now: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.error: BaseException | None = None
        self.recording, self._now = recording, now
        self._offset_ns = recording.host.realtime_offset_ns
        self._wishes, self._done = Wishes(), Wish()
        self._cue = Cue(recording, tracker, now, lambda: not self._wishes.now.over)
        self._clock = Clock()
        self._head = self._cue.first()
        self._better: Head | None = None  # on its way to where the head is, from the very start
        self._aimed_ns = 0  # the moment last asked for: a frame may end a little before it
        self._at_end = False
        self._follows = False  # the end was reached of a file that grows, and is where one wants to be
        self._view: View | None = None
        self._drawn_ns, self._drawing_ns = 0, 0
        self._quiet_until_ns = 0
        self._listener: Callable[[], None] = lambda: None
        self._scan = Scan(search, self._found, self._quiet_s) if search else None
        self._findings, self._marks = Marks(), Marks()
        self._thread = threading.Thread(target=self._run, name="player", daemon=True)
        self._publish()

    def start(self) -> None:
        self._quiet_until_ns = self._now() + _GIVE_WAY_AT_FIRST_NS
        self._thread.start()

    def latest(self) -> View | None:
        return self._view

    def look_at(self, key: Key | None) -> None:
        """Which connection the views' Focus describes from now on."""
        self._wishes.look_at(key)

    def set_listener(self, callback: Callable[[], None]) -> None:
        """callback: called on one of the player's threads whenever `latest`, `error` or `transport` has changed."""
        self._listener = callback

    def stop(self) -> None:
        self._wishes.end()
        if self._scan is not None:
            self._scan.stop()
        if self._thread.is_alive():
            self._thread.join()
        self.recording.close()

    # What the transport's keys do

    def toggle(self) -> None:
        """Play or pause; at the end: from the beginning again."""
        wish = self._wishes.now
        if self._at_end and wish.target is None and self.recording.complete:
            self._wishes.go(self._cue.begin_ns, plays=True)
        else:
            self._wishes.play(not wish.plays)

    def set_speed(self, speed: float) -> None:
        """One of transport.SPEEDS."""
        self._wishes.set_speed(speed)

    def seek(self, unix_ns: int) -> None:
        self._go(unix_ns - self._offset_ns)

    def skip(self, by_ns: int) -> None:
        """From where it is, or is on its way to."""
        self._go(self._here_ns() + by_ns)

    def step(self, frames: int) -> None:
        """So many frames on, or back; it pauses there."""
        self._wishes.step(frames)

    def to_begin(self) -> None:
        self._go(self._cue.begin_ns)

    def to_end(self) -> None:
        """And follow, where the file grows."""
        self._wishes.go(_FOREVER)

    def next_mark(self) -> bool:
        """False: there is none."""
        return self._go_to_mark(self._marks.after(self._here_ns()))

    def previous_mark(self) -> bool:
        moves = self._state() in ("playing", "following")
        grace_ns = int(_AGAIN_NS * max(1.0, min(self._wishes.now.speed, 1000.0))) if moves else 0
        return self._go_to_mark(self._marks.before(self._here_ns() - grace_ns))

    def give_way(self) -> None:
        """The face has something to do: what is not urgent waits a moment."""
        self._quiet_until_ns = self._now() + _GIVE_WAY_NS

    def transport(self) -> Transport:
        wish, offset_ns, head = self._wishes.now, self._offset_ns, self._head
        scan = self._scan.fault if self._scan else ""
        return Transport(
            begin_ns=self._cue.begin_ns + offset_ns,
            end_ns=self._cue.end_ns + offset_ns,
            now_ns=self._here_ns() + offset_ns,
            state=self._state(),
            speed=wish.speed,
            marks=self._marks,
            offset_ns=offset_ns,
            known_from_ns=None if head.exact or not head.begin_ns else head.begin_ns + offset_ns,
            busy=wish.target is not None,
            scanned=self._scan.share if self._scan else 1.0,
            mark=wish.mark,
            notes=tuple(note for note in (head.fault, self.recording.dropped or "", scan) if note),
        )

    def _here_ns(self) -> int:
        """Where the user thinks to be."""
        target = self._wishes.now.target
        if target is not None:
            return min(target, self._cue.end_ns)
        return max(self._head.position_ns, self._aimed_ns, self._cue.begin_ns)

    def _state(self) -> State:
        wish, grows = self._wishes.now, not self.recording.complete
        if wish.target is not None or not (self._at_end or self._follows):
            return "playing" if wish.plays else "paused"
        if wish.plays and (self._follows or grows):
            return "following"
        return "paused" if grows else "ended"

    def _go(self, moment_ns: int, mark: str = "") -> None:
        self._wishes.go(max(self._cue.begin_ns, min(moment_ns, self._cue.end_ns)), mark)

    def _go_to_mark(self, mark: np.void | None) -> bool:
        if mark is None:
            return False
        self._go(int(mark["time_ns"]), self._marks.told(mark))
        return True

    # On the scan's thread

    def _found(self, findings: Marks) -> None:
        self._findings = findings
        self._mark()

    def _quiet_s(self) -> float:
        """How long what is not urgent should wait."""
        if self._wishes.now.target is not None:
            return 0.05
        return max(0.0, (self._quiet_until_ns - self._now()) / 1e9)

    # On the player's own

    def _mark(self) -> None:
        self._marks = marks.joined(self._cue.timeline, self._cue.end_ns, self._findings)
        self._listener()

    def _run(self) -> None:
        try:
            self._mark()
            self._settle()
            if self._scan is not None:
                self._scan.start()
            while not (wish := self._wishes.now).over:
                self._wishes.wait(wish, self._turn(wish))
        except Exception as error:  # noqa: BLE001 - the thread's last chance to be heard
            self.error = error
            self._listener()

    def _turn(self, wish: Wish) -> float:
        """One thing that is to be done; how long the next may wait, in s."""
        if wish.key != self._cue.key:
            self._look(wish.key)
        if wish.target is not None:
            self._seek(wish.target)
            return 0.0
        if steps := self._wishes.take_steps():
            self._step(steps)
            return 0.0
        if (self._clock.running, self._clock.speed) != (wish.plays, wish.speed):
            self._run_clock()
            self._publish()
        wait_s = self._play() if wish.plays else 3600.0
        return min(wait_s, self._refine(wish))

    def _look(self, key: Key | None) -> None:
        self._cue.key = key
        for head in (self._head, self._better):
            if head is not None:
                head.look_at(key)
        self._publish()

    def _seek(self, target: int) -> None:
        if target == _FOREVER:
            self._grow()  # the end as it is by now
        moment_ns = min(target, self._cue.end_ns)
        self._take(self._cue.bring(self._head, moment_ns), moment_ns)
        self._settle(moment_ns)
        self._wishes.arrived(target)
        self._listener()

    def _grow(self) -> bool:
        """See what was added to the file; whether anything was."""
        if not self.recording.refresh():
            return False
        self._at_end = False
        self._cue.measure()
        self._mark()
        self._head.resume(self._cue.segment_at(self._head.position_ns))
        return True

    def _step(self, frames: int) -> None:
        for _ in range(-frames):
            before_ns = self._head.position_ns - 1
            self._take(self._cue.bring(self._head, before_ns), before_ns)
        self._head.pace = AS_LIVE
        for _ in range(frames):
            self._head.advance(_FOREVER)
        self._settle()

    def _take(self, head: Head, target: int) -> None:
        if head is self._head:
            return
        self._head = head
        if self._better is not None and (head.exact or self._better.position_ns > target):
            self._better = None
        if self._better is None and not head.exact and self._cue.worth_refining(target):
            self._better = self._cue.exact()

    def _settle(self, moment_ns: int = 0) -> None:
        """The clock goes on from here, and the face sees it."""
        self._follows = False
        self._at_end = self._head.peek() is None
        self._aimed_ns = 0 if self._at_end else moment_ns  # what is missing at a damaged end is not shown
        self._run_clock()
        self._publish()

    def _run_clock(self) -> None:
        wish = self._wishes.now
        self._clock.run(wish.plays, wish.speed, self._now(), max(self._head.position_ns, self._aimed_ns))
        self._head.pace = pace.of_speed(wish.speed)

    def _play(self) -> float:
        head, begin_ns, wish = self._head, self._now(), self._wishes.now
        moment_ns = _FOREVER if self._follows else self._clock.moment_ns(begin_ns)
        moved = False
        while self._now() - begin_ns <= _SLICE_NS and self._wishes.now is wish and head.advance(moment_ns):
            moved = True
        following, now_ns = head.peek(), self._now()
        if following is None:
            return self._end(moved)
        self._at_end = False
        self._clock.hold_back(head.position_ns, now_ns, _LATE_NS)
        if moved:
            self._draw_when_due(now_ns)
        return 0.0 if self._follows else min(1.0, self._clock.until_s(following.end_ns, now_ns))

    def _end(self, moved: bool) -> float:
        """Nothing comes after what is shown; of a finished recording that was all."""
        if moved or not self._at_end:
            self._at_end = True
            self._publish()
        if self._grow():
            return 0.0
        self._follows = not self.recording.complete
        if self._follows:
            return _POLL_S
        self._wishes.play(False)
        return 0.0

    def _draw_when_due(self, now_ns: int) -> None:
        """Slow motion shows every frame; else what the pace looks at, which is a view per second as it was. Other views
        would be looks at the whole machine that nobody would have had who watched it live."""
        if now_ns - self._drawn_ns <= max(_BETWEEN_NS, _REST * self._drawing_ns):
            return
        if self._clock.speed < 1:
            self._publish()
        elif self._head.looked is not self._view:
            self._view, self._drawn_ns = self._head.looked, now_ns
            self._listener()

    def _publish(self) -> None:
        """The picture of just this moment."""
        if not self._head.position_ns:
            return  # not one whole frame
        begin_ns = self._now()
        self._view = self._head.view()
        self._drawn_ns = self._now()
        self._drawing_ns = self._drawn_ns - begin_ns
        self._listener()

    def _refine(self, wish: Wish) -> float:
        """A piece of the way from the very start to where the head is; once there, it takes the head's place."""
        better, begin_ns = self._better, self._now()
        if better is None or (wish.plays and wish.speed > _REFINED_UP_TO):
            return 3600.0
        if quiet_s := self._quiet_s():
            return quiet_s
        while better.advance(self._head.position_ns):
            if self._wishes.now is not wish or self._now() - begin_ns > _SLICE_NS:
                return _BREATH_S
        better.pace = self._head.pace
        self._head, self._better = better, None
        self._at_end = better.peek() is None
        self._publish()
        return 0.0


def open_player(path: str, nat_timeout_s: float = 0.0) -> Player:
    """nat_timeout_s: as the tracker's. Raises BadInput."""
    from tcpwatch.recording.reader import Recording

    def tracker() -> Tracker:
        return Tracker(keep_closed=5000, history_bytes=16 << 20, keep_events=20_000, nat_timeout_s=nat_timeout_s)

    def search() -> tuple[Recording, Tracker]:
        return Recording(path), Tracker(history_bytes=1, nat_timeout_s=nat_timeout_s)

    return Player(Recording(path), tracker, search)
