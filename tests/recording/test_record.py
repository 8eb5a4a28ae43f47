"""Does `tcpwatch record` put every frame where it should, say how it gets on, and end well? And does a redacted
recording hold nothing of what it hides?"""

import io
import json
import os
import pty
import re
import signal
import subprocess
import sys
import termios
import time
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest
import zstandard

from bench.terminal import Terminal
from tcpwatch import wire
from tcpwatch.errors import TcpwatchError, UsageError
from tcpwatch.frame import Frame
from tcpwatch.record.recorder import Recorder
from tcpwatch.record.sizes import size, told, told_time
from tcpwatch.recording.keys import key_of
from tcpwatch.recording.reader import Recording, Stream
from tcpwatch.recording.source import open_recording
from tcpwatch.script import ScriptedSource

from .story import follows, frame, frames, same
from .test_redact import KEY, SECRETS, secret_frame

ROOT = Path(__file__).parents[2]
DEADLINE_S = 120.0


def record(output: Path | str, told: list[Frame], **options: Any) -> None:
    Recorder(Namespace(output=str(output), **options)).run(ScriptedSource(told))


def played(path: Path) -> list[Frame]:
    with Recording(path) as recording:
        assert recording.complete
        return list(recording.frames())


def test_what_is_recorded_is_what_was_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every frame, and a summary with the counts that every command ends with; nothing on stdout."""
    record(tmp_path / "a.tcpw", list(frames(97, 499)))
    assert follows(played(tmp_path / "a.tcpw"), 499) == range(97)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert f"tcpwatch: {97 * 499} events seen, {97 * 499} delivered, 0 lost\n" in captured.err
    assert re.search(r"MB in .*a\.tcpw, [\d.]+ bytes per event\n", captured.err)


def test_losses_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What the ring refused is in the summary, with what to do."""
    told = [frame(0), frame(1)]
    told[1].tally["lost"][wire.RETRANSMIT] = 7
    record(tmp_path / "a.tcpw", told)
    said = capsys.readouterr().err
    assert f"{2 * 23} events seen, {2 * 23} delivered, 7 lost" in said
    assert "--ring-mb" in said


def test_it_ends_when_it_is_due(tmp_path: Path) -> None:
    """Whoever decides about the end is asked after each frame; the file is complete."""
    due = iter([False] * 10 + [True] * 5)
    Recorder(Namespace(output=str(tmp_path / "a.tcpw"))).run(ScriptedSource(frames(97)), lambda _frame: next(due))
    assert follows(played(tmp_path / "a.tcpw")) == range(11)


def test_a_source_that_fails_leaves_a_complete_file(tmp_path: Path) -> None:
    """Its error is passed on; what it told before is there, with its index."""

    def story() -> Any:
        yield from frames(23)
        raise RuntimeError("the kernel has gone")

    with pytest.raises(RuntimeError, match="gone"):
        Recorder(Namespace(output=str(tmp_path / "a.tcpw"))).run(ScriptedSource(story()))
    assert follows(played(tmp_path / "a.tcpw")) == range(23)


