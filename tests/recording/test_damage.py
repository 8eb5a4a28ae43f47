"""What does a damaged file give? Whole frames, exactly as they were written, and a word on what is missing; or an error
that says where. Never a crash, never a row that is not true."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcpwatch.errors import BadInput
from tcpwatch.frame import Frame
from tcpwatch.recording import format as layout
from tcpwatch.recording.index import TRAILER_BYTES
from tcpwatch.recording.reader import Recording

from .fuzz import Piece, broken, hostile, pieces, put_together, read_all, sample
from .session import are_same, are_some_of, opened, piped, played

TOLD, FILE = sample()
# All 100,000 and more: TCPWATCH_FUZZ=100000 pytest tests/recording/test_damage.py; takes a quarter of an hour
INPUTS = int(os.environ.get("TCPWATCH_FUZZ", "50"))
ALL = "TCPWATCH_FUZZ" in os.environ

Read = Callable[[bytes], tuple[list[Frame], str | None]]
WAYS = pytest.mark.parametrize("read", [played, piped])


def _tried(read: Read, data: bytes, *, cut: bool = False) -> list[Frame]:
    """What is read of it. Fails unless that is true, and what is missing is told. cut: it ends where a block does, and
    nothing in it can tell."""
    try:
        frames, dropped = read(data)
    except BadInput as error:
        frames, dropped = [], error.what
    assert are_some_of(TOLD, frames)
    whole = sum(not frame.joins for frame in frames) == len(TOLD)
    assert whole or cut or (dropped is not None and "byte" in dropped)
    return frames


def _blocks() -> list[tuple[int, Piece]]:
    """Each with where it begins."""
    found, at = [], layout.BEGINNING_BYTES
    for piece in pieces(FILE):
        found.append((at, piece))
        at += layout.HEADER_BYTES + len(piece.seconds) + piece.header.stored
    return found


def _frames_of(piece: Piece) -> int:
    return piece.header.frames if piece.header.kind == layout.FRAMES else 0


@WAYS
def test_every_truncation(read: Read) -> None:
    """All frames of whole blocks are there, wherever the file ends: anywhere, where there is time for it."""
    begins = [at for at, _ in _blocks()]
    ends = [*begins[1:], len(FILE)]
    told = [_frames_of(piece) for _, piece in _blocks()]
    near = {end + off for end in ends for off in (-1, 0, 1, 4, 67, 68, 69)}
    for size in range(len(FILE)) if ALL else sorted({*range(0, len(FILE), 41), *near} & set(range(len(FILE)))):
        found = _tried(read, FILE[:size], cut=size in begins)
        due = sum(frames for end, frames in zip(ends, told) if end <= size)
        assert are_same(TOLD[:due], found)


@WAYS
def test_every_bit_flipped(read: Read) -> None:
    """Each bit, where there is time for it."""
    for at in range(0, len(FILE), 1 if ALL else 23):
        for bit in range(8) if ALL else (at % 8,):
            _tried(read, FILE[:at] + bytes((FILE[at] ^ 1 << bit,)) + FILE[at + 1 :])


@WAYS
def test_a_damaged_block_costs_its_segment_and_no_more(read: Read) -> None:
    """What follows is found, and begins with what was told before."""
    blocks = _blocks()
    segments = [(at, piece.header.segment) for at, piece in blocks if piece.header.kind == layout.STATE]
    hit, segment = segments[2]
    after = segments[3][0]
    frames, dropped = read(FILE[: hit + 5] + b"\xff" + FILE[hit + 6 :])
    lost = sum(piece.header.frames for _, piece in blocks if _frames_of(piece) and piece.header.segment == segment)
    assert len(TOLD) - sum(not frame.joins for frame in frames) == lost > 0
    assert [frame.joins for frame in frames].count(True) == 1
    assert dropped is not None
    assert f"byte {hit}" in dropped
    assert f"{after - hit} bytes left out" in dropped
    assert f"goes on at byte {after}" in dropped


@WAYS
def test_a_missing_block_is_missed(read: Read) -> None:
    """Blocks are numbered: that one was taken out is said, though all that are left are whole."""
    found = list(pieces(FILE))
    middle = next(i for i, piece in enumerate(found) if i > 5 and _frames_of(piece))
    frames, dropped = read(put_together(found[:middle] + found[middle + 1 :]))
    assert are_some_of(TOLD, frames)
    assert len([frame for frame in frames if not frame.joins]) == len(TOLD) - found[middle].header.frames
    assert "blocks are missing" in str(dropped)


@WAYS
def test_blocks_of_another_recording_are_none_of_this_one(read: Read) -> None:
    """As when a disk gives old bytes back: whole blocks, but not ours."""
    found = list(pieces(FILE))
    others = [replace(piece, header=replace(piece.header, identity=1)) for piece in found]
    frames, dropped = read(put_together([*found[:5], *others[5:8], *found[8:]]))
    assert are_some_of(TOLD, frames)
    assert dropped is not None


def test_an_index_that_lies_is_not_believed() -> None:
    """One of another file, or one that leaves a segment out, or names another place: what is found is what is there."""
    found = list(pieces(FILE))
    with opened(FILE) as recording:
        segments = recording.segments
    for first, last in ((1, 3), (3, 6), (4, 5)):  # blocks that the index still counts, gone
        frames, dropped = played(put_together(found[:first] + found[last:]))
        assert are_some_of(TOLD, frames)
        assert frames[0].joins or dropped is not None
    stale = FILE + FILE[layout.BEGINNING_BYTES :]
    with opened(stale) as recording:
        assert [one.offset for one in recording.segments[: len(segments)]] == [one.offset for one in segments]
        assert are_same(TOLD, recording.frames())


def test_nothing_after_the_end_goes_unsaid() -> None:
    """Bytes behind the end are not played, and are said."""
    for read in (played, piped):
        frames, dropped = read(FILE + b"more")
        assert are_same(TOLD, frames)
        assert "after its end" in str(dropped)


@WAYS
@pytest.mark.parametrize(
    "data",
    [b"", b"\0", b"\x89tcpwatch", b"a,b\n1,2\n" * 99, b"PAR1" * 99, FILE[:1000], FILE[16:], FILE.replace(b"\r", b"")],
)
def test_what_is_no_recording(read: Read, data: bytes) -> None:
    """A clear error that says where."""
    with pytest.raises(BadInput, match="byte"):
        read(data)


def test_a_directory_is_no_recording(tmp_path: Path) -> None:
    """Nor is a pipe, what holds something else, and what is not there: each is named."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "text").write_text("a,b\n1,2\n")
    for name, why in (("", "a directory"), ("pipe", "no regular file"), ("text", "no recording"), ("none", "No such")):
        path = str(tmp_path / name)
        with pytest.raises(BadInput, match=f"^cannot read {path}: .*{why}"):
            Recording(path)


