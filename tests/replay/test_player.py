"""A player on its thread: what the keys do to what is shown, at the ends, in files that grow and in damaged ones."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf
from pathlib import Path

import pytest

from tcpwatch.recording.encoder import Encoder
from tcpwatch.recording.reader import Recording
from tcpwatch.recording.writer import Writer
from tcpwatch.replay import cue
from tcpwatch.replay.player import Player
from tcpwatch.tracker.view import Key, View

from . import town
from .pictures import differences
from .town import LOST, REFUSED, SECOND, unix

DEADLINE_S = 120.0


class Watched:
    """A player, and somebody who waits for what it shows."""

    def __init__(self, player: Player) -> None:
        self.player = player
        self._news = threading.Event()
        player.set_listener(self._news.set)

    def until(self, seen: Callable[[], bool]) -> None:
        ends = time.monotonic() + DEADLINE_S
        while not seen():
            assert self.player.error is None, self.player.error
            assert time.monotonic() < ends, self.player.transport()
            self._news.wait(0.02)
            self._news.clear()

    def settled(self) -> View:
        """The picture, once nothing is on its way."""
        self.until(lambda: self.player.latest() is not None and not self.player.transport().busy)
        view = self.player.latest()
        assert view is not None
        return view

    def second(self) -> float:
        return (self.settled().time_ns - unix(0)) / SECOND

    def seek(self, second: float) -> View:
        self.player.seek(unix(second))
        return self.settled()

    def exact(self, second: float) -> View:
        """With all that was before."""
        self.seek(second)
        return self.refined()

    def refined(self) -> View:
        """The picture that knows all that was before; the player knows it a moment before that is drawn."""
        player = self.player
        self.until(lambda: player._head.exact and player.latest() is player._head.looked)
        return self.settled()


@contextmanager
def watched(path: Path, scan: bool = False, plays: bool = False, speed: float = 1.0) -> Iterator[Watched]:
    """Started, paused unless it `plays`, its first picture there."""
    player = town.player(path, scan)
    player.set_speed(speed)
    if not plays:
        player.toggle()
    on = Watched(player)
    player.start()
    try:
        on.settled()
        yield on
    finally:
        player.stop()
    assert player.error is None


@pytest.fixture(autouse=True)
def any_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    town.on_any_machine(monkeypatch)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return town.record(tmp_path / "town.tcpw")


def test_it_begins_with_a_picture_of_all_sockets(path: Path) -> None:
    """The recording's host, its time, and the connections that were there."""
    with watched(path) as on:
        view = on.settled()
        assert (view.host.name, view.host.kernel) == ("web-7", "6.18.5")
        assert on.second() == 1.0
        assert sum(view.connections["lport"] == 443) == town.STANDING
        shown = on.player.transport()
        assert (shown.begin_ns, shown.end_ns, shown.state) == (unix(0), unix(30), "paused")


def test_played_to_the_end_it_shows_what_a_seek_there_shows(path: Path) -> None:
    """Ten times as fast as it was; and there it pauses, and says that it is over."""
    with watched(path, plays=True, speed=10.0) as on:
        on.until(lambda: on.player.transport().state == "ended")
        played = on.settled()
        assert on.second() == 30.0
        on.seek(0)
        assert on.second() == 1.0
        assert differences(played, on.exact(30)) == []


def test_as_fast_as_possible_it_leaves_nothing_out(path: Path) -> None:
    """Every event is counted, every second is there, every connection is as at the end."""
    with watched(path, plays=True, speed=inf) as on:
        on.until(lambda: on.player.transport().state == "ended")
        fast = on.settled()
        slow = on.exact(30)
        assert set(differences(fast, slow)) <= {"findings", "connections", "listening.times_ns", "idle"}
        assert fast.connections["cookie"].tolist() == slow.connections["cookie"].tolist()
        assert {f.code for f in fast.findings} == {f.code for f in slow.findings}


@pytest.mark.parametrize(("second", "frame"), [(29.9, 29.8), (12.7, 12.6), (3.3, 3.2), (17, 17), (1.2, 1.2)])
def test_back_as_well_as_forward(path: Path, second: float, frame: float) -> None:
    """The frame that had ended by then is the newest one shown."""
    with watched(path) as on:
        on.seek(15)
        on.seek(second)
        assert on.second() == pytest.approx(frame)
        assert on.player.transport().now_ns == unix(second)


