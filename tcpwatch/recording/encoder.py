"""Which frames stand together, and what does a reader need who starts there? Takes frames and gives blocks, whole ones
only: chunks of about a second, in segments that each begin with all that was told before. Writes nothing anywhere."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import zstandard

from tcpwatch import __version__, wire
from tcpwatch.errors import TcpwatchError
from tcpwatch.frame import Frame, Host, Probe, Process
from tcpwatch.recording import format as layout
from tcpwatch.recording.notes import pack_notes
from tcpwatch.recording.seconds import count_seconds
from tcpwatch.recording.tables import Buffer, pack_array, pack_successor

SEGMENT_NS = 30_000_000_000
SEGMENT_EVENTS = 250_000  # a quarter of a second to replay: what a seek costs at most
CHUNK_NS = 900_000_000  # with the frame that ends it, a second: what a crash costs at most
CHUNK_BYTES = 1 << 23  # of arrays: what waits for company is held in memory, and so is what a reader unpacks
_LEVEL = 1
_PROCESSES = 10_000  # as many as a tracker remembers


@dataclass(frozen=True, slots=True)
class Block:
    """data: what goes into the file, whole."""

    header: layout.Header
    data: bytes

    @property
    def begins_segment(self) -> bool:
        return self.header.kind == layout.STATE


@dataclass(slots=True)
class Known:
    """What frames tell only once, or cumulatively: the sum of those before."""

    host: Host | None = None
    probes: tuple[Probe, ...] = ()
    processes: dict[int, Process] = field(default_factory=dict)
    cgroups: dict[int, str] = field(default_factory=dict)
    namespaces: dict[int, str] = field(default_factory=dict)
    settings: dict[int, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    owners: np.ndarray | None = None
    sockets: np.ndarray | None = None  # the newest snapshot's in this segment, which the next one is told by
    tally: np.ndarray = field(default_factory=lambda: np.zeros(len(wire.KINDS), wire.TALLY))
    shows_time_wait: bool = True
    end_ns: int = 0

    def note(self, frame: Frame) -> None:
        self.host, self.probes = frame.host, frame.probes
        for process in frame.processes:
            self.processes.pop(process.pid, None)
            self.processes[process.pid] = process
        if len(self.processes) > 2 * _PROCESSES:
            self.processes = dict(list(self.processes.items())[-_PROCESSES:])
        self.cgroups.update(frame.cgroups)
        self.namespaces.update(frame.namespaces)
        self.settings.update(frame.settings)
        if frame.snapshot is not None:
            for netns in self.settings.keys() - frame.snapshot.namespaces:
                del self.settings[netns]
            self.sockets = frame.snapshot.sockets
        if frame.owners is not None:
            self.owners = frame.owners
        self.tally, self.shows_time_wait, self.end_ns = frame.tally, frame.shows_time_wait, frame.end_ns

    def frame(self) -> Frame:
        """All of it, as one frame that joins."""
        assert self.host is not None
        return Frame(
            self.end_ns,
            self.end_ns,
            self.host,
            owners=self.owners,
            processes=tuple(self.processes.values())[-_PROCESSES:],
            cgroups=tuple(self.cgroups.items()),
            namespaces=tuple(self.namespaces.items()),
            settings=tuple(self.settings.items()),
            tally=self.tally,
            probes=self.probes,
            shows_time_wait=self.shows_time_wait,
            joins=True,
        )


class Encoder:
    """identity: a number that all blocks of one recording bear, so that none of another is taken for one of its own."""

    def __init__(
        self,
        identity: int | None = None,
        segment_ns: int = SEGMENT_NS,
        segment_events: int = SEGMENT_EVENTS,
    ) -> None:
        self.identity = int.from_bytes(os.urandom(8), "little") if identity is None else identity
        self._segment_ns, self._segment_events = segment_ns, segment_events
        self._compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=False)
        self._known = Known()  # of the frames in blocks
        self._chunk: list[Frame] = []
        self._chunk_bytes = 0
        self._chunk_since_ns = 0
        self._number = 0
        self._segment = -1
        self._segment_since_ns = 0
        self._in_segment = 0
        self._told = False  # whether any frame preceded
        self._cut = True

    @property
    def head(self) -> bytes:
        """What a file of these blocks begins with, whichever segment comes first in it."""
        return layout.head(self.identity, f"tcpwatch {__version__}")

    def add(self, frame: Frame) -> list[Block]:
        """The blocks that it completes, if any."""
        if frame.joins:
            blocks = self.flush()
            self._known.note(frame)
            self._told = self._cut = True
            return blocks
        blocks = []
        if self._cut or self._is_over(frame):
            blocks = [*self.flush(), self._begin(frame)]
        elif self._chunk_bytes + _size(frame) > CHUNK_BYTES or len(self._chunk) == layout.MOST_FRAMES:
            blocks = self.flush()
        if not self._chunk and not self._chunk_since_ns:
            self._chunk_since_ns = frame.begin_ns
        self._chunk.append(frame)
        self._chunk_bytes += _size(frame)
        self._in_segment += len(frame.events)
        if frame.final or frame.end_ns - self._chunk_since_ns >= CHUNK_NS or self._chunk_bytes >= CHUNK_BYTES:
            blocks += self.flush()
        return blocks

    def flush(self) -> list[Block]:
        """The frames that wait for company."""
        if not self._chunk:
            return []
        frames, self._chunk, self._chunk_bytes = self._chunk, [], 0
        seconds = count_seconds(frames, self._known.tally)
        block = self._pack(layout.FRAMES, frames, seconds)
        for frame in frames:
            self._known.note(frame)
        self._told = True
        self._chunk_since_ns = frames[-1].end_ns
        return [block]

    def cut(self) -> None:
        """Begin a segment with the next frame, as another file begins there."""
        self._cut = True

    def _is_over(self, frame: Frame) -> bool:
        if frame.snapshot is None:
            return False
        return frame.begin_ns - self._segment_since_ns >= self._segment_ns or self._in_segment >= self._segment_events

    def _begin(self, frame: Frame) -> Block:
        self._cut = False
        self._segment += 1
        self._segment_since_ns, self._in_segment = frame.begin_ns, 0
        self._known.sockets = None
        if not self._told:
            nothing = Frame(frame.begin_ns, frame.begin_ns, frame.host)
            return self._pack(layout.STATE, [nothing], flags=layout.FIRST)
        return self._pack(layout.STATE, [self._known.frame()], begin_ns=frame.begin_ns)

    def _pack(
        self,
        kind: int,
        frames: list[Frame],
        seconds: np.ndarray | None = None,
        flags: int = 0,
        begin_ns: int | None = None,
    ) -> Block:
        known = self._known if kind == layout.FRAMES else Known()
        raw = b"".join(contents(frames, known))
        header = layout.Header(
            kind,
            self.identity,
            self._number,
            self._segment,
            frames[0].begin_ns if begin_ns is None else begin_ns,
            max(frame.end_ns for frame in frames),
            len(frames),
            sum(len(frame.events) for frame in frames),
            raw=len(raw),
            flags=flags,
            seconds=np.empty(0, layout.SECOND) if seconds is None else seconds,
        )
        if len(raw) > layout.MOST_RAW or header.end_ns >= layout.MOST_TIME_NS:
            raise TcpwatchError("a frame holds more than a recording can")
        self._number += 1
        return Block(header, layout.pack(header, self._compressor.compress(raw)))


def _size(frame: Frame) -> int:
    arrays = (frame.events, frame.owners, None if frame.snapshot is None else frame.snapshot.sockets)
    return sum(array.nbytes for array in arrays if array is not None)


def contents(frames: list[Frame], known: Known) -> Iterator[Buffer]:
    """A block's payload before it is compressed. known: what a reader of this block knows by then."""
    words = pack_notes(frames, known.host, known.probes)
    yield len(words).to_bytes(4, "little")
    yield words
    tables = layout.TABLES
    snapshots = [frame.snapshot for frame in frames if frame.snapshot is not None]
    yield from pack_array([_lines(frames)], tables["frames"], ("begin_ns", "end_ns"))
    yield from pack_array([frame.tally for frame in frames], tables["tally"])
    yield from pack_array([frame.events for frame in frames], tables["events"], ("time_ns",))
    yield from pack_array([one.counts for one in snapshots], tables["counts"])
    read = [np.array(sorted(one.namespaces), np.uint32).view(layout.NAMESPACE) for one in snapshots]
    yield from pack_array(read, tables["namespaces"])
    before = known.sockets
    for snapshot in snapshots:
        yield from pack_successor(snapshot.sockets, before, "cookie")
        before = snapshot.sockets
    before = known.owners
    for owners in (frame.owners for frame in frames if frame.owners is not None):
        yield from pack_successor(owners, before, "cookie")
        before = owners


def _lines(frames: list[Frame]) -> np.ndarray:
    lines = np.zeros(len(frames), layout.FRAME)
    for line, frame in zip(lines, frames):
        line["begin_ns"], line["end_ns"], line["ring_fill"] = frame.begin_ns, frame.end_ns, frame.ring_fill
        line["events"] = len(frame.events)
        marks = frame.final * layout.IS_FINAL | frame.shows_time_wait * layout.SHOWS_TIME_WAIT
        if frame.owners is not None:
            marks |= layout.HAS_OWNERS
            line["owners"] = len(frame.owners)
        if frame.snapshot is not None:
            marks |= layout.HAS_SNAPSHOT
            snapshot = frame.snapshot
            line["snapshot_begin_ns"], line["snapshot_end_ns"] = snapshot.begin_ns, snapshot.end_ns
            line["sockets"], line["counts"] = len(snapshot.sockets), len(snapshot.counts)
            line["namespaces"] = len(snapshot.namespaces)
        line["marks"] = marks
    return lines