def test_a_source_that_tells_nothing_leaves_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No empty file, which nobody could open."""
    record(tmp_path / "a.tcpw", [])
    assert list(tmp_path.iterdir()) == []
    assert "nothing was recorded" in capsys.readouterr().err


def test_a_copy_is_the_same(tmp_path: Path) -> None:
    """A recording as the source: frame by frame the same; and cut into pieces, they are those of the original."""
    record(tmp_path / "a.tcpw", list(frames(97)))
    Recorder(Namespace(output=str(tmp_path / "b.tcpw"))).run(open_recording(tmp_path / "a.tcpw"))
    assert follows(played(tmp_path / "b.tcpw")) == range(97)
    Recorder(Namespace(output=str(tmp_path / "c.tcpw"), max_age=2.0)).run(open_recording(tmp_path / "b.tcpw"))
    numbers: list[int] = []
    for path in sorted(tmp_path.glob("c-*")):
        numbers += follows(played(path))
    assert numbers == list(range(97))


def test_a_copy_of_a_piece_stands_for_itself(tmp_path: Path) -> None:
    """What a file of a rotation says of the time before it, its copy says, too, and no loss from then is told again."""
    record(tmp_path / "a.tcpw", list(frames(67)), max_age=2.0)
    piece = sorted(tmp_path.iterdir())[-1]
    Recorder(Namespace(output=str(tmp_path / "copy"))).run(open_recording(piece))
    one, other = played(piece), played(tmp_path / "copy")
    assert one[0].joins
    assert len(one) == len(other)
    assert all(map(same, one[1:], other[1:]))
    assert (other[0].joins, other[0].processes) == (True, one[0].processes)
    assert other[0].tally.tobytes() == one[0].tally.tobytes()


def test_a_pipe_takes_it(tmp_path: Path) -> None:
    """`-o -`: each frame goes through at once, and what comes out is a recording."""
    reader, writer = os.pipe()
    with open(reader, "rb") as out:
        code = "import sys; from tests.recording.test_record import stream; stream()"
        with subprocess.Popen([sys.executable, "-c", code], stdout=writer, stderr=subprocess.PIPE, cwd=ROOT) as process:
            os.close(writer)
            data = out.read()
            assert process.stderr
            said = process.stderr.read().decode()
    assert process.returncode == 0, said
    assert follows(list(Stream(io.BytesIO(data)).frames())) == range(23)
    assert "lost" in said


def stream() -> None:
    record("-", list(frames(23)))


def test_a_closed_pipe_ends_it_quietly() -> None:
    """Whoever reads it has seen enough: no error, no summary."""
    reader, writer = os.pipe()
    code = "import sys; from tests.recording.test_record import stream; stream()"
    os.close(reader)
    done = subprocess.run([sys.executable, "-c", code], stdout=writer, stderr=subprocess.PIPE, cwd=ROOT, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_signal_for_flight_recorders_ends_nothing(tmp_path: Path) -> None:
    """Whoever takes it for one keeps the file."""
    told = (ROOT / "docs" / "demo" / "demo.tcpw").read_bytes()
    command = [sys.executable, "-m", "tcpwatch", "record", "--from", "-", "-o", str(tmp_path / "a.tcpw")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdin is not None
        process.stdin.write(told[: len(told) // 2])
        process.stdin.flush()
        until = time.monotonic() + DEADLINE_S
        while not os.path.exists(tmp_path / "a.tcpw"):
            assert time.monotonic() < until
            time.sleep(0.01)
        process.send_signal(signal.SIGUSR1)
        process.communicate(told[len(told) // 2 :])
    assert process.returncode == 0
    assert played(tmp_path / "a.tcpw")


def test_a_terminal_is_no_place_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes that nobody can read, and that could do anything to it."""
    ours, theirs = pty.openpty()
    with open(ours, "rb"), open(theirs, "w") as terminal:
        monkeypatch.setattr("sys.stdout", terminal)
        with pytest.raises(UsageError, match="not for a terminal"):
            Recorder(Namespace(output="-"))


def test_a_full_pipe_names_it(capsys: pytest.CaptureFixture[str]) -> None:
    """A device that takes nothing: an error, which says where."""
    code = (
        "from tests.recording.test_record import *\ntry: stream()\nexcept TcpwatchError as error: sys.exit(error.what)"
    )
    with open("/dev/full", "wb") as full:
        done = subprocess.run([sys.executable, "-c", code], stdout=full, stderr=subprocess.PIPE, cwd=ROOT, check=False)
    assert done.returncode == 1
    assert "cannot write to standard output: No space left on device" in done.stderr.decode()


