"""A recording as a source of frames, for whoever would otherwise watch the kernel."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tcpwatch import wire
from tcpwatch.frame import Frame
from tcpwatch.recording.reader import Recording, Stream


class RecordedSource:
    """As fast as its frames are taken. Owns the recording. delivered: (KINDS,) events given so far, by kind.
    tally_before: (KINDS,) of wire.TALLY, what had been counted before the first of them. named: the names of network
    namespaces in them. stopped: before its end."""

    def __init__(self, recording: Recording | Stream, segment: int = 0) -> None:
        self.recording = recording
        self.delivered = np.zeros(len(wire.KINDS), np.int64)
        self.tally_before = np.zeros(len(wire.KINDS), wire.TALLY)
        self.named: set[str] = set()
        self.stopped = False
        self._segment = segment

    def frames(self) -> Iterator[Frame]:
        begun = False
        for frame in self._played():
            if self.stopped:
                return
            if frame.joins and not begun:
                self.tally_before = frame.tally
            begun = True
            self.delivered += np.bincount(frame.events["kind"], minlength=len(wire.KINDS))
            self.named.update(name for _, name in frame.namespaces)
            yield frame

    def stop(self) -> None:
        self.stopped = True

    def close(self) -> None:
        if isinstance(self.recording, Recording):
            self.recording.close()

    def _played(self) -> Iterator[Frame]:
        if isinstance(self.recording, Stream):
            return self.recording.frames()
        return self.recording.frames(self._segment)


def open_recording(path: str | Path) -> RecordedSource:
    """Raises BadInput."""
    return RecordedSource(Recording(path))
