"""A tracker at one place of a recording, that can be moved on: what the screen shows of that moment. Goes forward only;
knows no wall clock and no thread."""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from tcpwatch import wire
from tcpwatch.errors import BadInput
from tcpwatch.frame import Frame
from tcpwatch.replay.pace import Pace
from tcpwatch.tracker.tracker import Tracker
from tcpwatch.tracker.view import Key, View

if TYPE_CHECKING:
    from tcpwatch.recording.reader import Recording

_SECOND_NS = 1_000_000_000
_MOST_EVENTS = 40_000  # that are folded as one
_PATIENCE = 4  # so many strides without a snapshot end a group too


class Head:
    """pace: how closely it looks. from_ns: facts from before it are skipped, except for names and owners; 0: all there
    is from that segment on is folded. origin: wire.TALLY from which on views count; None: what its first frame says. A
    file that cannot be read any further ends there, and `fault` says why."""

    def __init__(
        self,
        recording: "Recording",
        tracker: Tracker,
        pace: Pace,
        segment: int = 0,
        from_ns: int = 0,
        origin: np.ndarray | None = None,
    ) -> None:
        self.pace = pace
        self.begin_ns = 0
        """When the first frame that counts began; 0: none was folded yet."""
        self.position_ns = 0
        """The end of the last frame folded."""
        self.exact = segment == 0 and not from_ns
        """What it shows is what playing from the very start would show."""
        self.has_snapshot = False
        self.fault = ""
        self.exhausted = False
        self.base = np.zeros(len(wire.KINDS), wire.TALLY)
        """What had been counted before the first frame: no loss of its own."""
        self._recording, self._tracker = recording, tracker
        self._origin = origin
        self.from_ns = from_ns
        self.looked_ns = self._seen_ns = 0
        """When a view was last made."""
        self._skipped: Frame | None = None
        self._frames = recording.frames(segment)
        self._pulled_ns = 0
        self._spent = False
        self._next: Frame | None = None
        self.looked: View | None = None
        """The newest view that the pace asked for, or somebody else."""

    def peek(self) -> Frame | None:
        """The next frame; None at the end of what there is."""
        while self._next is None and not self.exhausted:
            frame = self._pull()
            if frame is None:
                self.exhausted = True
            elif frame.end_ns < self.from_ns:  # the first one joins, whatever it is
                names = replace(frame, events=frame.events[:0], snapshot=None)
                self._skipped = names if self._skipped is None else joined(self._skipped, names)
            elif frame.end_ns > self.position_ns:  # else: folded before the file grew
                self._next = frame if self._skipped is None else _joining(self._skipped, frame)
                self._skipped = None
        return self._next

    def _pull(self) -> Frame | None:
        if self._pulled_ns >= self._recording.end_ns and not self._recording.complete:
            return None  # more may come, and frames() goes on only while it was not asked in vain
        try:
            frame = next(self._frames, None)
        except BadInput as error:
            self.fault, frame = error.what, None
        self._spent = frame is None
        if frame is not None:
            self._pulled_ns = frame.end_ns
        return frame

    def resume(self, segment: int) -> None:
        """The file has grown: go on. segment: the one that holds the position."""
        if self._spent:
            self._frames = self._recording.frames(segment)
        self.exhausted = self._spent = False

    def advance(self, until_ns: int) -> bool:
        """Fold the next frame, or as many as the pace takes for one, that end by until_ns. False: there is none."""
        frame = self._group(until_ns)
        if frame is None:
            return False
        if not self.begin_ns:
            self.begin_ns = frame.begin_ns
            if frame.joins:
                self.base = frame.tally.copy()
        self._tracker.fold(replace(frame, tally=_minus(frame.tally, self.base)))
        self.position_ns = frame.end_ns
        self.has_snapshot |= frame.snapshot is not None
        if frame.end_ns // self.pace.look_ns != self.looked_ns // self.pace.look_ns:
            self.view()
        return True

    def _group(self, until_ns: int) -> Frame | None:
        frame = self.peek()
        if frame is None or frame.end_ns > until_ns:
            return None
        self._next = None
        if not self.pace.stride_ns:
            return frame
        group, events = [frame], len(frame.events)
        while not self._whole(group, events):
            following = self.peek()
            if following is None or following.end_ns > until_ns:
                break
            self._next = None
            group.append(following)
            events += len(following.events)
        return joined(*group)

    def _whole(self, group: list[Frame], events: int) -> bool:
        """A group ends with a snapshot: events folded after a newer snapshot must not undo what that brought."""
        passed_ns = group[-1].end_ns - group[0].begin_ns
        seen = group[-1].snapshot is not None and passed_ns >= self.pace.stride_ns
        return seen or events > _MOST_EVENTS or passed_ns >= _PATIENCE * self.pace.stride_ns

    def look_at(self, key: Key | None) -> None:
        self._tracker.look_at(key)
        self._seen_ns = 0

    def view(self) -> View:
        """The picture of this moment; something must have been folded."""
        if self.looked is None or self._seen_ns != self.position_ns:
            self._seen_ns = self.looked_ns = self.position_ns
            view = self._tracker.view()
            origin = self.base if self._origin is None else self._origin
            self.looked = replace(view, tally=_minus(view.tally, _minus(origin, self.base)))
        return self.looked


def joined(*frames: Frame) -> Frame:
    """Several frames as one, that ends as the last does. Of snapshots, owners and tallies the last counts."""
    if len(frames) == 1:
        return frames[0]
    snapshots = [frame.snapshot for frame in frames if frame.snapshot is not None]
    owners = [frame.owners for frame in frames if frame.owners is not None]
    return replace(
        frames[-1],
        begin_ns=frames[0].begin_ns,
        events=wire.joined([frame.events for frame in frames]),
        snapshot=snapshots[-1] if snapshots else None,
        owners=owners[-1] if owners else None,
        processes=tuple(one for frame in frames for one in frame.processes),
        cgroups=tuple(one for frame in frames for one in frame.cgroups),
        namespaces=tuple(one for frame in frames for one in frame.namespaces),
        settings=tuple(one for frame in frames for one in frame.settings),
        ring_fill=max(frame.ring_fill for frame in frames),
        joins=frames[0].joins,
    )


def _minus(tally: np.ndarray, other: np.ndarray) -> np.ndarray:
    left = tally.copy()
    for column in ("seen", "lost"):
        left[column] -= other[column]
    return left


def _joining(before: Frame, frame: Frame) -> Frame:
    """frame, as the first of a stream. before: what was told only once until then, and nothing that happened."""
    return replace(joined(before, frame), begin_ns=frame.begin_ns, joins=True)
