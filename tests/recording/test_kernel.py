"""Does a recording of the real kernel give back what the kernel told? Connections are made while it is written."""

import os
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tcpwatch import wire
from tcpwatch.frame import Frame
from tcpwatch.kernel.programs import Knobs
from tcpwatch.kernel.source import KernelSource, Pace
from tcpwatch.recording.encoder import Encoder
from tcpwatch.recording.reader import Recording
from tcpwatch.recording.writer import Writer
from tcpwatch.scenarios.actor import Actor
from tcpwatch.scenarios.namespace import DEADLINE_S, Namespace
from tcpwatch.scenarios.talk import CONNECTIONS, Talk
from tests import again

from .session import are_same, same

ROUNDS = 5
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to make namespaces and to load BPF programs")


@pytest.fixture
def room() -> Iterator[Namespace]:
    with Namespace() as inside:
        yield inside


def test_what_the_kernel_told_comes_back(room: Namespace, tmp_path: Path) -> None:
    """Frame by frame, field by field: events, snapshots, owners, names, tallies, probes. From the middle too."""
    path = tmp_path / "kernel"

    def play() -> list[Frame]:
        path.unlink(missing_ok=True)
        return _recorded(room, path)

    told = again.undisturbed(play, again.PLAYS)
    events = np.concatenate([frame.events for frame in told])
    closes = (events["kind"] == wire.STATE) & (events["new_state"] == wire.CLOSE) & (events["old_state"] != wire.LISTEN)
    assert np.count_nonzero(closes) == 2 * CONNECTIONS * ROUNDS
    assert any(frame.owners is not None and len(frame.owners) for frame in told)
    assert any(frame.snapshot is not None and len(frame.snapshot.sockets) for frame in told)
    with Recording(path) as recording:
        assert are_same(told, recording.frames())
        assert recording.complete
        assert recording.dropped is None
        assert len(recording.segments) > 2
        joined, *rest = recording.frames(len(recording.segments) - 1)
    assert are_same(told[-len(rest) :], rest)
    assert same(joined.tally, told[-len(rest) - 1].tally)
    assert joined.joins
    assert {process.comm for process in joined.processes} >= {"tw-client", "tw-server"}
    assert not replace(joined, joins=False).events.size


def _recorded(room: Namespace, path: Path) -> list[Frame]:
    """The frames that were written there."""
    source = KernelSource(8 << 20, Knobs(want_netns=room.inode), Pace(tick=0.02, snapshot=0.05, owners=0.05, share=1.0))
    writer = Writer(path, Encoder(segment_events=CONNECTIONS))
    told: list[Frame] = []
    news = threading.Condition()

    def record() -> None:
        for frame in source.frames():
            writer.write(frame)
            with news:
                told.append(frame)
                news.notify()
        writer.close()

    def look() -> None:
        """Until a snapshot was taken of what is now, and the processes are known."""
        now = time.monotonic_ns()
        with news:
            assert news.wait_for(
                lambda: (
                    any(frame.snapshot is not None and frame.snapshot.begin_ns > now for frame in told)
                    and {one.comm for frame in told for one in frame.processes} >= {"tw-client", "tw-server"}
                ),
                DEADLINE_S,
            )

    recorder = threading.Thread(target=record)
    recorder.start()
    try:
        with Actor(room, b"tw-client") as client, Actor(room, b"tw-server") as server:
            for _ in range(ROUNDS):
                talk = Talk(client, server)
                talk.open()
                talk.exchange()
                look()
                talk.hang_up(client)
    finally:
        source.stop()
        recorder.join()
        source.close()
        again.note_skipped(source.programs.interrupted)
    return told
