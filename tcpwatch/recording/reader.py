"""What does a recording hold? Opens files, finished, damaged or still growing, and plays them from any segment, and
pipes from their beginning. Holds one block at a time, and gives no frame that is not whole."""

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np

from tcpwatch.errors import BadInput
from tcpwatch.frame import Frame, Host
from tcpwatch.recording import format as layout
from tcpwatch.recording.blocks import Bytes, Damage, FileBytes, PipeBytes, Walk, describe
from tcpwatch.recording.decoder import Decoder
from tcpwatch.recording.index import TRAILER_BYTES, Gatherer, Segment, read_trailer, unpack_index

_MOST_HEAD = 1 << 20


class _Play:
    """Goes from block to block. damage: what had to be left out. complete: whether it came to the file's own end."""

    def __init__(self, walk: Walk, schema: layout.Schema) -> None:
        self.damage: list[Damage] = []
        self.complete = False
        self._walk = walk
        self._schema = schema

    def frames(self, offset: int, limit: Callable[[], int | None], more: Callable[[], bool]) -> Iterator[Frame]:
        """From the segment at offset on. limit: where whole blocks end, as far as is known. more: called there; whether
        to look again."""
        decoder = Decoder(self._schema)
        due = None  # the number of the next block; None: it begins a segment
        while True:
            end = limit()
            if offset == end or (end is None and self._walk.ends(offset)):
                if more():
                    continue
                return
            try:
                header = self._walk.header(offset, end)
                if header.kind == layout.INDEX:
                    self._end(header, offset)
                    return
                if due is not None and header.number != due:
                    self.damage.append(Damage(offset, offset, "blocks are missing there"))
                    due = None
                frames = self._decode(decoder, header, offset, joins=due is None)
            except BadInput as error:
                after = self._walk.next_state(offset + 1, end)
                self.damage.append(Damage(offset, after, error.what, cut=isinstance(error, layout.CutShort)))
                if after is None:
                    return
                offset, due = after, None
                continue
            yield from frames
            offset, due = offset + header.length, header.number + 1

    def _decode(self, decoder: Decoder, header: layout.Header, offset: int, joins: bool) -> list[Frame]:
        if joins and header.kind != layout.STATE:
            raise layout.damaged(offset, "no segment begins there")
        payload = self._walk.payload(header, offset)
        if header.kind == layout.FRAMES:
            return decoder.frames(header, payload, offset)
        if header.kind != layout.STATE:
            raise layout.damaged(offset, "it is out of place")
        state = decoder.state(header, payload, offset)
        return [state] if joins and not header.flags & layout.FIRST else []

    def _end(self, header: layout.Header, offset: int) -> None:
        """At the index: nothing but a trailer follows."""
        self.complete = True
        after = offset + header.length + TRAILER_BYTES
        if not self._walk.ends(after):
            self.damage.append(Damage(after, None, layout.damaged(after, "it goes on after its end").what))


