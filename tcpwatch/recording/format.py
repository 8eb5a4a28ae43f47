"""What lies where in a recording: the signature, the header of a block, the schema of the tables, and the bounds that
hold for all of them. Knows nothing of frames. docs/recording.md says the same to somebody who has only the bytes."""

import json
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tcpwatch import wire
from tcpwatch.counters import COUNTS
from tcpwatch.errors import BadInput

VERSION = 1
SIGNATURE = b"\x89tcpwatch\r\n\x1a\n"  # as PNG's: what a transfer as text does to a file shows at once
_BEGINNING = struct.Struct("<13sBH")  # signature, 0, version
BEGINNING_BYTES = _BEGINNING.size

# What a block is
HEAD, STATE, FRAMES, INDEX = range(1, 5)
_SYNC = b"\xf5tw\xee"
FIRST = 1  # flag of a state: nothing precedes it, so it says nothing

# Of what a reader makes room for. A writer keeps to them
MOST_ROWS = 1 << 22
MOST_BYTES = 1 << 30  # a table's rows, unpacked
MOST_RAW = 1 << 28  # a block's payload, unpacked
MOST_STORED = 1 << 27
MOST_FRAMES = 256  # in a block
MOST_LINES = MOST_FRAMES  # of seconds, in a header
MOST_FIELDS = 256
MOST_TIME_NS = 1 << 61  # 73 years of CLOCK_MONOTONIC: sums of times stay within 64 bits

# A frame's own line
FRAME = np.dtype(
    [
        ("begin_ns", "<u8"),
        ("end_ns", "<u8"),
        ("snapshot_begin_ns", "<u8"),
        ("snapshot_end_ns", "<u8"),
        ("ring_fill", "<f8"),
        ("events", "<u4"),  # how many lines of each table are this frame's
        ("sockets", "<u4"),
        ("owners", "<u4"),
        ("counts", "<u4"),
        ("namespaces", "<u4"),
        ("marks", "<u1"),
    ]
)
HAS_SNAPSHOT, HAS_OWNERS, IS_FINAL, SHOWS_TIME_WAIT = (1 << i for i in range(4))
TIMES = ("begin_ns", "end_ns", "snapshot_begin_ns", "snapshot_end_ns")
SHARED = ("tally", "events", "counts", "namespaces")  # tables of which each frame of a block has a part
NAMESPACE = np.dtype([("netns", "<u4")])  # which ones a snapshot read
TALLY = np.dtype([("seen", "<u8"), ("lost", "<u8")])  # a frame has one line per kind of event
SECOND = np.dtype(
    [
        ("time_ns", "<u8"),  # when it begins, CLOCK_MONOTONIC, a whole second
        *((name, "<u4") for name in ("events", "opened", "closed", "retransmits", "resets", "lost")),
    ]
)
SEGMENT = np.dtype(
    [("offset", "<u8"), ("begin_ns", "<u8"), ("end_ns", "<u8"), ("events", "<u8"), ("frames", "<u8"), ("number", "<u4")]
)
TABLES = {
    "frames": FRAME,
    "tally": TALLY,
    "events": wire.EVENT,
    "sockets": wire.SOCKET,
    "owners": wire.OWNER,
    "counts": COUNTS,
    "namespaces": NAMESPACE,
}
INDEX_TABLES = {"segments": SEGMENT, "seconds": SECOND}


class CutShort(BadInput):
    """Nothing is wrong but that there is no more: it was interrupted, or is still being written."""


def cut_short(offset: int, what: str) -> CutShort:
    return CutShort(f"the recording breaks off at byte {offset}: {what}")


def damaged(where: int, what: str) -> BadInput:
    """where: the byte of the file at which the faulty piece begins."""
    return BadInput(f"the recording is damaged at byte {where}: {what}")


@dataclass(slots=True)  # frozen ones take thrice the time to make, and a day's file has 100,000
class Header:
    """What a block says of itself. begin_ns, end_ns: of its frames. stored, raw: bytes that follow, packed and
    unpacked. seconds: SECOND, what happened when."""

    kind: int
    identity: int
    number: int = 0
    segment: int = 0
    begin_ns: int = 0
    end_ns: int = 0
    frames: int = 0
    events: int = 0
    stored: int = 0
    raw: int = 0
    check: int = 0  # of the payload
    flags: int = 0
    seconds: np.ndarray = field(default_factory=lambda: np.empty(0, SECOND), compare=False)

    @property
    def length(self) -> int:
        """Bytes of the whole block."""
        return HEADER_BYTES + self.seconds.nbytes + self.stored


_HEADER = struct.Struct("<4sBBHQIIQQIIIIII")
_CHECK = struct.Struct("<I")
HEADER_BYTES = _HEADER.size + _CHECK.size


