"""Is what was kept the last minutes, all of them and in bounded memory; and is it written out when, and only when, it
should be?"""

import os
import signal
import threading
import time
from argparse import Namespace
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from tcpwatch import wire
from tcpwatch.errors import TcpwatchError, UsageError
from tcpwatch.frame import Frame
from tcpwatch.health import Finding, Lead
from tcpwatch.record.alarm import GAP_NS, Alarm
from tcpwatch.record.recorder import Recorder
from tcpwatch.record.sizes import told as told_size
from tcpwatch.recording.flight import Flight
from tcpwatch.recording.reader import Recording
from tcpwatch.verdicts import HIGH, LOW, MEDIUM

from .story import FRAME_NS, follows, frame, frames

SECOND_NS = 1_000_000_000
DEADLINE_S = 120.0


def dumped(flight: Flight, path: Path, events: int = 23) -> range:
    flight.take().write(str(path))
    with Recording(path) as recording:
        assert recording.complete
        return follows(list(recording.frames()), events)


@pytest.mark.parametrize("keep_s", [2, 10, 60])
def test_it_holds_the_last_minutes(tmp_path: Path, keep_s: int) -> None:
    """Up to the newest frame, at least as much as asked, and an eighth more and a second at most."""
    flight = Flight(keep_s * SECOND_NS, 1 << 30)
    for one in frames(1511, 3):
        flight.write(one)
    held = dumped(flight, tmp_path / "dump", 3)
    assert held.stop == 1511
    held_s = len(held) * FRAME_NS / SECOND_NS
    assert keep_s <= held_s <= keep_s * 9 / 8 + 2
    assert not flight.cut_short
    assert flight.held_ns == len(held) * FRAME_NS


def test_it_holds_all_of_a_short_session(tmp_path: Path) -> None:
    """From the first frame on, where there is less than asked for."""
    flight = Flight(600 * SECOND_NS, 1 << 30)
    for one in frames(23):
        flight.write(one)
    assert dumped(flight, tmp_path / "dump") == range(23)


def test_its_memory_is_bounded(tmp_path: Path) -> None:
    """However much happens: it holds less time than asked for then, and knows."""
    most = 1 << 20
    flight = Flight(600 * SECOND_NS, most)
    for one in frames(263, 499):
        flight.write(one)
        assert flight.bytes <= most
    assert flight.cut_short
    assert flight.held_ns < 600 * SECOND_NS
    held = dumped(flight, tmp_path / "dump", 499)
    assert held.stop == 263
    assert (tmp_path / "dump").stat().st_size > most // 2


def test_it_goes_on_after_a_dump(tmp_path: Path) -> None:
    """A second one holds what the first one held, and what came after it."""
    flight = Flight(60 * SECOND_NS, 1 << 30)
    for one in frames(15):
        flight.write(one)
    first = flight.take()
    for one in frames(8, first=15):
        flight.write(one)
    first.write(str(tmp_path / "first"))
    with Recording(tmp_path / "first") as recording:
        assert follows(list(recording.frames())) == range(15)
    assert dumped(flight, tmp_path / "second") == range(23)


class Told:
    """A source of what is told, during which things may be done."""

    def __init__(self, told: Iterator[Frame]) -> None:
        self._told, self.closed = told, False

    def frames(self) -> Iterator[Frame]:
        yield from self._told

    def stop(self) -> None:
        raise AssertionError

    def close(self) -> None:
        self.closed = True


def ask() -> None:
    os.kill(os.getpid(), signal.SIGUSR1)


def options(output: Path, **more: object) -> Namespace:
    return Namespace(output=str(output), keep=60.0, **more)


def two_questions(directory: Path) -> Iterator[Frame]:
    """The signal before frames 11 and 31, the second one when the first has been answered."""
    yield from frames(11)
    ask()
    yield from frames(19, first=11)
    until_there(directory, 1)
    yield from frames(1, first=30)
    ask()
    yield from frames(36, first=31)


