"""Where does the next whole block begin? Walks over a file or a pipe from header to header, and past what is damaged to
the next segment. Looks into no payload, and holds one block at a time."""

import os
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import BinaryIO, Protocol

import numpy as np

from tcpwatch.errors import BadInput
from tcpwatch.recording import format as layout
from tcpwatch.recording.format import HEADER_BYTES, SECOND, Header

_WINDOW = 1 << 20
_TOLD = 3  # damaged places that a line names


class Bytes(Protocol):
    """Random access, or nearly: a reader goes back no further than to the block it is at. peek: how much to ask for
    where a block begins."""

    peek: int

    def at(self, offset: int, count: int) -> bytes:
        """Fewer where there are no more."""


class FileBytes:
    peek = HEADER_BYTES + 4 * SECOND.itemsize  # with its seconds, mostly: one call

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def at(self, offset: int, count: int) -> bytes:
        try:
            data = os.pread(self._fd, count, offset)
            while len(data) < count:
                more = os.pread(self._fd, count - len(data), offset + len(data))
                if not more:
                    break
                data += more
        except OSError as error:
            raise BadInput(f"the recording cannot be read at byte {offset}: {error.strerror}") from error
        return data


class PipeBytes:
    """What came through a pipe: of it, what was not passed yet."""

    peek = HEADER_BYTES  # no more than is there: what is written next may take a second

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._held = bytearray()
        self._start = 0

    def at(self, offset: int, count: int) -> bytes:
        passed = offset - self._start
        if passed > 0:
            while len(self._held) < passed and self._read(passed - len(self._held)):
                pass
            gone = min(passed, len(self._held))
            del self._held[:gone]
            self._start += gone
        while len(self._held) < count and self._read(count - len(self._held)):
            pass
        return bytes(self._held[:count])

    def _read(self, count: int) -> bool:
        try:
            data = self._file.read(min(count, _WINDOW))
        except OSError as error:
            raise BadInput(f"the recording cannot be read: {error.strerror}") from error
        self._held += data
        return bool(data)


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes from which nothing could be had. what: why not, one line, with the first of them. end: where a whole
    segment begins again; None: nowhere. size: of the file, where it is known. cut: it only ends too early."""

    offset: int
    end: int | None
    what: str
    size: int | None = None
    cut: bool = False


def describe(damages: Iterable[Damage]) -> str | None:
    """One line; None where there is none."""
    parts = []
    for damage in damages:
        until = damage.end if damage.end is not None else damage.size
        rest = f"{until - damage.offset} bytes" if until is not None else "the rest"
        goes_on = f"; it goes on at byte {damage.end}" if damage.end is not None else ""
        parts.append(f"{damage.what} ({rest} left out{goes_on})")
    more = f"; and {len(parts) - _TOLD} more" if len(parts) > _TOLD else ""
    return "; ".join(parts[:_TOLD]) + more if parts else None


class Walk:
    """From header to header of one recording. limit: where its bytes end for now; None: where they do."""

    def __init__(self, data: Bytes, identity: int) -> None:
        self.identity = identity
        self._data = data

    def header(self, offset: int, limit: int | None = None) -> Header:
        """The header at this place, with its seconds. Raises BadInput where there is none of this recording."""
        peek = self._data.peek
        data = self._data.at(offset, peek if limit is None else max(0, min(peek, limit - offset)))
        if len(data) < HEADER_BYTES:
            raise layout.cut_short(offset, "the file ends in the middle of a block")
        found = layout.unpack(data)
        if found is None or found[0].identity != self.identity:
            raise layout.damaged(offset, "there is no block")
        header, lines, check = found
        size = HEADER_BYTES + lines * SECOND.itemsize
        seconds = (data if size <= len(data) else self._data.at(offset, size))[HEADER_BYTES:size]
        if len(seconds) != size - HEADER_BYTES:
            raise layout.cut_short(offset, "the file ends in the middle of a block")
        if zlib.crc32(seconds) != check:
            raise layout.damaged(offset, "a checksum does not match")
        if lines:
            header.seconds = np.frombuffer(seconds, SECOND)
        return header

    def payload(self, header: Header, offset: int) -> bytes:
        """Raises BadInput where it is damaged, or ends too early."""
        data = self._data.at(offset, header.length)[header.length - header.stored :]
        if len(data) != header.stored:
            raise layout.cut_short(offset, "the file ends in the middle of a block")
        if zlib.crc32(data) != header.check:
            raise layout.damaged(offset, "a checksum does not match")
        return data

    def ends(self, offset: int) -> bool:
        return not self._data.at(offset, 1)

    def next_state(self, offset: int, limit: int | None = None) -> int | None:
        """Where the first segment from this place on begins; None where none does."""
        while limit is None or offset < limit:
            data = self._data.at(offset, _WINDOW)
            place = layout.sync_at(data, 0)
            while 0 <= place <= len(data) - HEADER_BYTES:
                found = layout.unpack(data[place : place + HEADER_BYTES])
                if found is not None and found[0].kind == layout.STATE and found[0].identity == self.identity:
                    return offset + place
                place = layout.sync_at(data, place + 1)
            if len(data) < _WINDOW:
                return None
            offset += _WINDOW - HEADER_BYTES
        return None
