"""In bad situations, does it say what is wrong and what to do, with the exit code that scripts count on?"""

import json
import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tcpwatch.scenarios.namespace import DEADLINE_S, Namespace, run
from tcpwatch.scenarios.talk import Talk
from tests import again

from .watch import COMMAND, Watch, tcpwatch
from .witness import skipped

NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all")
STREAMS = ["events", "life", "snapshot"]
LIBRARY = "libbpf.so.1"
INTERRUPTED = """
import os, signal, sys
from tcpwatch import cli

class Impatient:
    def find_spec(self, name, path=None, target=None):
        if name == "datetime":  # which NumPy asks for from C, and takes any exception for its absence
            os.kill(os.getpid(), signal.SIGINT)

assert "datetime" not in sys.modules
sys.meta_path.insert(0, Impatient())
sys.exit(cli.main(["events", "--format", "jsonl"]))
"""


def without(*capabilities: str) -> tuple[str, ...]:
    return ("setpriv", "--inh-caps=-all", "--bounding-set=" + ",".join(f"-{name}" for name in capabilities))


def refused(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    """That exit code, nothing on stdout, all of the words on stderr, and no traceback."""
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert all(word in done.stderr for word in words), done.stderr


@pytest.mark.parametrize("command", STREAMS)
def test_not_root(command: str) -> None:
    """Somebody without any privilege is told which ones it takes."""
    refused(tcpwatch(command, prefix=NOBODY), 3, "CAP_BPF", "CAP_PERFMON")


@pytest.mark.parametrize(("dropped", "named"), [("perfmon", "CAP_PERFMON"), ("bpf", "CAP_BPF")])
def test_one_capability_is_missing(dropped: str, named: str) -> None:
    """Only what is missing is named; what is there is not."""
    done = tcpwatch("events", prefix=without(dropped, "sys_admin"))
    refused(done, 3, named)
    assert ({"CAP_PERFMON", "CAP_BPF"} - {named}).pop() not in done.stderr.splitlines()[0]


def in_private_mounts(script: str) -> tuple[str, ...]:
    """A prefix that runs the command after `script` has changed the file system, for itself alone."""
    return ("unshare", "--mount", "sh", "-ec", f'{script}; cd {Path.cwd()}; exec "$@"', "sh")


def test_no_btf() -> None:
    """A kernel that does not describe its types."""
    done = tcpwatch("events", prefix=in_private_mounts("mount -t tmpfs none /sys/kernel/btf"))
    refused(done, 4, "BTF")


def test_no_libbpf(tmp_path: Path) -> None:
    """Without the library, the name of the package that has it."""
    found = [line.split()[-1] for line in run("ldconfig", "-p").splitlines() if LIBRARY in line.split()]
    assert found, f"{LIBRARY} has to be there to be hidden"
    place = Path(found[0]).parent
    layers = f"lowerdir={place},upperdir=upper,workdir=work"
    layered = (
        f"mount -t tmpfs none {tmp_path}; cd {tmp_path}; mkdir upper work; mount -t overlay -o {layers} none {place}"
    )
    script = f"{layered}; rm {place}/{LIBRARY}*"
    refused(tcpwatch("events", prefix=in_private_mounts(script)), 4, LIBRARY, "libbpf1")


@pytest.mark.parametrize(
    ("expression", "fault"),
    [("state established and rtt >> 5ms", 27), ("dport = :443 or colour = red", 16), ("( sport = :80", 0)],
)
def test_a_bad_filter(expression: str, fault: int) -> None:
    """A caret under the very character where it stops making sense."""
    done = tcpwatch("events", "-f", expression)
    refused(done, 2)
    lines = done.stderr.splitlines()
    shown = next(i for i, line in enumerate(lines) if expression in line)
    assert lines[shown + 1].index("^") - lines[shown].index(expression) == fault, done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("--no-such-flag",),
        ("events", "--count", "many"),
        ("life", "--format", "xml"),
        ("snapshot", "--netns", "no-such"),
    ],
)
def test_bad_arguments(arguments: tuple[str, ...]) -> None:
    """The argument that makes no sense is repeated."""
    refused(tcpwatch(*arguments), 2, arguments[-1])


