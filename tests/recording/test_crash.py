"""What is left when the recorder is killed, or the disk is full? Whole frames, from the first one on, and not a second
less than there was time for; and it is said what is missing."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from argparse import Namespace
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tcpwatch.errors import TcpwatchError
from tcpwatch.record.recorder import Recorder
from tcpwatch.recording.reader import Recording
from tcpwatch.script import ScriptedSource

from .nursery import EVENTS
from .story import FRAME_NS, follows, frames

KILLS = int(os.environ.get("TCPWATCH_KILLS", "23"))  # 1000 take two minutes
DEADLINE_S = 60.0
A_SECOND = 1_000_000_000 // FRAME_NS  # in frames
LONGEST_S = 0.12  # most of what a recorder needs for its story


class Nursery:
    """Recorders, one at a time."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.recording.nursery"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )

    def begin(self, **options: Any) -> int:
        """The pid of a recorder."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps(options) + "\n")
        return int(self._line())

    def over(self) -> None:
        """Waits for its end."""
        assert self._line() == "over"

    def close(self) -> None:
        self._process.communicate()

    def _line(self) -> str:
        assert self._process.stdout
        line = self._process.stdout.readline().strip()
        assert line, "the nursery has failed; its reason is above"
        return line


@pytest.fixture
def nursery() -> Iterator[Nursery]:
    one = Nursery()
    yield one
    one.close()


def knows_nameless_files(directory: Path) -> bool:
    """Else there is a moment at which a file has a name and holds nothing yet."""
    try:
        os.close(os.open(directory, os.O_WRONLY | os.O_TMPFILE))
    except OSError:
        return False
    return True


@pytest.mark.parametrize("rotates", [False, True], ids=["one file", "rotation"])
def test_a_killed_recorder_leaves_whole_frames(tmp_path: Path, nursery: Nursery, rotates: bool) -> None:
    """kill -9 at random moments: every file opens, what it holds is what happened, up to the last second."""
    if not knows_nameless_files(tmp_path):
        pytest.skip("this file system has no O_TMPFILE")
    chance = random.Random(KILLS)
    taken_in_all, kept, endings = 0, 0, Counter[str]()
    for number in range(KILLS):
        into = tmp_path / str(number)
        into.mkdir()
        # every other one has surely begun, however slow the machine is
        taken = _killed(nursery, into, number % 2, chance.uniform(0, LONGEST_S), max_size=1 << 20 if rotates else None)
        held, said = _held(into / "files")
        assert held.start == 0
        assert len(held) >= taken - A_SECOND, (taken, held, said)
        taken_in_all, kept = taken_in_all + taken, kept + len(held)
        endings[re.sub(r"\d+|/\S+", "_", said)] += 1
        shutil.rmtree(into)
    print(f"{KILLS} kills: {kept} of {taken_in_all} frames kept; {dict(endings)}")
    assert taken_in_all >= KILLS // 2


def _killed(nursery: Nursery, into: Path, least: int, after_s: float, **options: Any) -> int:
    """How many frames a recorder had taken when it was killed, so long after it had taken the least number."""
    (into / "files").mkdir()
    (into / "taken").write_bytes(bytes(8))
    pid = nursery.begin(output=str(into / "files" / "a.tcpw"), taken=str(into / "taken"), **options)
    until = time.monotonic() + DEADLINE_S
    while _taken(into) < least:
        assert time.monotonic() < until
        time.sleep(0.001)
    time.sleep(after_s)
    os.kill(pid, signal.SIGKILL)
    nursery.over()
    return _taken(into)


def _taken(into: Path) -> int:
    return int.from_bytes((into / "taken").read_bytes(), "little")


def _held(directory: Path) -> tuple[range, str]:
    """Which frames all the files hold together, and what is said of what is not whole."""
    held, said = range(0), ""
    for path in sorted(directory.iterdir()):
        assert not said, "only the last file can end before its end"
        with Recording(path) as recording:
            piece = follows(list(recording.frames()), EVENTS)
            said = recording.dropped or ("" if recording.complete else "it was not ended")
        assert not piece or piece.start == held.stop
        held = range(held.start, piece.stop if piece else held.stop)
    return held, said


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 kB."""
    if os.geteuid():
        pytest.skip("mounting a small file system needs root")
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)], check=True)
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_full_disk_is_an_error_and_the_file_is_good(small_disk: Path) -> None:
    """The error names the file and says that it can be replayed. It can: no byte too many, no frame missing."""
    path = small_disk / "full.tcpw"
    source = ScriptedSource(frames(599, 99))
    with pytest.raises(TcpwatchError, match=r"full\.tcpw: No space left on device") as caught:
        Recorder(Namespace(output=str(path))).run(source)
    assert caught.value.exit_code == 1
    assert "whole" in caught.value.cure
    with Recording(path) as recording:
        held = follows(list(recording.frames()), 99)
        assert recording.dropped is None
    assert held.start == 0
    assert len(held) > 2 * A_SECOND


def test_a_full_disk_in_a_rotation(small_disk: Path) -> None:
    """All files are good, the finished and the last one, and together they hold everything up to then."""
    with pytest.raises(TcpwatchError, match=r"full-\d.*: No space left on device"):
        Recorder(Namespace(output=str(small_disk / "full.tcpw"), max_age=2.0)).run(ScriptedSource(frames(599, 99)))
    numbers: list[int] = []
    names = sorted(small_disk.iterdir())
    for path in names:
        with Recording(path) as recording:
            numbers += follows(list(recording.frames()), 99)
            assert recording.dropped is None
    assert len(names) > 2
    assert numbers == list(range(len(numbers)))


def test_a_disk_that_is_full_from_the_start(small_disk: Path) -> None:
    """The error names the file, of which nothing is left."""
    with suppress(OSError), (small_disk / "other").open("wb", buffering=0) as other:
        while True:
            other.write(bytes(4096))
    with pytest.raises(TcpwatchError, match=r"none\.tcpw: No space left on device"):
        Recorder(Namespace(output=str(small_disk / "none.tcpw"))).run(ScriptedSource(frames(3)))
    assert [path.name for path in small_disk.iterdir()] == ["other"]


def test_a_dump_to_a_full_disk_can_be_repeated(small_disk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The first one fails and says so, recording goes on, and when there is room the next one holds everything."""

    def story() -> Iterator[Any]:
        yield from frames(200, EVENTS)
        os.kill(os.getpid(), signal.SIGUSR1)
        said, number = "", 200
        until = time.monotonic() + 60
        while "No space left" not in said:
            yield from frames(1, EVENTS, first=number)
            said, number = said + capsys.readouterr().err, number + 1
            assert time.monotonic() < until, said
            time.sleep(0.01)
        subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
        os.kill(os.getpid(), signal.SIGUSR1)
        yield from frames(1, EVENTS, first=number)

    with pytest.raises(TcpwatchError, match="No space left"):
        Recorder(Namespace(output=str(small_disk / "d.tcpw"), keep=600.0)).run(ScriptedSource(story()))
    one, other = sorted(small_disk.iterdir(), key=lambda path: path.stat().st_size)
    for path in (one, other):
        with Recording(path) as recording:
            held = follows(list(recording.frames()), EVENTS)
            assert held.start == 0
            assert recording.dropped is None
    assert len(held) > 200


def test_a_disk_that_takes_nothing(small_disk: Path) -> None:
    """Mounted read-only: said before anything is recorded."""
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(TcpwatchError, match=r"x\.tcpw: the directory .* may not be written to"):
        Recorder(Namespace(output=str(small_disk / "x.tcpw")))
