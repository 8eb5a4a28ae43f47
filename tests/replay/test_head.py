"""What the screen shows of a moment: the same whichever way one came there, or less, and never anything else."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tcpwatch import wire
from tcpwatch.frame import Frame
from tcpwatch.recording.encoder import Encoder
from tcpwatch.recording.reader import Recording
from tcpwatch.recording.writer import Writer
from tcpwatch.replay.head import Head, joined
from tcpwatch.replay.pace import AS_LIVE, QUICK
from tcpwatch.rows import CLOSED
from tcpwatch.tracker.view import View

from . import town
from .pictures import differences
from .town import BEGIN, SECOND


@pytest.fixture
def recording(tmp_path: Path) -> Iterator[Recording]:
    with Recording(town.record(tmp_path / "town.tcpw")) as opened:
        yield opened


def played(recording: Recording, until: float) -> View:
    """As if it had been watched: a frame at a time, a view a second."""
    head = Head(recording, town.tracker(), AS_LIVE)
    end_ns = BEGIN + int(until * SECOND)
    while (frame := head.peek()) is not None and frame.end_ns <= end_ns:
        head.advance(frame.end_ns)
    return head.view()


def led(recording: Recording, segment: int, lead: float, until: float) -> View:
    """With no more than `lead` seconds of what was before."""
    end_ns = BEGIN + int(until * SECOND)
    none = np.zeros(len(wire.KINDS), wire.TALLY)  # what had been counted when the recording began
    head = Head(recording, town.tracker(), QUICK, segment, end_ns - int(lead * SECOND), none)
    while head.advance(end_ns):
        pass
    return head.view()


def in_order(view: View) -> np.ndarray:
    return view.connections[np.argsort(view.connections["cookie"])]


@pytest.mark.parametrize("until", [0.3, 7.1, 12.6, 13.4, 29.9, 99])
def test_a_moment_is_the_same_sought_or_played(recording: Recording, until: float) -> None:
    """Where the way begins at the beginning: every connection, event, rate and finding."""
    head = Head(recording, town.tracker(), AS_LIVE)
    while head.advance(BEGIN + int(until * SECOND)):
        pass
    assert head.exact
    assert differences(head.view(), played(recording, until)) == []


def test_what_differs_is_seen(recording: Recording) -> None:
    """The comparison above can fail."""
    assert "connections" in differences(played(recording, 12), played(recording, 12.2))
    assert "findings" in differences(played(recording, 12), played(recording, 13))


@pytest.mark.parametrize(("segment", "lead"), [(0, 3.0), (1, 6.0), (2, 3.0), (2, 1.5)])
def test_with_a_lead_everything_shown_is_true_or_unknown(recording: Recording, segment: int, lead: float) -> None:
    """The connections are those that were; a measure is what it was, or NaN; a time is what it was, or 0."""
    known, guess = in_order(played(recording, 18.0)), in_order(led(recording, segment, lead, 18.0))
    alive = [rows[rows["flags"] & CLOSED == 0] for rows in (known, guess)]
    assert alive[0]["cookie"].tolist() == alive[1]["cookie"].tolist() == list(range(1, 24))
    for name in ("rtt_us", "cwnd", "bytes_sent", "retrans", "segs_out", "age_ms", "idle_ms"):
        sought, true = alive[1][name], alive[0][name]
        assert ((sought == true) | np.isnan(sought)).all(), name
    assert ((alive[1]["opened_ns"] == alive[0]["opened_ns"]) | (alive[1]["opened_ns"] == 0)).all()
    assert set(guess["cookie"].tolist()) < set(known["cookie"].tolist())


def with_a_passing_namespace() -> Iterator[Frame]:
    """The town, and a namespace beside it: in second 3 come 23 connections and end, in second 5 it is deleted with the
    sockets that hold their ports."""
    waiting = np.zeros(23, wire.SOCKET)
    waiting["cookie"], waiting["netns"], waiting["family"] = 700 + np.arange(23), 2, wire.INET
    waiting["state"], waiting["sort"] = wire.TIME_WAIT, wire.TIME_WAIT_SORT
    life = ((7, 2), (2, 1), (1, 4), (4, 11), (11, 7))
    ends = np.zeros((23, len(life)), wire.EVENT)
    ends["cookie"], ends["netns"], ends["family"] = waiting["cookie"][:, None], 2, wire.INET
    ends["old_state"], ends["new_state"] = np.array(life).T
    for frame in town.frames(10):
        second = (frame.begin_ns - BEGIN) / SECOND
        events, snapshot = frame.events, frame.snapshot
        if second == 3.0:
            ends["time_ns"] = frame.begin_ns + np.arange(ends.size).reshape(ends.shape)
            events = np.concatenate([events, ends.reshape(-1)])
        if snapshot is not None and 3 <= second < 5:
            sockets = np.concatenate([snapshot.sockets, waiting])
            snapshot = replace(snapshot, sockets=sockets, namespaces=frozenset({1, 2}))
        yield replace(frame, events=events, snapshot=snapshot)


@pytest.mark.parametrize(("until", "waiting"), [(3.5, 23), (4.9, 23), (6.0, 0), (9.9, 0)])
def test_who_waits_does_not_depend_on_the_way(tmp_path: Path, until: float, waiting: int) -> None:
    """With all that was before, or a second of it, or as much as saw the namespace live or die."""
    writer = Writer(tmp_path / "passing.tcpw", Encoder())
    for frame in with_a_passing_namespace():
        writer.write(frame)
    writer.close()
    with Recording(tmp_path / "passing.tcpw") as recording:
        ways = [played(recording, until), *(led(recording, 0, lead, until) for lead in (1.5, 2.5, 5.5, 7.0))]
    assert [int(view.states[wire.TIME_WAIT]) for view in ways] == [waiting] * len(ways)


def test_names_told_only_once_are_known_with_any_lead(recording: Recording) -> None:
    """Whose a socket is, was said in the first second and never again."""
    view = led(recording, 2, 1.5, 18.0)
    nginx = view.connections[view.connections["lport"] == 443]
    assert set(nginx["comm"].tolist()) == {b"nginx"}
    assert view.processes[812].command == "nginx: master"
    assert view.cgroups[77] == "/nginx.service"


def test_losses_before_the_lead_are_counted_and_are_no_news(recording: Recording) -> None:
    """The header says how many were lost since the recording began; no finding says that it was just now."""
    exact, view = played(recording, 18.0), led(recording, 2, 3.0, 18.0)
    assert view.tally.tobytes() == exact.tally.tobytes()
    assert int(view.tally["lost"].sum()) == 23
    assert "events_lost" in {finding.code for finding in exact.findings}
    assert "events_lost" not in {finding.code for finding in view.findings}


def test_losses_before_the_recording_are_not_its_own(tmp_path: Path) -> None:
    """A recording that began in the middle of a session: its first frame says what was lost until then."""
    first, *rest = town.frames(10, first=town.LOST + 1)
    writer = Writer(tmp_path / "middle.tcpw", Encoder())
    for frame in (joined_before(first), first, *rest):
        writer.write(frame)
    writer.close()
    with Recording(tmp_path / "middle.tcpw") as recording:
        view = played(recording, 99)
    assert int(view.tally["lost"].sum()) == 0
    assert int(view.tally["seen"][wire.STATE]) == 3 * 50
    assert not [finding for finding in view.findings if finding.code == "events_lost"]


def joined_before(frame: Frame) -> Frame:
    tally = frame.tally.copy()
    tally["seen"][wire.STATE] -= 3
    return Frame(frame.begin_ns, frame.begin_ns, frame.host, tally=tally, joins=True)


def test_frames_folded_as_one_tell_the_same() -> None:
    """All events, in their order; the last snapshot; every name."""
    three = list(town.frames(1))[2:5]
    one = joined(*three)
    assert one.events.tobytes() == b"".join(frame.events.tobytes() for frame in three)
    assert (one.begin_ns, one.end_ns) == (three[0].begin_ns, three[2].end_ns)
    assert one.snapshot is three[2].snapshot
    assert one.processes == three[2].processes
    assert one.tally.tobytes() == three[2].tally.tobytes()


def test_a_group_ends_with_a_snapshot(recording: Recording) -> None:
    """Events folded after a newer snapshot would undo it: the ends of groups are those of frames with one."""
    head = Head(recording, town.tracker(), QUICK)
    ends = []
    while head.advance(BEGIN + 9 * SECOND):
        ends.append((head.position_ns - BEGIN) / SECOND)
    assert ends == [float(second) for second in range(1, 10)]
