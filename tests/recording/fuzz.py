"""Hostile files: what may be done to the bytes of a recording, with checksums that match all the same, and what must
hold whatever was done. `python -m tests.recording.fuzz COUNT [SEED]` tries that many and says what it saw."""

import json
import resource
import struct
import sys
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from io import BytesIO
from random import Random
from typing import Any

import numpy as np
import zstandard

from tcpwatch.errors import BadInput
from tcpwatch.frame import Frame
from tcpwatch.recording import format as layout
from tcpwatch.recording.reader import stream
from tcpwatch.tracker.tracker import Tracker

from .session import are_some_of, ended, life, opened, written

_EXTREMES = (0, 1, 2, 127, 128, 255, 256, 65535, 1 << 31, (1 << 32) - 1, 1 << 61, 1 << 62, (1 << 63) - 1, (1 << 64) - 1)
_JUNK: tuple[object, ...] = (None, -1, 1 << 70, 1.5, "", "x" * 70_000, [], {}, [[[]]], True, float("inf"))


@dataclass
class Piece:
    header: layout.Header
    seconds: bytes
    raw: bytes  # unpacked
    packed: bool


def pieces(data: bytes) -> Iterator[Piece]:
    """The blocks of a whole file."""
    at = layout.BEGINNING_BYTES
    while at < len(data):
        found = layout.unpack(data[at : at + layout.HEADER_BYTES])
        if found is None:
            return
        header, lines, _ = found
        begin = at + layout.HEADER_BYTES
        middle = begin + lines * layout.SECOND.itemsize
        at = middle + header.stored
        payload = data[middle:at]
        packed = header.kind != layout.HEAD
        yield Piece(
            header, data[begin:middle], zstandard.ZstdDecompressor().decompress(payload) if packed else payload, packed
        )


def put_together(found: list[Piece]) -> bytes:
    """A file of these blocks, its checksums right and its trailer where it belongs."""
    data = layout.beginning()
    for piece in found:
        if piece.header.kind == layout.INDEX:
            end = struct.pack("<4sIQQ", b"twZ\xfa", 0, len(data), piece.header.identity)
            return data + _packed(piece) + end + struct.pack("<I", zlib.crc32(end))
        data += _packed(piece)
    return data


def _packed(piece: Piece) -> bytes:
    payload = zstandard.ZstdCompressor().compress(piece.raw) if piece.packed else piece.raw
    whole = len(piece.seconds) // layout.SECOND.itemsize * layout.SECOND.itemsize
    seconds = np.frombuffer(piece.seconds[:whole], layout.SECOND)
    return layout.pack(replace(piece.header, seconds=seconds), payload)


def _poke(chance: Random, data: bytes) -> bytes:
    """Changes a number, some bytes, or the length."""
    poked = bytearray(data or b"\0")
    for _ in range(chance.choice((1, 1, 1, 2, 5, 23))):
        at = chance.randrange(len(poked))
        match chance.randrange(5):
            case 0:
                poked[at] ^= 1 << chance.randrange(8)
            case 1:
                width = chance.choice((1, 2, 4, 8))
                poked[at : at + width] = (chance.choice(_EXTREMES) & ((1 << 8 * width) - 1)).to_bytes(width, "little")
            case 2:
                del poked[at : at + chance.choice((1, 4, 23))]
                poked = poked or bytearray(1)
            case 3:
                poked[at:at] = chance.randbytes(chance.choice((1, 4, 23)))
            case _:
                poked[at] = chance.choice((0, 255, chance.randrange(256)))
    return bytes(poked)


def _poke_payload(chance: Random, found: list[Piece]) -> None:
    piece = chance.choice(found)
    piece.raw = _poke(chance, piece.raw)
    if chance.random() < 0.9:
        piece.header = replace(piece.header, raw=len(piece.raw))


def _poke_first_bytes(chance: Random, found: list[Piece]) -> None:
    """Where the names and the counts of lines are."""
    piece = chance.choice(found)
    cut = chance.choice((8, 64, 512, 2048))
    piece.raw = _poke(chance, piece.raw[:cut]) + piece.raw[cut:]
    piece.header = replace(piece.header, raw=len(piece.raw))


def _poke_header(chance: Random, found: list[Piece]) -> None:
    piece = chance.choice(found)
    wide = {"identity", "begin_ns", "end_ns"}
    narrow = {"number", "segment", "frames", "events", "raw"}
    name = chance.choice(sorted(wide | narrow | {"kind", "flags"}))
    bits = 64 if name in wide else 32 if name in narrow else 8
    value = chance.choice((*_EXTREMES, chance.getrandbits(bits))) & ((1 << bits) - 1)
    changed: dict[str, Any] = {name: value}
    piece.header = replace(piece.header, **changed)


def _poke_seconds(chance: Random, found: list[Piece]) -> None:
    piece = chance.choice(found)
    piece.seconds = _poke(chance, piece.seconds * chance.choice((1, 2, 300)))


