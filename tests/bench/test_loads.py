"""Do the loads do what the measures believe they do?"""

import subprocess
from pathlib import Path

import numpy as np

from bench import load, past
from bench.consumers import RING_BYTES
from bench.crowd import Crowd
from bench.feed import Feed
from bench.room import Room
from bench.tools import find
from bench.workshop import Workshop
from tcpwatch import wire
from tcpwatch.frame import Frame, Host
from tcpwatch.kernel.libbpf import make_ring
from tcpwatch.kernel.rings import Rings
from tcpwatch.recording.source import open_recording
from tcpwatch.tracker.tracker import Tracker

PAIRS = 23
RECORDS = 64 * load.STATE_CHANGES * 3


def test_every_connection_of_the_load_was_accepted(workshop: Workshop) -> None:
    """The kernel's own count of passive opens in the load's namespace is what the load says it made."""
    with Room() as room:
        done = load.run(workshop.load(), room, pairs=2, seconds=0.2)
        opened = passive_opens(room)
    assert opened == done.connections > 0
    assert done.seconds >= 0.2


def passive_opens(room: Room) -> int:
    said = subprocess.run(room.inside("cat", "/proc/net/snmp"), capture_output=True, text=True, check=True).stdout
    names, values = (line.split() for line in said.splitlines() if line.startswith("Tcp:"))
    return int(dict(zip(names, values, strict=True))["PassiveOpens"])


def test_the_crowd_is_as_large_as_it_says(workshop: Workshop) -> None:
    """Both ends of every connection are there while it is held, and nothing of it afterwards."""
    with Room() as room:
        with Crowd(workshop.crowd(), room, PAIRS):
            assert established(room) == 2 * PAIRS
        assert established(room) == 0


def established(room: Room) -> int:
    command = room.inside(find("ss"), "-tHn", "state", "established")
    return len(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines())


def test_a_room_is_gone_after_use(workshop: Workshop) -> None:
    """Nothing is left on the machine."""
    with Room() as room:
        assert room.path.exists()
    assert not room.path.exists()


def test_the_feed_tells_whole_lives(workshop: Workshop) -> None:
    """The tracker makes of its records what it makes of a loopback connection: both ends' whole lives."""
    descriptors = [make_ring(RING_BYTES // 4) for _ in range(4)]
    feed = Feed(workshop.feed(), descriptors, step_ns=1000)
    assert feed.fill(RECORDS) == RECORDS
    now_ns = feed.now_ns
    rings = Rings(descriptors, RING_BYTES // 4)
    events = rings.drain(4 * RECORDS, now_ns)
    rings.close()
    feed.close()
    assert (np.diff(events["time_ns"].astype(np.int64)) == 1000).all()
    frame = Frame(now_ns - 1, now_ns, Host("bench", "", "", 250, 1, 0), events)
    lives = Tracker().fold(frame).lives
    pairs = RECORDS // load.STATE_CHANGES
    assert len(lives) == 2 * pairs
    assert sorted(tuple(life["path_state"][: life["path_len"]].tolist()) for life in lives) == sorted(
        [(wire.SYN_SENT, wire.ESTABLISHED, wire.FIN_WAIT1, wire.FIN_WAIT2, wire.TIME_WAIT)] * pairs
        + [(wire.SYN_RECV, wire.ESTABLISHED, wire.CLOSE_WAIT, wire.LAST_ACK)] * pairs
    )
    assert set(lives["bytes_sent"].tolist()) == {64}


def test_what_is_later_than_now_waits_in_every_ring(workshop: Workshop) -> None:
    """On another CPU something may be under way that precedes it."""
    descriptors = [make_ring(1 << 20) for _ in range(4)]
    feed = Feed(workshop.feed(), descriptors, step_ns=1000)
    feed.fill(1000)
    rings = Rings(descriptors, 1 << 20)
    mark = rings.produced()
    first = rings.drain(4000, feed.now_ns - 500_000)
    assert not rings.is_past(mark)
    rest = rings.drain(4000, feed.now_ns)
    assert rings.is_past(mark)
    rings.close()
    feed.close()
    assert (len(first), len(rest)) == (501, 499)
    assert (np.diff(np.concatenate([first, rest])["time_ns"].astype(np.int64)) == 1000).all()


def test_a_full_ring_leaves_no_gap_in_the_story(workshop: Workshop) -> None:
    """What found no room comes with the next run."""
    size = 1 << 16
    descriptor = make_ring(size)
    feed = Feed(workshop.feed(), [descriptor], step_ns=1)
    rings = Rings([descriptor], size)
    asked = 1000
    first = feed.fill(asked)
    assert first < asked
    taken = [rings.drain(asked, feed.now_ns)]
    feed.fill(asked - first)
    taken.append(rings.drain(asked, feed.now_ns))
    rings.close()
    feed.close()
    times_ns = np.concatenate(taken)["time_ns"].astype(np.int64)
    assert len(taken[0]) == first
    assert (np.diff(times_ns) == 1).all()


def test_the_past_is_a_whole_recording(workshop: Workshop, tmp_path: Path) -> None:
    """Every life in it begins and ends, the standing connections are there to the end, and nothing was lost."""
    path = tmp_path / "past.tcpw"
    events = past.record(workshop.feed(), path, events=23 * RECORDS, per_second=28_500)
    source, tracker = open_recording(path), Tracker()
    lives = sum(len(tracker.fold(frame).lives) for frame in source.frames())
    source.close()
    assert (source.recording.complete, source.recording.dropped) == (True, None)
    assert int(source.delivered.sum()) == events >= 23 * RECORDS
    assert lives == 2 * events // load.STATE_CHANGES
    connections = tracker.view().connections
    assert (connections["state"] == wire.ESTABLISHED).sum() == past.STANDING