def test_progress_is_one_line_on_a_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is written over again and again; what is said besides has a line of its own; e writes out what is kept."""
    monkeypatch.setattr("bench.terminal._DEADLINE_S", DEADLINE_S)  # a busy machine takes long to load all of it
    options = {"output": str(tmp_path / "k.tcpw"), "keep": 60.0}
    with Terminal([sys.executable, "-m", "tests.recording.recorder", json.dumps(options)], ROOT) as terminal:
        terminal.until(lambda screen: "the key e" in screen.display[0] and " events, " in screen.display[1])
        first = terminal.screen.display[1]
        terminal.until(lambda screen: screen.display[1] != first and " events, " in screen.display[1])
        assert not terminal.screen.display[2].strip()
        terminal.press(b"e", lambda screen: "is complete" in terminal.text() and "writing out" in terminal.text())
    assert len(list(tmp_path.iterdir())) == 1
    assert played(next(tmp_path.iterdir()))


def flight(into: Path, terminal: int) -> "subprocess.Popen[bytes]":
    """A flight recorder that reads its keys from that terminal."""
    options = {"output": str(into / "k.tcpw"), "keep": 60.0}
    command = [sys.executable, "-m", "tests.recording.recorder", json.dumps(options)]
    return subprocess.Popen(command, stdin=terminal, stderr=subprocess.PIPE, cwd=ROOT)


def test_the_terminal_is_given_back(tmp_path: Path) -> None:
    """As it was before keys were read from it."""
    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    with flight(tmp_path, theirs) as process:
        assert process.stderr
        assert b"the key e" in process.stderr.readline()
        assert termios.tcgetattr(theirs) != before
        process.send_signal(2)
        process.stderr.read()
    assert process.returncode == 0
    assert termios.tcgetattr(theirs) == before
    os.close(ours)
    os.close(theirs)


def test_after_ctrl_z_keys_are_heard_again(tmp_path: Path) -> None:
    """The shell sets the terminal as it likes it, and does not set it back."""
    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    with flight(tmp_path, theirs) as process:
        assert process.stderr
        assert b"the key e" in process.stderr.readline()
        termios.tcsetattr(theirs, termios.TCSANOW, before)
        give_up = time.monotonic() + DEADLINE_S
        while termios.tcgetattr(theirs) == before:
            assert time.monotonic() < give_up
            time.sleep(0.01)
        os.write(ours, b"e")
        assert b"writing out" in process.stderr.readline()
        process.send_signal(2)
        process.stderr.read()
    assert process.returncode == 0
    assert termios.tcgetattr(theirs) == before
    os.close(ours)
    os.close(theirs)


SHELL = """
import os, signal, subprocess, sys
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
def foreground():
    os.setpgid(0, 0)
    os.tcsetpgrp(0, os.getpgrp())
    signal.signal(signal.SIGTTOU, signal.SIG_DFL)
command = [sys.executable, "-m", "tests.recording.recorder", sys.argv[1]]
process = subprocess.Popen(command, stderr=subprocess.PIPE, preexec_fn=foreground)
assert b"the key e" in process.stderr.readline()
os.tcsetpgrp(0, os.getpgrp())
process.send_signal(signal.SIGINT)
try:
    print("ended with", process.wait(120), flush=True)
finally:
    process.kill()
"""


def test_it_ends_in_the_background(tmp_path: Path) -> None:
    """Where it was sent to after it began in front: the terminal is somebody else's then, and touching it would stop
    it for good."""
    options = {"output": str(tmp_path / "k.tcpw"), "keep": 60.0}
    pid, ours = pty.fork()
    if not pid:
        os.chdir(ROOT)
        os.execv(sys.executable, [sys.executable, "-c", SHELL, json.dumps(options)])
    said = b""
    while True:
        try:
            said += os.read(ours, 4096)
        except OSError:  # the other end is closed
            break
    os.waitpid(pid, 0)
    os.close(ours)
    assert b"ended with 0" in said, said


def test_without_stdin_no_key_is_waited_for(tmp_path: Path) -> None:
    """It was closed."""
    code = (
        "from argparse import Namespace; from tcpwatch.record.recorder import Recorder; "
        "from tcpwatch.script import ScriptedSource; from tests.recording.story import frames; import sys; "
        "Recorder(Namespace(output=sys.argv[1], keep=60.0)).run(ScriptedSource(frames(23)))"
    )
    command = ["sh", "-c", 'exec "$@" <&-', "sh", sys.executable, "-c", code, str(tmp_path / "k.tcpw")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "the key e" not in done.stderr


def test_a_passphrase_that_nobody_can_type_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard input was closed."""
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(UsageError, match="less than 8 bytes"):
        key_of("-")