def test_a_quick_picture_is_completed_afterwards(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With no time for what was before, it says from when on it knows; then it reads the rest, and is exact."""
    with watched(path) as on:
        whole = on.exact(25)
    monkeypatch.setattr(cue, "SEEK_S", 0.02)
    with watched(path) as on:
        known: list[int] = []

        def note() -> None:
            """On the player's thread, at each picture: none passes unseen."""
            known.extend([since] if (since := on.player.transport().known_from_ns) is not None else [])

        on.player.set_listener(note)
        on.player.seek(unix(25))
        on.until(lambda: bool(known))
        assert unix(14) < known[0] < unix(25)
        assert differences(on.refined(), whole) == []


def test_a_long_recording_is_not_read_again_for_the_rest(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where that would take too long it stays with what it knows, and goes on from there."""
    monkeypatch.setattr(cue, "SEEK_S", 0.02)
    monkeypatch.setattr(cue, "REFINE_S", 0.1)
    with watched(path) as on:
        on.seek(25)
        known = on.player.transport().known_from_ns
        assert known is not None
        on.player.set_speed(10.0)
        on.player.toggle()
        on.until(lambda: on.player.transport().state == "ended")
        assert on.player.transport().known_from_ns == known
        assert sum(on.settled().connections["lport"] == 443) == town.STANDING


def test_frames_one_at_a_time(path: Path) -> None:
    """On and back; it pauses for that."""
    with watched(path, plays=True) as on:
        on.player.toggle()
        on.seek(10)
        for step, second in ((1, 10.2), (1, 10.4), (-1, 10.2), (-1, 10.0), (-1, 9.8)):
            on.player.step(step)
            on.until(lambda there=second: round(on.second(), 1) == there)  # type: ignore[misc]
        assert on.player.transport().state == "paused"


def test_seconds_add_up_while_it_is_on_its_way(path: Path) -> None:
    """Ten quick presses are ten seconds."""
    with watched(path) as on:
        on.seek(5)
        for _ in range(10):
            on.player.skip(SECOND)
        assert on.player.transport().now_ns == unix(15)
        on.until(lambda: on.second() == 15.0)


def test_paused_nothing_moves_and_then_it_goes_on(path: Path) -> None:
    """From where it was, at the speed that was chosen meanwhile."""
    with watched(path) as on:
        before = on.seek(2)
        time.sleep(0.3)
        assert on.player.latest() is before
        on.player.set_speed(4.0)
        on.player.toggle()
        on.until(lambda: on.second() > 4)
        on.player.toggle()
        on.until(lambda: on.player.transport().state == "paused")
        assert on.second() < 30


def test_space_at_the_end_begins_again(path: Path) -> None:
    """As every player does."""
    with watched(path) as on:
        on.player.to_end()
        on.until(lambda: on.player.transport().state == "ended")
        on.player.toggle()
        on.until(lambda: on.second() < 5)
        assert on.player.transport().state == "playing"


def test_the_connection_looked_at_stays_in_focus(path: Path) -> None:
    """Over every seek, paused or not."""
    with watched(path) as on:
        on.player.look_at(Key(1, 7))
        on.until(lambda: (view := on.player.latest()) is not None and view.focus is not None)
        for second in (20, 5, 29):
            focus = on.exact(second).focus
            assert focus is not None
            assert focus.key == Key(1, 7)
            assert len(focus.samples) == second
        on.player.look_at(None)
        on.until(lambda: (view := on.player.latest()) is not None and view.focus is None)


def test_marks_lead_through_the_recording(path: Path) -> None:
    """The loss, the refused connects (found by the scan), the burst of retransmits; and back again."""
    with watched(path, scan=True) as on:
        on.until(lambda: on.player.transport().scanned == 1)
        on.seek(LOST + 0.5)
        told = []
        while on.player.next_mark():
            on.settled()
            told.append((round(on.second()), on.player.transport().mark))
        seconds = [second for second, _ in told]
        assert seconds[0] == LOST + 1
        assert REFUSED + 1 <= seconds[-2] <= REFUSED + 3
        assert seconds[-1] == town.AGAIN + 1
        assert "23 events lost" in told[0][1] or "23 of" in told[0][1]
        assert told[-2][1].startswith("23 connections of worker")
        assert told[-1][1] == "40 retransmitted segments"
        assert any("23 connections of worker" in one.sentence for one in on.seek(seconds[-2]).findings)
        assert on.player.previous_mark()
        assert on.second() < REFUSED


def test_the_scan_waits_while_the_face_works(path: Path) -> None:
    """A key first; then it goes on."""
    held_ns: int | None = time.monotonic_ns()
    player = town.player(path, scan=True, now=lambda: time.monotonic_ns() if held_ns is None else held_ns)
    player.toggle()
    player.give_way()
    assert player._quiet_s() == 0.25
    held_ns = None
    on = Watched(player)
    player.start()
    on.until(lambda: on.player.transport().scanned == 1)
    assert player._quiet_s() == 0
    player.stop()


def test_a_growing_file_is_followed(tmp_path: Path) -> None:
    """At its end what is added is shown; when it is finished, that is the end."""
    path = tmp_path / "growing.tcpw"
    writer = Writer(path, Encoder(segment_ns=7 * SECOND))
    story = town.frames(30)
    for _ in range(52):
        writer.write(next(story))
    with watched(path, plays=True) as on:
        on.player.to_end()
        on.until(lambda: on.player.transport().state == "following")
        assert on.second() < 11
        for _ in range(48):
            writer.write(next(story))
        on.until(lambda: on.second() > 19)
        assert on.player.transport().state == "following"
        assert on.player.transport().end_ns > unix(19)
        for frame in story:
            writer.write(frame)
        writer.close()
        on.until(lambda: on.player.transport().state == "ended")
        assert on.second() == 30.0
        followed = on.settled()
        on.seek(0)
        on.exact(30)
        assert set(followed.connections["cookie"].tolist()) <= set(on.settled().connections["cookie"].tolist())


def test_a_damaged_end_is_played_up_to_and_said(path: Path) -> None:
    """Half a block at the end: what is whole is shown, and the rest is named."""
    whole = path.read_bytes()
    with Recording(path) as recording:
        cut = recording.segments[-1].offset
    path.write_bytes(whole[: cut + 400])
    with watched(path, plays=True) as on:
        on.player.to_end()
        on.until(lambda: on.player.transport().state in ("following", "ended"))
        assert on.second() == pytest.approx(28.5, abs=0.6)
        assert "breaks off at byte" in on.player.transport().notes[0]


def test_the_end_of_what_is_left_is_where_it_says_to_be(path: Path) -> None:
    """An index tells of more than can be read: the clock is that of the picture all the same."""
    raw = bytearray(path.read_bytes())
    with Recording(path) as recording:
        raw[recording.segments[-1].offset + 100] ^= 1
    path.write_bytes(raw)
    with watched(path) as on:
        on.player.to_end()
        shown = on.settled()
        assert unix(0) < shown.time_ns < unix(29)
        now = on.player.transport()
        assert (now.now_ns, now.state) == (shown.time_ns, "ended")


def test_the_end_is_the_one_that_the_file_has_by_now(tmp_path: Path) -> None:
    """Not the one it had when somebody looked."""
    writer = Writer(tmp_path / "growing.tcpw", Encoder(segment_ns=7 * SECOND))
    story = town.frames(30)
    for _ in range(52):
        writer.write(next(story))
    with watched(tmp_path / "growing.tcpw") as on:
        for frame in story:
            writer.write(frame)
        on.player.to_end()
        assert on.second() > 28
        assert on.player.transport().end_ns > unix(28)
    writer.close()


def test_the_end_of_a_growing_file_is_no_end(tmp_path: Path) -> None:
    """Nobody is told that it ends there, whatever it is asked to do."""
    writer = Writer(tmp_path / "growing.tcpw", Encoder(segment_ns=7 * SECOND))
    for frame in town.frames(10):
        writer.write(frame)
    with watched(tmp_path / "growing.tcpw", plays=True) as on:
        states = set()
        on.player.set_listener(lambda: states.add(on.player.transport().state))
        on.player.to_end()
        on.until(lambda: on.player.transport().state == "following")
        on.player.toggle()
        on.until(lambda: on.player.transport().state == "paused")
        on.player.toggle()
        on.until(lambda: on.player.transport().state == "following")
    writer.close()
    assert "ended" not in states


def test_damage_in_the_middle_is_passed_over_and_said(path: Path) -> None:
    """The segments after it can be sought and played."""
    raw = bytearray(path.read_bytes())
    with Recording(path) as recording:
        at = recording.segments[2].offset - 200
    raw[at] ^= 1
    path.write_bytes(raw)
    with watched(path) as on:
        on.seek(25)
        assert on.second() == 25.0
        assert "left out" in on.player.transport().notes[0]


def test_stop_ends_its_threads(path: Path) -> None:
    """Also in the middle of playing, and twice."""
    before = set(threading.enumerate())
    with watched(path, scan=True, plays=True, speed=inf) as on:
        assert not set(threading.enumerate()) <= before
        on.player.stop()
        on.player.stop()
    assert set(threading.enumerate()) <= before
