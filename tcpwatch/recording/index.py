"""Where in the file is which moment, and what happened in each second? Read from the index at the end, or from the
headers of the blocks where there is none (or where it says what is not so)."""

import struct
import zlib
from dataclasses import dataclass

import numpy as np
import zstandard

from tcpwatch.recording import format as layout
from tcpwatch.recording.decoder import inflate
from tcpwatch.recording.seconds import merge
from tcpwatch.recording.tables import Unpacker, pack_array

_TRAILER = struct.Struct("<4sIQQI")  # mark, 0, where the index begins, identity, check
_MARK = b"twZ\xfa"
TRAILER_BYTES = _TRAILER.size


@dataclass(slots=True)
class Segment:
    """offset: of its first byte. events, frames: how many it holds."""

    offset: int
    number: int
    begin_ns: int
    end_ns: int
    events: int = 0
    frames: int = 0


class Gatherer:
    """Takes headers as they come, written or scanned."""

    def __init__(self) -> None:
        self.segments: list[Segment] = []
        self._seconds: list[np.ndarray] = []

    def note(self, header: layout.Header, offset: int) -> None:
        if header.kind == layout.STATE:
            self.segments.append(Segment(offset, header.segment, header.begin_ns, header.begin_ns))
        elif header.kind == layout.FRAMES and self.segments:
            last = self.segments[-1]
            last.end_ns = max(last.end_ns, header.end_ns)
            last.events += header.events
            last.frames += header.frames
            self._seconds.append(header.seconds)

    def seconds(self) -> np.ndarray:
        """SECOND, sorted, each second once."""
        merged = merge(self._seconds)
        self._seconds = [merged]
        return merged

    def add(self, segments: list[Segment], seconds: np.ndarray) -> None:
        self.segments += segments
        self._seconds.append(seconds)


def pack_index(gathered: Gatherer, identity: int, offset: int) -> bytes:
    """The end of a file, to be written at this offset."""
    segments = np.array([_line(one) for one in gathered.segments], layout.SEGMENT)
    tables = (*pack_array([segments], layout.SEGMENT), *pack_array([gathered.seconds()], layout.SECOND, ("time_ns",)))
    raw = b"".join(tables)
    block = layout.pack(layout.Header(layout.INDEX, identity, raw=len(raw)), zstandard.ZstdCompressor().compress(raw))
    fields = struct.pack("<4sIQQ", _MARK, 0, offset, identity)
    return block + fields + struct.pack("<I", zlib.crc32(fields))


def _line(segment: Segment) -> tuple[int, ...]:
    return tuple(getattr(segment, name) for name in layout.SEGMENT.names or ())


def read_trailer(data: bytes, identity: int) -> int | None:
    """Where the index begins, from the last TRAILER_BYTES of a file; None where it did not end cleanly."""
    if len(data) != TRAILER_BYTES:
        return None
    mark, zero, offset, whose, check = _TRAILER.unpack(data)
    if mark != _MARK or zero or whose != identity or check != zlib.crc32(data[:-4]):
        return None
    return int(offset)


def unpack_index(header: layout.Header, payload: bytes, where: int) -> tuple[list[Segment], np.ndarray]:
    """Raises BadInput for an index that cannot be one."""
    unpacker = Unpacker(inflate(zstandard.ZstdDecompressor(), header, payload, where), where)
    lines = unpacker.array(layout.SEGMENT)
    seconds = unpacker.array(layout.SECOND)
    unpacker.end()
    if len(lines) and (len(lines) * layout.HEADER_BYTES > where or int(lines["offset"].max()) >= where):
        raise layout.damaged(where, "the index names more than there is before it")
    if (np.diff(lines["offset"].astype(np.int64)) <= 0).any() or (np.diff(lines["number"].astype(np.int64)) != 1).any():
        raise layout.damaged(where, "the index is out of order")
    orderly = (lines["begin_ns"] <= lines["end_ns"]).all() and (lines["end_ns"] < layout.MOST_TIME_NS).all()
    if not orderly or (np.diff(seconds["time_ns"].astype(np.int64)) <= 0).any():
        raise layout.damaged(where, "the index is out of order")
    if int(seconds["events"].sum()) != int(lines["events"].sum()):
        raise layout.damaged(where, "the index contradicts itself")
    names = layout.SEGMENT.names or ()
    return [Segment(**dict(zip(names, line))) for line in lines.tolist()], seconds