def pack(header: Header, payload: bytes) -> bytes:
    """A block, whole. header: stored and check are filled in here."""
    seconds = header.seconds.tobytes()
    fields = _HEADER.pack(
        _SYNC,
        header.kind,
        header.flags,
        len(header.seconds),
        header.identity,
        header.number,
        header.segment,
        header.begin_ns,
        header.end_ns,
        header.frames,
        header.events,
        len(payload),
        header.raw,
        zlib.crc32(payload),
        zlib.crc32(seconds),
    )
    return b"".join((fields, _CHECK.pack(zlib.crc32(fields)), seconds, payload))


def unpack(data: bytes) -> tuple[Header, int, int] | None:
    """A header from its HEADER_BYTES, with how many SECOND lines follow and their checksum; None where it is none."""
    if len(data) < HEADER_BYTES or data[:4] != _SYNC:
        return None
    (check,) = _CHECK.unpack_from(data, _HEADER.size)
    if zlib.crc32(data[: _HEADER.size]) != check:
        return None
    (
        _,
        kind,
        flags,
        lines,
        identity,
        number,
        segment,
        begin_ns,
        end_ns,
        frames,
        events,
        stored,
        raw,
        payload,
        seconds,
    ) = _HEADER.unpack_from(data)
    bounded = stored <= MOST_STORED and raw <= MOST_RAW and lines <= MOST_LINES
    if not HEAD <= kind <= INDEX or not bounded or max(begin_ns, end_ns) > MOST_TIME_NS:
        return None
    header = Header(kind, identity, number, segment, begin_ns, end_ns, frames, events, stored, raw, payload, flags)
    return header, lines, seconds


def sync_at(data: bytes, start: int) -> int:
    """Where the next header may begin in data, -1: nowhere. Four bytes that start one may be its end."""
    return data.find(_SYNC, start)


Field = tuple[str, str, int]  # name, NumPy's word for the type, how many of it
_TYPES = frozenset(("|u1", "<u2", "<u4", "<u8", "<i8", "<f8", "|S16"))
_SHAPES = frozenset(((), (16,), (6,)))


@dataclass(frozen=True, slots=True)
class Schema:
    """What the file's own tables look like: a file of an older or newer version may hold other columns."""

    tables: Mapping[str, np.dtype[Any]]
    kinds: tuple[str, ...]


def beginning() -> bytes:
    return _BEGINNING.pack(SIGNATURE, 0, VERSION)


def check_beginning(data: bytes) -> int:
    """The version. Raises BadInput for what is no recording, or a newer one."""
    if not data:
        raise BadInput("this is no recording of tcpwatch: it has 0 bytes")
    if len(data) < BEGINNING_BYTES or not data.startswith(SIGNATURE):
        raise BadInput("this is no recording of tcpwatch: it does not begin like one (byte 0)")
    _, zero, version = _BEGINNING.unpack_from(data)
    if zero or not version:
        raise damaged(len(SIGNATURE), "there is no such version")
    if version > VERSION:
        raise BadInput(
            f"the recording has version {version} of the format (byte {len(SIGNATURE)}), newer than this tcpwatch "
            f"reads: {VERSION}",
            "replay it with the tcpwatch that made it, or a newer one",
        )
    return int(version)


def head(identity: int, maker: str) -> bytes:
    """What every file begins with."""
    tables = {name: [_described(dtype, field) for field in dtype.names or ()] for name, dtype in TABLES.items()}
    words = {"maker": maker, "kinds": wire.KINDS, "tables": tables}
    payload = json.dumps(words, separators=(",", ":")).encode()
    return beginning() + pack(Header(HEAD, identity, raw=len(payload)), payload)


def _described(dtype: np.dtype[Any], name: str) -> list[Any]:
    column = dtype[name]
    return [name, column.base.str, *column.shape]


def read_schema(payload: bytes, where: int) -> Schema:
    """Raises BadInput for a schema that makes no sense."""
    try:
        words = json.loads(payload)
        kinds = tuple(words["kinds"])
        tables = {str(name): _dtype(fields) for name, fields in words["tables"].items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise damaged(where, "the description of its tables makes no sense") from error
    if not all(isinstance(kind, str) for kind in kinds) or not 0 < len(kinds) <= MOST_FIELDS:
        raise damaged(where, "the kinds of events it names make no sense")
    for name in TABLES.keys() - tables.keys():
        raise damaged(where, f"it describes no table of {name}")
    return Schema(tables, kinds)


def _dtype(fields: list[list[Any]]) -> np.dtype[Any]:
    if not 0 < len(fields) <= MOST_FIELDS:
        raise ValueError
    columns = []
    for name, kind, *shape in fields:
        if not isinstance(name, str) or kind not in _TYPES or tuple(shape) not in _SHAPES or (shape and kind != "|u1"):
            raise ValueError
        columns.append((name, kind, tuple(shape)))
    return np.dtype(columns)  # raises ValueError for a name that comes twice
