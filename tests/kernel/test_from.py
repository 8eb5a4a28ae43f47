"""Does a command say of a recording, byte for byte, what it would have said live? One real session, seen by both."""

import io
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tcpwatch.kernel.programs import Knobs
from tcpwatch.kernel.source import KernelSource, Pace
from tcpwatch.recording.writer import Writer as Tape
from tcpwatch.records.selection import FaceName
from tcpwatch.scenarios.actor import Actor
from tcpwatch.scenarios.namespace import DEADLINE_S, Namespace
from tcpwatch.scenarios.talk import CONNECTIONS, Talk
from tcpwatch.text.writer import FormatName, Writer
from tcpwatch.tracker.tracker import Tracker
from tests import again

FORMATS: tuple[FormatName, ...] = ("text", "jsonl", "csv")
FACES: tuple[FaceName, ...] = ("events", "life", "snapshot")
SYNC = b"\xf5tw\xee"  # each block begins so (docs/recording.md)
PACE = Pace(tick=0.05, snapshot=0.2, owners=0.1, share=1.0)


class Live:
    """A session under every headless face and a recorder at once. said: by face and format; of `snapshot` the header
    and the last one."""

    def __init__(self, path: Path, netns: int) -> None:
        self.path = path
        self.said: dict[tuple[str, str], bytes] = {}
        self.snapshots = 0
        self._source = KernelSource(8 << 20, Knobs(want_netns=netns, want_time_wait=True), PACE)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def wait_for_snapshot(self) -> None:
        """One that begins from now on."""
        until, give_up = self.snapshots + 2, time.monotonic() + DEADLINE_S
        while self.snapshots < until:
            assert time.monotonic() < give_up
            assert self._thread.is_alive()
            time.sleep(0.02)

    def stop(self) -> None:
        self._source.stop()
        self._thread.join()
        again.note_skipped(self._source.programs.interrupted)
        self._source.close()

    def _run(self) -> None:
        tape, trackers = Tape(self.path), {face: Tracker() for face in FACES}
        outputs = {(face, form): io.BytesIO() for face in FACES for form in FORMATS}
        writers = {(face, form): begun(face, form, out) for (face, form), out in outputs.items()}
        for frame in self._source.frames():
            tape.write(frame)
            for face, tracker in trackers.items():
                step = tracker.fold(frame)
                for form in FORMATS:
                    if face == "snapshot" and frame.snapshot is not None:
                        outputs[face, form] = io.BytesIO()
                        writers[face, form] = begun(face, form, outputs[face, form])
                    writers[face, form].write(step)
            self.snapshots += frame.snapshot is not None
        tape.close()
        self.said = {key: out.getvalue() for key, out in outputs.items()}


def begun(face: FaceName, form: FormatName, out: io.BytesIO) -> Writer:
    writer = Writer(face, form, out)
    writer.header()
    return writer


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Live:
    return again.undisturbed(lambda: play(tmp_path_factory.mktemp("recorded") / "session.tcpw"), again.PLAYS)


def play(path: Path) -> Live:
    with Namespace() as room, Actor(room, b"tw-client") as client, Actor(room, b"tw-server") as server:
        session = Live(path, room.inode)
        try:
            session.wait_for_snapshot()
            talk = Talk(client, server)
            talk.open()
            talk.exchange()
            session.wait_for_snapshot()
            talk.hang_up(talk.client)
            session.wait_for_snapshot()
        finally:
            session.stop()
    return session


def ran(*arguments: str) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run([sys.executable, "-m", "tcpwatch", *arguments], capture_output=True, timeout=60)


def replayed(*arguments: str) -> "subprocess.CompletedProcess[bytes]":
    done = ran(*arguments)
    assert done.returncode == 0, done.stderr
    return done


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("face", FACES)
def test_the_same_bytes(live: Live, face: FaceName, form: FormatName) -> None:
    """Of every headless face, in every format."""
    assert len(live.said[face, form].splitlines()) > CONNECTIONS
    assert live.snapshots > 1
    assert replayed(face, "--format", form, "--from", str(live.path)).stdout == live.said[face, form]


@pytest.mark.parametrize("face", FACES)
def test_through_a_pipe(live: Live, face: FaceName) -> None:
    """`-` reads from standard input; what it says does not depend on the way."""
    with live.path.open("rb") as file:
        done = subprocess.run(
            [sys.executable, "-m", "tcpwatch", face, "--from", "-", "--format", "csv"],
            stdin=file,
            capture_output=True,
            timeout=60,
        )
    assert (done.returncode, done.stdout) == (0, live.said[face, "csv"])


def test_a_filter_picks_the_same(live: Live) -> None:
    """What the kernel would have left out live is left out of a recording as well."""
    lines = replayed("life", "--from", str(live.path), "--format", "jsonl", "role", "client").stdout.splitlines()
    assert len(lines) == CONNECTIONS
    assert set(lines) < set(live.said["life", "jsonl"].splitlines())


def test_a_copy_says_the_same(live: Live, tmp_path: Path) -> None:
    """`record --from` loses and adds nothing."""
    copy = tmp_path / "copy.tcpw"
    replayed("record", "--from", str(live.path), "-o", str(copy))
    for face in FACES:
        assert replayed(face, "--format", "jsonl", "--from", str(copy)).stdout == live.said[face, "jsonl"]


def test_a_damaged_middle_is_exit_code_5(live: Live, tmp_path: Path) -> None:
    """What can be read is said, and what cannot is told, and where."""
    data = bytearray(live.path.read_bytes())
    data[len(data) // 2] ^= 1
    damaged = tmp_path / "damaged.tcpw"
    damaged.write_bytes(data)
    done = ran("events", "--format", "jsonl", "--from", str(damaged))
    assert done.returncode == 5
    assert b"damaged at byte" in done.stderr
    assert set(done.stdout.splitlines()) < set(live.said["events", "jsonl"].splitlines())


def test_an_end_that_is_missing_is_no_fault(live: Live, tmp_path: Path) -> None:
    """It works up to the last whole frame, and says what was dropped."""
    cut = tmp_path / "cut.tcpw"
    data = live.path.read_bytes()
    cut.write_bytes(data[: data.rfind(SYNC, 0, -3000) + 100])  # in the middle of a block
    done = ran("events", "--format", "jsonl", "--from", str(cut))
    assert done.returncode == 0
    assert b"left out" in done.stderr
    assert live.said["events", "jsonl"].startswith(done.stdout)