@settings(max_examples=INPUTS)
@given(chance=st.randoms(use_true_random=False))
def test_any_damage(chance: Random) -> None:
    """Bits, bytes, pieces, lengths: what is read is of what was written."""
    read_all(broken(chance, FILE), TOLD)


@settings(max_examples=INPUTS)
@given(chance=st.randoms(use_true_random=False))
def test_any_malice(chance: Random) -> None:
    """With checksums that match: an error, or frames that a tracker can fold and draw."""
    read_all(hostile(chance, FILE), None)


def test_many_inputs() -> None:
    """The same without hypothesis, which thinks about each."""
    chance = Random(23)
    for _ in range(INPUTS):
        read_all(broken(chance, FILE), TOLD)
        read_all(hostile(chance, FILE), None)


def test_a_file_of_lies_takes_no_room() -> None:
    """A few bytes that claim to be gigabytes: refused before there is room made for them."""
    for raw in (layout.MOST_RAW + 1, (1 << 32) - 1, layout.MOST_RAW):
        found = list(pieces(FILE))
        for piece in found[1:]:
            piece.header = replace(piece.header, raw=raw)
        with pytest.raises(BadInput):
            played(put_together(found))
    lines = next(piece for piece in pieces(FILE) if piece.header.kind == layout.FRAMES).raw
    at = 4 + int.from_bytes(lines[:4], "little")
    for count in (layout.MOST_ROWS, (1 << 32) - 1, 257):
        found = list(pieces(FILE))
        for piece in found:
            if piece.header.kind == layout.FRAMES:
                piece.raw = lines[:at] + count.to_bytes(4, "little") + lines[at + 4 :]
                piece.header = replace(piece.header, raw=len(piece.raw))
        frames, dropped = played(put_together(found))
        assert not [frame for frame in frames if not frame.joins]
        assert dropped is not None


def test_the_trailer_is_no_frame() -> None:
    """A file that lacks but its last bytes has lost no frame, and so nothing is said to be missing."""
    for cut in range(1, TRAILER_BYTES):
        frames, dropped = played(FILE[:-cut])
        assert are_same(TOLD, frames)
        assert dropped is None
