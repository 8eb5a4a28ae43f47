"""Is what is replayed what was live? Field by field, frame by frame, in a file, through a pipe, and for whoever starts
in the middle."""

from dataclasses import replace
from itertools import chain

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcpwatch import wire
from tcpwatch.errors import TcpwatchError
from tcpwatch.frame import Frame, Snapshot
from tcpwatch.recording import encoder
from tcpwatch.recording.encoder import Encoder
from tcpwatch.recording.format import MOST_ROWS
from tcpwatch.recording.source import RecordedSource
from tcpwatch.tracker.tracker import Tracker

from .session import SECOND_NS, are_same, connections, ended, life, opened, piped, played, same, written
from .story import HOST, frame


@settings(max_examples=23)
@given(seed=st.integers(0, 1 << 30), frames=st.integers(1, 60), sockets=st.integers(0, 60), events=st.integers(1, 300))
def test_replayed_frames_are_the_live_ones(seed: int, frames: int, sockets: int, events: int) -> None:
    """Whatever happened in them, and wherever segments and chunks end; through a pipe as well."""
    told = life(frames, sockets, seed)
    data = written(told, segment_events=events)
    for found, dropped in (played(data), piped(data)):
        assert are_same(told, found)
        assert dropped is None


def test_large_frames_come_back() -> None:
    """More lines than one group of a table holds, and values that fill their bytes."""
    chance = np.random.default_rng(7)
    events = np.frombuffer(chance.bytes(40_009 * wire.EVENT.itemsize), wire.EVENT).copy()
    for name, most in (("kind", 12), ("old_state", 13), ("new_state", 13), ("cause", 7)):
        events[name] %= most
    for name in ("time_ns", "since_ns"):
        events[name] >>= np.uint64(4)
    told = [
        replace(frame(0), events=events),
        replace(frame(1), events=events[:0]),
        replace(frame(2), events=events[:5]),
    ]
    assert are_same(told, played(written(told))[0])


def test_snapshots_are_told_by_what_changed() -> None:
    """Sockets that stay, change, come and go, and are met twice: each snapshot is whole, and a quiet one is small."""
    chance = np.random.default_rng(3)
    sockets = np.frombuffer(chance.bytes(20_011 * wire.SOCKET.itemsize), wire.SOCKET).copy()
    sockets["state"], sockets["sort"], sockets["since_ns"] = 1, 0, 0
    told, sizes = [], []
    data = Encoder()
    for number in range(5):
        shot = Snapshot(number, number, sockets, frozenset({1}))
        told.append(Frame(number * SECOND_NS, (number + 1) * SECOND_NS, HOST, snapshot=shot))
        sizes.append(sum(len(block.data) for block in data.add(told[-1])))
        sockets = np.concatenate([sockets[11:], sockets[5000:5007], np.zeros(3, wire.SOCKET)])
        sockets["idle_ticks"] += np.uint32(997)
        sockets["bytes_sent"][::499] += np.uint64(1 << 33)
    assert are_same(told, played(written(told))[0])
    assert max(sizes[1:]) < sizes[0] / 50, sizes


def test_a_segment_can_be_read_without_those_before() -> None:
    """Who starts there gets first what was told before, once; then the frames as they were. And is told of no losses
    that were before his time."""
    told = life(40, 20)
    with opened(written(told, segment_events=23)) as recording:
        assert len(recording.segments) > 3
        for number, segment in enumerate(recording.segments):
            found = list(recording.frames(number))
            joined = found.pop(0) if number else None
            rest = told[-len(found) :]
            assert are_same(rest, found)
            assert rest[0].begin_ns == segment.begin_ns
            if joined is not None:
                before = told[: -len(found)]
                assert joined.joins
                assert same(joined.tally, before[-1].tally)
                assert joined.host == before[-1].host
                assert set(joined.processes) == set(chain.from_iterable(one.processes for one in before))
                assert dict(joined.namespaces) == dict(chain.from_iterable(one.namespaces for one in before))
                owners = [one.owners for one in before if one.owners is not None]
                assert same(joined.owners, owners[-1] if owners else None)
                assert not Tracker().fold(joined).lost.any()