def _poke_words(chance: Random, found: list[Piece]) -> None:
    """Another value where the JSON has one, of another type mostly."""
    piece = chance.choice([piece for piece in found if piece.header.kind != layout.INDEX])
    if piece.header.kind == layout.HEAD:
        words = json.loads(piece.raw)
        _swap(chance, words)
        piece.raw = json.dumps(words).encode()
    else:
        size = int.from_bytes(piece.raw[:4], "little")
        lines = piece.raw[4 : 4 + size].splitlines()
        if lines:
            at = chance.randrange(len(lines))
            words = json.loads(lines[at])
            _swap(chance, words)
            lines[at] = json.dumps(words).encode()
        told = b"".join(line + b"\n" for line in lines)
        piece.raw = len(told).to_bytes(4, "little") + told + piece.raw[4 + size :]
    piece.header = replace(piece.header, raw=len(piece.raw))


def _swap(chance: Random, words: object) -> None:
    while isinstance(words, dict | list) and words:
        key = chance.choice(list(words) if isinstance(words, dict) else range(len(words)))
        if chance.random() < 0.4 or not isinstance(words[key], dict | list) or not words[key]:
            words[key] = chance.choice(_JUNK)
            return
        words = words[key]


def _move_blocks(chance: Random, found: list[Piece]) -> None:
    match chance.randrange(3):
        case 0:
            found.pop(chance.randrange(len(found)))
        case 1:
            found.insert(chance.randrange(len(found)), chance.choice(found))
        case _:
            chance.shuffle(found)


_HOSTILE: tuple[Callable[[Random, list[Piece]], None], ...] = (
    *(_poke_payload, _poke_payload, _poke_first_bytes, _poke_first_bytes),
    *(_poke_header, _poke_seconds, _poke_words, _move_blocks),
)


def hostile(chance: Random, file: bytes) -> bytes:
    """The file with something done to it that no checksum tells."""
    found = list(pieces(file))
    for _ in range(chance.choice((1, 1, 2))):
        if found:
            with suppress(ValueError):  # words that are none any more
                chance.choice(_HOSTILE)(chance, found)
    return put_together(found)


def broken(chance: Random, file: bytes) -> bytes:
    """The file as a bad disk, a bad cable or a hurried copy leaves it."""
    data = _poke(chance, file)
    if chance.random() < 0.2:
        data = data[: chance.randrange(len(data))]
    if chance.random() < 0.2:
        at, size = chance.randrange(len(data) + 1), chance.randrange(1, 2000)
        data = data[:at] + (data[at : at + size] if chance.random() < 0.5 else b"") + data[at + size :]
    return data


def read_all(data: bytes, told: list[Frame] | None, quick: int | None = None) -> str:
    """What came of it, in a word. Fails where something is raised but BadInput. told: the frames that the file was made
    of, where nothing but those may be in it. quick: a number; read it in one of the ways only, fold it now and then."""
    outcomes = []
    ways = (_from_file, _from_pipe)
    for read in ways if quick is None else (ways[quick // 2 % 2],):
        try:
            frames, missing = read(data)
        except BadInput:
            outcomes.append("refused")
            continue
        if told is not None:
            assert are_some_of(told, frames), "a frame is not what was written"
            whole = sum(not frame.joins for frame in frames) == len(told)
            assert whole or missing, "something is missing, and nobody says so"
        elif not outcomes and (quick is None or quick % 10 == 0):
            _fold(frames)
        outcomes.append("partly read" if missing else "read")
    return outcomes[0]


def _from_file(data: bytes) -> tuple[list[Frame], str | None]:
    with opened(data) as recording:
        frames = list(recording.frames())
        for segment in range(len(recording.segments))[-1:]:
            list(recording.frames(segment))
        recording.refresh()
        assert len(recording.timeline) <= 1 << 20
        return frames, recording.dropped or (None if recording.complete else "it has no end")


def _from_pipe(data: bytes) -> tuple[list[Frame], str | None]:
    pipe = stream(BytesIO(data))
    return list(pipe.frames()), pipe.dropped or (None if pipe.complete else "it has no end")


def _fold(frames: list[Frame]) -> None:
    tracker = Tracker(keep_closed=100, history_bytes=1 << 20, keep_events=100)
    with np.errstate(all="ignore"):  # sums of times that never were
        for frame in frames:
            tracker.fold(frame)
        if frames:
            tracker.view()


def sample() -> tuple[list[Frame], bytes]:
    """Frames, and the small file that they make: several segments, and all sorts of blocks."""
    told = ended(life(frames=8, sockets=5, seed=24))
    return told, written(told, segment_events=4)


def main(count: int, seed: int) -> None:
    told, file = sample()
    chance = Random(seed)
    outcomes: Counter[str] = Counter()
    slowest = 0.0
    begin = time.process_time()
    for number in range(count):
        is_hostile = number % 2 == 0
        data = hostile(chance, file) if is_hostile else broken(chance, file)
        before = time.process_time()
        outcomes[
            f"{'hostile' if is_hostile else 'broken'}: {read_all(data, None if is_hostile else told, number)}"
        ] += 1
        slowest = max(slowest, time.process_time() - before)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    taken = time.process_time() - begin
    print(f"{count} inputs from {len(file)} bytes in {taken:.0f} s, the slowest {slowest:.3f} s, {peak} MB at most")
    for outcome, times in sorted(outcomes.items()):
        print(f"  {outcome}: {times}")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1)