def test_a_closed_pipe(room: Namespace, talk: Talk) -> None:
    """A reader that has enough ends it without a word of complaint."""
    talk.open()
    command = [*COMMAND, "snapshot", "--netns", room.name, "--format", "jsonl"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(DEADLINE_S) == 0


def test_a_closed_pipe_while_it_streams(room: Namespace, talk: Talk) -> None:
    """The same for a stream, as soon as it has something more to say."""
    command = [*COMMAND, "events", "--netns", room.name, "--format", "jsonl"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stderr
        assert "watching" in process.stderr.readline()
        talk.open()
        assert json.loads(process.stdout.readline())["schema"] == 1
        process.stdout.close()
        talk.exchange()
        talk.hang_up(talk.client)
        assert process.wait(DEADLINE_S) == 0
        said = process.stderr.read()
    assert "Traceback" not in said
    assert "Broken pipe" not in said


def test_a_full_disk(room: Namespace, talk: Talk) -> None:
    """What could not be written is an error, and says so."""
    talk.open()
    command = [*COMMAND, "snapshot", "--netns", room.name, "--format", "jsonl"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=DEADLINE_S)
    assert done.returncode == 1
    assert "No space left" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["events", "life"])
def test_ctrl_c(room: Namespace, talk: Talk, command: str) -> None:
    """An end that was asked for is no failure: exit code 0, a summary on stderr, nothing but data on stdout."""
    with Watch(command, "--netns", room.name) as watch:
        talk.open()
        talk.hang_up(talk.client)
        watch.until(23)
        watch.end(signal.SIGINT)
        assert watch.process.returncode == 0
    assert "seen" in watch.narration
    assert all(record["schema"] == 1 for record in watch.records)


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_ctrl_c_while_the_reader_is_slow(room: Namespace, talk: Talk, unbuffered: str) -> None:
    """A signal in the middle of a write cuts no line in two, whatever Python makes of its stdout."""
    command = [*COMMAND, "events", "--netns", room.name, "--format", "jsonl"]
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as process:
        assert process.stdout
        assert process.stderr
        assert b"watching" in process.stderr.readline()
        for _ in range(2):  # together more than a pipe holds
            talk.open()
            talk.hang_up(talk.client)
        wait_channel = Path(f"/proc/{process.pid}/wchan")
        give_up = time.monotonic() + DEADLINE_S
        while "pipe_write" not in wait_channel.read_text():
            assert time.monotonic() < give_up
            time.sleep(0.01)
        with suppress(OSError):
            again.note_skipped(skipped(process.pid))
        process.send_signal(signal.SIGINT)
        lines, said = process.communicate(timeout=DEADLINE_S)
        assert process.returncode == 0
    assert f"{len(lines.splitlines())} delivered" in said.decode()
    assert all(json.loads(line)["schema"] == 1 for line in lines.splitlines())


def test_a_duration_and_a_count(room: Namespace, talk: Talk) -> None:
    """It ends by itself when the time is over or enough was said."""
    assert tcpwatch("events", "--netns", room.name, "--duration", "0.2").returncode == 0
    with Watch("events", "--netns", room.name, "--count", "23") as watch:
        talk.open()
        assert watch.process.wait(DEADLINE_S) == 0
    assert len(watch.records) == 23


def test_ctrl_c_once_it_watches_and_before_all_is_loaded() -> None:
    """NumPy is loaded when the programs are attached already: it ends as later, with its sum."""
    done = subprocess.run([COMMAND[0], "-c", INTERRUPTED], capture_output=True, text=True, timeout=DEADLINE_S)
    first, *_, last = done.stderr.splitlines()
    assert done.returncode == 0, done.stderr
    assert first.startswith("tcpwatch: watching (")
    assert " events seen, " in last