def until_there(directory: Path, count: int) -> None:
    """Waits until so many dumps are complete, and who wrote them has said so."""
    until = time.monotonic() + DEADLINE_S
    while len(whole(directory)) < count or any(thread.name == "dump" for thread in threading.enumerate()):
        assert time.monotonic() < until, list(directory.iterdir())
        time.sleep(0.01)


def whole(directory: Path) -> dict[str, range]:
    found = {}
    for path in sorted(directory.iterdir()):
        try:
            with Recording(path) as recording:
                if recording.complete:
                    found[path.name] = follows(list(recording.frames()))
        except TcpwatchError:
            continue  # not yet
    return found


def test_a_signal_writes_it_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each time a new file, with the moment in its name, while recording goes on. Without one nothing is written."""
    source = Told(two_questions(tmp_path))
    Recorder(options(tmp_path / "caught.tcpw")).run(source)
    found = whole(tmp_path)
    assert [piece.stop for piece in found.values()] == [12, 32]
    assert all(name.startswith("caught-") and name.endswith(".tcpw") for name in found)
    assert source.closed
    said = capsys.readouterr().err
    assert f"kill -USR1 {os.getpid()}" in said
    assert all(f"{tmp_path / name} is complete" in said for name in found)
    assert signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL


def test_the_size_that_is_said_is_the_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With its beginning and its index."""
    Recorder(options(tmp_path / "caught.tcpw")).run(Told(two_questions(tmp_path)))
    said = capsys.readouterr().err
    for path in tmp_path.iterdir():
        assert f"{path} is complete, {told_size(path.stat().st_size)}\n" in said


def test_nothing_is_written_where_nobody_asks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And that is said at the end."""
    Recorder(options(tmp_path / "caught.tcpw")).run(Told(frames(23)))
    assert list(tmp_path.iterdir()) == []
    assert "nothing was written out" in capsys.readouterr().err


def test_a_question_at_the_last_moment_is_answered(tmp_path: Path) -> None:
    """The file is there when the command has ended."""

    def story() -> Iterator[Frame]:
        yield from frames(22)
        ask()
        yield frame(22)

    Recorder(options(tmp_path / "caught.tcpw")).run(Told(story()))
    assert list(whole(tmp_path).values()) == [range(23)]


def test_a_question_after_the_last_frame_is_answered(tmp_path: Path) -> None:
    """Also where an earlier one is being answered still."""

    def story() -> Iterator[Frame]:
        yield from frames(22)
        ask()
        yield from frames(1, first=22)
        ask()

    Recorder(options(tmp_path / "caught.tcpw")).run(Told(story()))
    assert list(whole(tmp_path).values()) == [range(23)] * 2


def test_a_dump_that_fails_ends_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The error names the file; what is kept can be written out afterwards; the command fails in the end."""
    into = tmp_path / "into"
    into.mkdir()
    said = ""

    def story() -> Iterator[Frame]:
        nonlocal said
        yield from frames(11)
        into.rename(tmp_path / "away")
        ask()
        until = time.monotonic() + DEADLINE_S
        for number in count(11):
            yield frame(number)
            said += capsys.readouterr().err
            if "cannot write" in said:
                break
            assert time.monotonic() < until
            time.sleep(0.01)
        (tmp_path / "away").rename(into)
        ask()
        yield frame(number + 1)

    with pytest.raises(TcpwatchError, match=r"caught-.*no directory"):
        Recorder(options(into / "caught.tcpw")).run(Told(story()))
    assert len(whole(into)) == 1
    summary = capsys.readouterr().err
    assert "delivered, 0 lost\n" in summary
    assert "written out: " in summary


@pytest.mark.parametrize("limit", [1, 2])
def test_no_more_dumps_than_asked(tmp_path: Path, limit: int) -> None:
    """The oldest go."""
    Recorder(options(tmp_path / "caught.tcpw", max_files=limit)).run(Told(two_questions(tmp_path)))
    assert [piece.stop for piece in whole(tmp_path).values()] == [12, 32][-limit:]