def test_nothing_secret_is_in_a_redacted_file(tmp_path: Path) -> None:
    """Not one byte of a name or an address, in whatever the file holds once it is unpacked, in recording and in
    copying; in the same recording without redaction there they are."""
    (tmp_path / "key").write_bytes(KEY)
    secret = secret_frame()
    told = [secret, *frames(3), secret_frame()]
    record(tmp_path / "plain", told)
    record(tmp_path / "redacted", told, redact=str(tmp_path / "key"))
    Recorder(Namespace(output=str(tmp_path / "copy"), redact=str(tmp_path / "key"))).run(
        open_recording(tmp_path / "plain")
    )
    addresses = secrets_of(secret)
    assert len(addresses) == 4 * 23
    assert found_in(tmp_path / "plain", addresses) == {*SECRETS, *addresses}
    for name in ("redacted", "copy"):
        assert found_in(tmp_path / name, addresses) == set()
    redacted, copied = played(tmp_path / "redacted"), played(tmp_path / "copy")
    assert all(map(same, redacted, copied))
    assert redacted[0].events["lport"].tolist() == secret.events["lport"].tolist()


def secrets_of(told: Frame) -> set[bytes]:
    assert told.snapshot is not None
    columns = [records[name] for records in (told.events, told.snapshot.sockets) for name in ("laddr", "raddr")]
    return {address.tobytes() for column in columns for address in column}


def found_in(path: Path, addresses: set[bytes]) -> set[str | bytes]:
    """Which secrets are in the file: among its bytes, unpacked, and in its records as they are read."""
    raw = path.read_bytes()
    parts = [raw]
    begins = (found.start() for found in re.finditer(re.escape(zstandard.FRAME_HEADER), raw))
    parts.extend(zstandard.ZstdDecompressor().decompressobj().decompress(raw[begin:]) for begin in begins)
    assert len(parts) > 2
    for one in played(path):
        sockets = one.snapshot.sockets.tobytes() if one.snapshot else b""
        parts += [one.events.tobytes(), sockets, b"" if one.owners is None else one.owners.tobytes()]
        parts.append(repr((one.host, one.processes, one.cgroups, one.namespaces)).encode())
    whole = b"\0".join(parts)
    return {word for word in SECRETS if word.encode() in whole} | {one for one in addresses if one in whole}


def test_sizes_are_read_and_told() -> None:
    """As people write them, in both counts."""
    assert [size(text) for text in ("7", "1k", "100M", "1.5G", "2KiB", "1MB", "3g")] == [
        *(7, 1024, 100 << 20, 3 << 29, 2048, 1_000_000, 3 << 30)
    ]
    for text in ("", "M", "-1", "1x", "1 2", "1e9"):
        with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
            size(text)
    assert [told(n) for n in (0, 1023, 1024, 100 << 20, 3 << 29)] == [
        "0 bytes",
        "1023 bytes",
        "1.0 kB",
        "100.0 MB",
        "1.5 GB",
    ]
    assert [told_time(s * 1_000_000_000) for s in (0, 59, 250, 7380)] == ["0s", "59s", "4m 10s", "2h 03m"]


__all__ = ["TcpwatchError", "stream", "sys"]
