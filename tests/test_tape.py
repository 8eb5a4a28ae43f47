"""Recording a session that is being watched: what the file holds, whenever it was begun, and a disk that is full."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tcpwatch.errors import TcpwatchError
from tcpwatch.frame import Frame
from tcpwatch.live import Session
from tcpwatch.recording.reader import Recording
from tcpwatch.tape import Tape
from tcpwatch.tracker.tracker import Tracker
from tests.replay import town

SMALL = """
import json, resource, sys
from tcpwatch.live import Session
from tcpwatch.tape import Tape
from tcpwatch.tracker.tracker import Tracker
from tcpwatch.script import ScriptedSource
from tests.replay import town
resource.setrlimit(resource.RLIMIT_FSIZE, (12_000, 12_000))
tape = Tape("web-7", sys.argv[1])
session = Session(ScriptedSource(list(town.frames(30))), Tracker(), tape)
told = []
session.set_listener(lambda: told.append(tape.progress()))
tape.toggle()
session.start()
session._thread.join()
view = session.latest()
print(json.dumps([tape.fault(), tape.fault(), str(session.error), tape.progress(), None in told,
                  view.time_ns - town.unix(0), tape.ending]))
"""


class Told:
    """A source whose story somebody interrupts: `at` says what is to be done before which frame."""

    def __init__(self, seconds: int, at: dict[int, Callable[[], object]]) -> None:
        self._seconds, self._at = seconds, at

    def frames(self) -> Iterator[Frame]:
        for number, frame in enumerate(town.frames(self._seconds)):
            if number in self._at:
                self._at[number]()
            yield frame

    def stop(self) -> None:
        pass

    def close(self) -> None:
        pass


def run(tape: Tape, seconds: int, at: dict[int, Callable[[], object]]) -> None:
    session = Session(Told(seconds, at), Tracker(), tape)
    session.start()
    session._thread.join(60)
    assert session.error is None


def only_file(directory: Path) -> Path:
    (found,) = directory.iterdir()
    return found


def test_from_the_beginning_to_the_end_it_holds_every_frame(tmp_path: Path) -> None:
    """Whoever quits while it records has a finished file."""
    tape = Tape("web-7", str(tmp_path))
    said = tape.toggle()
    assert tape.progress() is not None
    run(tape, 10, {})
    assert tape.progress() is None
    path = only_file(tmp_path)
    assert tape.ending.startswith("recorded ")
    assert tape.ending.endswith(f": {path}")
    assert path.name.startswith("tcpwatch-web-7-20")
    assert path.suffix == ".tcpw"
    assert path.stat().st_mode & 0o777 == 0o600
    assert said == f"recording to {path}; r stops"
    with Recording(path) as recording:
        assert recording.complete
        assert [frame.end_ns for frame in recording.frames()] == [frame.end_ns for frame in town.frames(10)]


def test_begun_in_the_middle_it_knows_what_was_told_before(tmp_path: Path) -> None:
    """Names and owners are told once; a file that begins later must have them, and losses before it are not its own."""
    tape = Tape("web-7", str(tmp_path))
    run(tape, 10, {26: tape.toggle, 40: tape.toggle})
    with Recording(only_file(tmp_path)) as recording:
        before, *frames = recording.frames()
    assert before.joins
    assert [process.command for process in before.processes] == ["nginx: master"]
    assert before.cgroups == ((77, "/nginx.service"),)
    assert before.owners is not None
    assert len(before.owners) == town.STANDING
    assert int(before.tally["lost"].sum()) == 23
    assert [frame.begin_ns for frame in frames] == [frame.begin_ns for frame in list(town.frames(10))[26:40]]


def test_each_time_a_file_of_its_own(tmp_path: Path) -> None:
    """Within a second, too."""
    tape = Tape("web-7", str(tmp_path))
    run(tape, 10, dict.fromkeys((5, 10, 15, 20), tape.toggle))
    assert len(list(tmp_path.iterdir())) == 2
    for path in tmp_path.iterdir():
        with Recording(path) as recording:
            assert recording.complete


def test_a_full_disk_ends_the_recording_and_nothing_else(tmp_path: Path) -> None:
    """The session goes on to its end; the user is told why, once; what was written can be read."""
    command = [sys.executable, "-c", SMALL, str(tmp_path)]
    out = subprocess.run(command, capture_output=True, check=True, timeout=120, cwd=Path(__file__).parents[1])
    fault, again, error, progress, seen, shown_ns, ended = json.loads(out.stdout)
    path = only_file(tmp_path)
    assert fault == f"recording stopped: {path}: {os.strerror(27)}; up to there it is whole"
    assert (again, error, progress, seen, ended) == ("", "None", None, True, "")
    assert shown_ns > 28 * town.SECOND
    with Recording(path) as recording:
        assert not recording.complete
        assert recording.dropped is None
        assert 0 < sum(1 for _ in recording.frames()) < 150


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """And it does not record."""
    tape = Tape("web-7", str(tmp_path / "nowhere"))
    with pytest.raises(TcpwatchError, match=r"^No such file or directory: .*nowhere/tcpwatch-web-7-"):
        tape.toggle()
    assert tape.progress() is None


FULL = """
import resource, sys
from tcpwatch.errors import TcpwatchError
from tcpwatch.tape import Tape
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
try:
    Tape("web-7", sys.argv[1]).toggle()
except TcpwatchError as error:
    print(error.what)
"""


def test_a_disk_that_was_full_before_is_said(tmp_path: Path) -> None:
    """With the file's name, and nothing is left of it."""
    command = [sys.executable, "-c", FULL, str(tmp_path)]
    out = subprocess.run(command, capture_output=True, check=True, timeout=120, cwd=Path(__file__).parents[1])
    assert out.stdout.decode().startswith(f"{os.strerror(27)}: {tmp_path}/tcpwatch-web-7-")
    assert list(tmp_path.iterdir()) == []


def test_whoever_called_sudo_may_be_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A number that is no user's changes nothing."""
    monkeypatch.setenv("SUDO_UID", "9" * 20)
    Tape("web-7", str(tmp_path)).toggle()
    assert only_file(tmp_path).stat().st_uid == os.geteuid()


@pytest.mark.parametrize("host", ["../../etc/x", "a b\x1b[2J", "", "x" * 300])
def test_a_hosts_name_is_no_path(tmp_path: Path, host: str) -> None:
    """It came from somewhere else."""
    tape = Tape(host, str(tmp_path))
    tape.toggle()
    assert set(only_file(tmp_path).name) < set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
    tape.end()
    assert str(only_file(tmp_path)) in tape.ending