def refused(first: int) -> Iterator[Frame]:
    """After that frame, connections to a port where nobody listens, over and over."""
    for number in range(120):
        told = frame(number)
        events = told.events.copy()
        events["kind"], events["netns"], events["rport"], events["lport"] = wire.STATE, 1, 6379, 40_000
        events["raddr"], events["laddr"] = 7, 8
        events["flags"] = wire.EVENT_SOCKET
        events["cookie"] = 1000 + number * 23 + np.arange(23) // 2
        events["old_state"], events["new_state"] = wire.CLOSE, wire.SYN_SENT
        if number >= first:
            events["old_state"][1::2], events["new_state"][1::2] = wire.SYN_SENT, wire.CLOSE
            events["error"][1::2] = 111
        yield Frame(
            told.begin_ns, told.end_ns, told.host, events, told.snapshot, tally=told.tally, shows_time_wait=True
        )


def test_a_finding_writes_it_out_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Trouble that goes on is one dump, named after it, from its beginning."""
    Recorder(options(tmp_path / "caught.tcpw", on_finding="low")).run(Told(refused(53)))
    names = [path.name for path in tmp_path.iterdir()]
    assert len(names) == 1, (names, capsys.readouterr().err)
    assert "rejected_by_firewall" in names[0]  # refused without a reset
    with Recording(tmp_path / names[0]) as recording:
        told = list(recording.frames())
    assert told[0].begin_ns == frame(0).begin_ns
    assert frame(53).end_ns < told[-1].end_ns < frame(110).end_ns


def finding(code: str, severity: int = HIGH, subject: object = 1) -> Finding:
    return Finding(code, str(subject), severity, code, "", "", "", (), 1, Lead("connections"))


def test_an_alarm_is_given_once_for_what_stays() -> None:
    """Not again while it is there, nor when it comes back soon; again when it comes back after a while."""
    alarm = Alarm(MEDIUM, again_ns=600 * SECOND_NS)
    trouble = [finding("refused")]
    assert alarm.look([], 0) == []
    given = [alarm.look(trouble if s % 100 < 50 else [], s * SECOND_NS) for s in range(10, 1250)]
    assert [s for s, found in enumerate(given, 10) if found] == [10, 700]


def test_an_alarm_is_no_storm() -> None:
    """What appears within a minute of the last one waits, and shares the next; nothing is forgotten."""
    alarm = Alarm(LOW, again_ns=600 * SECOND_NS)
    alarm.look([], 0)
    given = {}
    for second in range(10, 200):
        there = [finding(f"code_{n}", LOW + n % 2) for n in range(min(second - 9, 29))]
        if found := alarm.look(there, second * SECOND_NS):
            given[second] = found
    assert list(given) == [10, 10 + GAP_NS // SECOND_NS]
    assert sum(map(len, given.values())) == 29
    later = [one.severity for one in given[70]]
    assert later == sorted(later, reverse=True)


def test_an_alarm_is_for_what_is_new_and_bad_enough() -> None:
    """What was there before we looked gives none, nor what is less severe; what becomes worse does."""
    alarm = Alarm(HIGH, again_ns=600 * SECOND_NS)
    assert alarm.look([finding("old")], 0) == []
    assert alarm.look([finding("old"), finding("mild", MEDIUM)], 100 * SECOND_NS) == []
    given = alarm.look([finding("old"), finding("mild", HIGH)], 200 * SECOND_NS)
    assert [one.code for one in given] == ["mild"]


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"keep": 0.5}, "--keep has to be"),
        ({"output": "-"}, "standard output"),
        ({"output": "x" * 200}, "its name is too long"),
        ({"keep": None, "on_finding": "high"}, "--on-finding"),
        ({"on_finding": "critical"}, "'critical' is no severity"),
        ({"max_size": 5}, "--max-size has to be"),
        ({"max_age": 60.0}, "--max-age"),
        ({"force": True}, "--force"),
        ({"keep": None, "max_files": 3}, "--max-files"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, more: dict[str, object], why: str) -> None:
    """Before anything is attached."""
    with pytest.raises(UsageError, match=why):
        Recorder(Namespace(**{"output": str(tmp_path / "x"), "keep": 60.0} | more))