class Recording:
    """A file, regular and readable, of which some frames are whole. Raises BadInput where it is not that.

    host: as at its beginning. begin_ns, end_ns: CLOCK_MONOTONIC. timeline: format.SECOND, the seconds in which frames
    ended, sorted. version: of the format. complete: whether it ended cleanly; else it still grows, or was interrupted,
    and up to a second may be missing that nothing tells of."""

    def __init__(self, path: str | Path) -> None:
        self.name = str(path)
        self._fd = _open(self.name)
        try:
            self._bytes = FileBytes(self._fd)
            try:
                self.version, self._walk, self._schema, self._first = _begin(self._bytes)
            except BadInput as error:
                raise BadInput(f"cannot read {self.name}: {error.what}", error.cure) from error
            self._scanned: list[Damage] = []
            self._played: list[Damage] = []
            self._gathered = Gatherer()
            self._end = self._first  # of the whole blocks
            self.complete = False
            if not self._read_index():
                self._scan()
            self.host = self._host()
        except BaseException:
            os.close(self._fd)
            raise

    def close(self) -> None:
        """May be called twice; not while frames() is being iterated."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @property
    def segments(self) -> list[Segment]:
        return self._gathered.segments

    @property
    def timeline(self) -> np.ndarray:
        return self._gathered.seconds()

    @property
    def begin_ns(self) -> int:
        return self.segments[0].begin_ns

    @property
    def end_ns(self) -> int:
        return max(segment.end_ns for segment in self.segments)

    @property
    def dropped(self) -> str | None:
        """What is not whole and was left out, one line; None: nothing, as far as was read."""
        return describe({damage.offset: damage for damage in (*self._scanned, *self._played)}.values())

    @property
    def is_damaged(self) -> bool:
        """Whether something was left out that was there: an end that is missing is no damage."""
        return any(not damage.cut for damage in (*self._scanned, *self._played))

    def frames(self, segment: int = 0, more: Callable[[], bool] = lambda: False) -> Iterator[Frame]:
        """From the beginning of a segment on, as they were written; the first one joins (Frame.joins) where others
        precede it that are not in what is played. What is damaged is left out, up to the next segment, and `dropped`
        says so. more: called where whole blocks end; True: look again, as refresh() may have found some."""
        play = _Play(self._walk, self._schema)
        play.damage = self._played
        yield from play.frames(self.segments[segment].offset, lambda: self._end, more)

    def refresh(self) -> bool:
        """Look for what was written meanwhile; whether there is more."""
        if self.complete:
            return False
        before = self._end
        self._scan()
        return self._end > before

    def _read_index(self) -> bool:
        size = os.fstat(self._fd).st_size
        offset = read_trailer(self._bytes.at(max(0, size - TRAILER_BYTES), TRAILER_BYTES), self._walk.identity)
        if offset is None or not self._first <= offset < size:
            return False
        try:
            header = self._walk.header(offset)
            if header.kind != layout.INDEX or offset + header.length + TRAILER_BYTES != size:
                return False
            segments, seconds = unpack_index(header, self._walk.payload(header, offset), offset)
            for segment in segments:
                self._check(segment, offset)
        except BadInput:
            return False
        if not segments or segments[0].offset != self._first:
            return False
        self._gathered.add(segments, seconds)
        self._end, self.complete = offset, True
        return True

    def _check(self, segment: Segment, end: int) -> None:
        """Whether it is where the index says."""
        header = self._walk.header(segment.offset, end)
        if header.kind != layout.STATE or (header.segment, header.begin_ns) != (segment.number, segment.begin_ns):
            raise layout.damaged(segment.offset, "no segment begins there")

    def _scan(self) -> None:
        """From where the last look ended."""
        found = [damage for damage in self._scanned if damage.end is not None]
        self._look_on(found)
        self._scanned = found  # whole: somebody may ask on another thread what was dropped

    def _look_on(self, found: list[Damage]) -> None:
        size, offset = os.fstat(self._fd).st_size, self._end
        while offset < size:
            try:
                header = self._walk.header(offset, size)
                if header.kind == layout.INDEX and offset + header.length + TRAILER_BYTES >= size:
                    self.complete = offset + header.length + TRAILER_BYTES == size
                    return
                if offset + header.length > size:
                    raise layout.cut_short(offset, "the file ends in the middle of it")
            except BadInput as error:
                after = self._walk.next_state(offset + 1, size)
                cut = isinstance(error, layout.CutShort)
                found.append(Damage(offset, after, error.what, size, cut))
                if after is None:
                    return
                offset = self._end = after
                continue
            self._gathered.note(header, offset)
            offset = self._end = offset + header.length

    def _host(self) -> Host:
        if not self.segments:
            raise BadInput(f"{self.name} holds no whole frame (it ends at byte {os.fstat(self._fd).st_size})")
        for segment in self.segments:
            try:
                header = self._walk.header(segment.offset, self._end)
                payload = self._walk.payload(header, segment.offset)
                return Decoder(self._schema).state(header, payload, segment.offset).host
            except BadInput as error:
                fault = error
        raise fault


class Stream:
    """A recording that comes through a pipe. To be iterated once; `dropped` is known afterwards. Raises BadInput, when
    it is made, for what does not begin like one."""

    def __init__(self, file: BinaryIO) -> None:
        data = PipeBytes(file)
        self.version, walk, schema, self._first = _begin(data)
        self._play = _Play(walk, schema)

    @property
    def dropped(self) -> str | None:
        """As a Recording's."""
        return describe(self._play.damage)

    @property
    def is_damaged(self) -> bool:
        """As a Recording's."""
        return any(not damage.cut for damage in self._play.damage)

    @property
    def complete(self) -> bool:
        """Whether it ended cleanly: else up to a second may be missing that nothing tells of."""
        return self._play.complete

    def frames(self) -> Iterator[Frame]:
        """Each as soon as its block is whole."""
        return self._play.frames(self._first, lambda: None, lambda: False)


def stream(file: BinaryIO) -> Stream:
    """file: open for reading bytes; pipes and sockets will do."""
    return Stream(file)


def _open(name: str) -> int:
    try:
        fd = os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a named pipe must not hold us up here
    except OSError as error:
        raise BadInput(f"cannot read {name}: {error.strerror}") from error
    found = os.fstat(fd).st_mode
    if stat.S_ISREG(found):
        return fd
    os.close(fd)
    if stat.S_ISDIR(found):
        raise BadInput(f"cannot read {name}: it is a directory", "name a file in it")
    raise BadInput(f"cannot read {name}: it is no regular file", "save what it holds to a file first")


def _begin(data: Bytes) -> tuple[int, Walk, layout.Schema, int]:
    """(version, the walk, the schema, where the first segment begins)."""
    version = layout.check_beginning(data.at(0, layout.BEGINNING_BYTES))
    offset = layout.BEGINNING_BYTES
    found = layout.unpack(data.at(offset, layout.HEADER_BYTES))
    if found is None or found[0].kind != layout.HEAD or found[0].stored > _MOST_HEAD:
        raise layout.damaged(offset, "the description of its tables is not whole")
    walk = Walk(data, found[0].identity)
    header = walk.header(offset)
    schema = layout.read_schema(walk.payload(header, offset), offset)
    return version, walk, schema, offset + header.length
