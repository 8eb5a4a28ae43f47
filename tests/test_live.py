"""A session: frames on one thread, views on another, and what happens when the source dies."""

import threading
from collections.abc import Iterable, Iterator

import numpy as np
import pytest

from tcpwatch import wire
from tcpwatch.errors import TcpwatchError
from tcpwatch.frame import Frame, Host
from tcpwatch.live import Session
from tcpwatch.script import ScriptedSource
from tcpwatch.tracker.step import Step
from tcpwatch.tracker.tracker import Tracker
from tcpwatch.tracker.view import Key

HOST = Host("h", "6.18", "boot", 250, 1, 1_000_000_000_000)
SECOND = 1_000_000_000
PATIENCE_S = 60


def frame(second: float, *states: tuple[int, int, int], final: bool = False) -> Frame:
    """states: (cookie, old, new)."""
    events = np.zeros(len(states), wire.EVENT)
    for event, (cookie, old, new) in zip(events, states):
        event["cookie"], event["old_state"], event["new_state"] = cookie, old, new
        event["netns"], event["time_ns"] = 1, int(second * SECOND)
    return Frame(int(second * SECOND), int(second * SECOND) + 1, HOST, events, final=final)


class Watched:
    """A session over a source, and the views it published."""

    def __init__(self, source: ScriptedSource) -> None:
        self.session = Session(source, Tracker(keep_events=100))
        self.connections: list[int] = []
        self.told = threading.Event()
        self.session.set_listener(self._listen)

    def _listen(self) -> None:
        view = self.session.latest()
        if view is not None:
            self.connections.append(len(view.connections))
        self.told.set()

    def run(self) -> None:
        self.session.start()
        self.session._thread.join(PATIENCE_S)
        assert not self.session._thread.is_alive()


def test_a_view_a_second_however_many_frames() -> None:
    """Drawing costs; the eye needs no more."""
    frames = [frame(10 + i / 10, (i + 1, wire.CLOSE, wire.SYN_SENT)) for i in range(31)]
    watched = Watched(ScriptedSource(frames))
    watched.run()
    assert watched.connections == [1, 11, 21, 31]


def test_every_step_is_followed_before_it_is_drawn() -> None:
    """On the session's thread, so that whoever follows may draw from it without a lock."""
    happened: list[tuple[str, int, int]] = []

    def follow(step: Step) -> None:
        happened.append(("step", step.frame.end_ns // SECOND, threading.get_ident()))

    def drawn() -> None:
        view = session.latest()
        assert view is not None
        happened.append(("view", (view.time_ns - HOST.realtime_offset_ns) // SECOND, threading.get_ident()))

    seconds: list[float] = []
    source = ScriptedSource([frame(10), frame(10.5), frame(11.5)])
    session = Session(source, Tracker(), follow=follow, timed=seconds.append)
    session.set_listener(drawn)
    session.start()
    session._thread.join(PATIENCE_S)
    assert session.error is None
    assert [one[:2] for one in happened] == [("step", 10), ("view", 10), ("step", 10), ("step", 11), ("view", 11)]
    assert {thread for *_, thread in happened} == {session._thread.ident}
    assert len(seconds) == 3
    assert all(took > 0 for took in seconds)


def test_the_last_view_lacks_nothing() -> None:
    """The end of a recording is not a second that nobody sees."""
    frames = [frame(10, (1, wire.CLOSE, wire.SYN_SENT)), frame(10.1, (2, wire.CLOSE, wire.SYN_SENT), final=True)]
    watched = Watched(ScriptedSource(frames))
    watched.run()
    assert watched.connections == [1, 2]


def test_a_follower_that_fails_ends_the_session() -> None:
    """And is heard of."""

    def follow(step: Step) -> None:
        raise ValueError("no room for it")

    session = Session(ScriptedSource([frame(10)]), Tracker(), follow=follow)
    told = threading.Event()
    session.set_listener(told.set)
    session.start()
    assert told.wait(PATIENCE_S)
    session.stop()
    assert isinstance(session.error, ValueError)


def test_the_connection_looked_at_is_described_with_the_next_frame() -> None:
    """Whoever opens the details does not wait for the second to end."""

    def frames() -> Iterator[Frame]:
        yield frame(10, (7, wire.CLOSE, wire.SYN_SENT))
        watched.session.look_at(Key(1, 7))
        yield frame(10.1, (7, wire.SYN_SENT, wire.ESTABLISHED))

    watched = Watched(ScriptedSource(frames()))
    watched.run()
    view = watched.session.latest()
    assert view is not None
    assert view.focus is not None
    assert [state for state, _, _ in view.focus.path] == ["SYN_SENT", "ESTABLISHED"]


@pytest.mark.parametrize("failure", [TcpwatchError("the ring is broken"), OSError(5, "Input/output error")])
def test_a_source_that_dies_is_reported(failure: Exception) -> None:
    """The last picture stays, the error is there, the listener hears of it."""

    def frames() -> Iterable[Frame]:
        yield frame(10, (7, wire.CLOSE, wire.SYN_SENT))
        raise failure

    watched = Watched(ScriptedSource(frames()))
    watched.run()
    assert watched.session.error is failure
    assert watched.session.latest() is not None
    assert watched.told.is_set()


def test_stop_ends_the_thread() -> None:
    """And may be called again."""

    def frames() -> Iterator[Frame]:
        second = 10.0
        while True:
            second += 0.1
            yield frame(second)

    watched = Watched(ScriptedSource(frames()))
    watched.session.start()
    assert watched.told.wait(PATIENCE_S)
    watched.session.stop()
    watched.session.stop()
    assert not watched.session._thread.is_alive()
    assert watched.session.error is None
