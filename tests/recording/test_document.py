"""Is the document enough to read the file? by_hand.py was made from it alone."""

from dataclasses import replace

import numpy as np

from tcpwatch.counters import COUNTS

from . import by_hand
from .session import SECOND_NS, connections, ended, life, same, written
from .story import frame


def test_the_document_is_enough_to_read_the_file() -> None:
    """Each field of each frame."""
    told = ended(life(frames=17, sockets=11, seed=5))
    found = by_hand.read(written(told, segment_events=20))
    for one, other in zip(told, found, strict=True):
        line = other["line"]
        assert (one.begin_ns, one.end_ns, one.ring_fill) == (line["begin_ns"], line["end_ns"], line["ring_fill"])
        assert (one.final, one.shows_time_wait) == (bool(line["marks"] & 4), bool(line["marks"] & 8))
        assert same(one.events.tobytes(), other["events"].tobytes())
        assert same(one.tally.tobytes(), other["tally"].tobytes())
        assert (one.owners is None) == (other["owners"] is None)
        assert one.owners is None or one.owners.tobytes() == other["owners"].tobytes()
        assert (one.snapshot is None) == (other["sockets"] is None)
        if one.snapshot is not None:
            assert one.snapshot.sockets.tobytes() == other["sockets"].tobytes()
            assert one.snapshot.counts.tobytes() == other["counts"].astype(COUNTS).tobytes()
            assert sorted(one.snapshot.namespaces) == other["namespaces"]["netns"].tolist()
        named = [note for note in other["notes"] if note["what"] == "process"]
        assert [process.command for process in one.processes] == [note["command"] for note in named]
        hosts = [note for note in other["notes"] if note["what"] == "host"]
        assert not hosts or hosts[0]["realtime_offset_ns"] == one.host.realtime_offset_ns


def test_and_a_large_one() -> None:
    """Several groups of lines, and times that rise in all of them."""
    events = connections(3001)
    events["time_ns"][23] -= np.uint64(SECOND_NS)  # an event that a CPU told late
    found = by_hand.read(written([replace(frame(0), events=events), frame(1)]))
    assert events.tobytes() == found[0]["events"].tobytes()