def test_a_copy_of_the_rest_is_a_recording() -> None:
    """Copying from a segment on gives a file that knows what was told before, though that is not in it."""
    with opened(written(life(40, 20), segment_events=23)) as recording:
        rest = list(recording.frames(len(recording.segments) - 1))
    assert rest[0].joins
    assert are_same(rest, played(written(rest))[0])


def test_a_segment_adds_up() -> None:
    """The list of segments and the time line say what is in the frames."""
    told = ended(life(60, 30))
    lost = int(told[-1].tally["lost"].sum())
    with opened(written(told, segment_events=50)) as recording:
        assert sum(segment.frames for segment in recording.segments) == len(told)
        assert sum(segment.events for segment in recording.segments) == sum(len(one.events) for one in told)
        assert (recording.begin_ns, recording.end_ns) == (told[0].begin_ns, told[-1].end_ns)
        line = recording.timeline
    assert line["events"].sum() == sum(len(one.events) for one in told)
    assert line["lost"].sum() == lost > 0
    events = np.concatenate([one.events for one in told])
    resets = np.isin(events["kind"], (wire.RESET_SENT, wire.RESET_RECEIVED))
    assert line["resets"].sum() == np.count_nonzero(resets)
    state = events["kind"] == wire.STATE
    assert line["opened"].sum() == np.count_nonzero(
        state & (events["new_state"] == 1) & np.isin(events["old_state"], (2, 3))
    )
    assert (np.diff(line["time_ns"].astype(np.int64)) > 0).all()
    assert not (line["time_ns"] % SECOND_NS).any()


def test_a_scanned_file_says_the_same_as_its_index() -> None:
    """Without the index, as a crash leaves it, the same segments and the same time line are found."""
    told = life(60, 30)
    with opened(written(told, segment_events=50)) as whole, opened(written(told[:-1], segment_events=50)) as shorter:
        assert whole.complete
        assert shorter.complete
    cut = written(told, segment_events=50)
    with opened(cut) as indexed, opened(cut[:-1]) as scanned:
        assert (indexed.complete, scanned.complete) == (True, False)
        assert indexed.segments == scanned.segments
        assert same(indexed.timeline, scanned.timeline)
        assert (indexed.begin_ns, indexed.end_ns, indexed.host) == (scanned.begin_ns, scanned.end_ns, scanned.host)


def test_a_source_counts_what_it_delivers() -> None:
    """As the kernel's does, and it stops when it is told to."""
    told = life(30, 20)
    with opened(written(told)) as recording:
        source = RecordedSource(recording)
        assert are_same(told, source.frames())
        kinds = np.concatenate([one.events["kind"] for one in told])
        assert source.delivered.tolist() == np.bincount(kinds, minlength=len(wire.KINDS)).tolist()
        source = RecordedSource(recording)
        frames = source.frames()
        next(frames)
        source.stop()
        assert list(frames) == []


def test_an_event_takes_no_more_than_twenty_bytes() -> None:
    """On connections as the bench's load makes them, with what is random there."""
    per_frame, frames = 2000, 10
    told = [replace(frame(i), events=connections(per_frame, i * per_frame), snapshot=None) for i in range(frames)]
    data = written(told)
    assert len(data) / (9 * per_frame * frames) < 20
    assert are_same(told, played(data)[0])


def test_a_second_is_the_most_that_waits() -> None:
    """Of the story's time, between what was taken and what is in blocks."""
    taken = encoder.Encoder()
    waiting = 0
    for number in range(50):
        waiting += 1
        for block in taken.add(frame(number)):
            waiting -= block.header.frames if not block.begins_segment else 0
        assert waiting <= 10


def test_what_no_reader_takes_is_not_written() -> None:
    """More sockets than a reader makes room for: an error, and not a file that nobody can open."""
    crowd = np.lib.stride_tricks.as_strided(np.zeros(1, wire.SOCKET), (MOST_ROWS + 1,), (0,))
    shot = Snapshot(0, 0, crowd, frozenset())
    with pytest.raises(TcpwatchError, match="more than a recording can hold"):
        Encoder().add(replace(frame(0), snapshot=shot))
