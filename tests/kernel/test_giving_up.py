"""Does everything still work with the capabilities that are left once tcpwatch watches, and are the others gone?"""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tcpwatch.kernel import privileges
from tcpwatch.scenarios.actor import Actor
from tcpwatch.scenarios.namespace import DEADLINE_S, Namespace
from tcpwatch.scenarios.talk import CONNECTIONS, Talk
from tests import again

from .watch import COMMAND, tcpwatch
from .witness import skipped

NOBODY = 65534
ABROAD = {"CAP_SYS_ADMIN", "CAP_SYS_PTRACE"}
FILES = set(privileges.FILES)
SETS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")


def left(*capabilities: str) -> set[str]:
    """These of those there are to begin with; and one more where the tree lies in a directory closed to others."""
    readable = privileges.works_with_only((), lambda: open(privileges.__file__).close())
    more = () if readable else ("CAP_DAC_READ_SEARCH",)
    return {*capabilities, *more} & privileges.effective()


def held(task: Path) -> set[str] | None:
    """What the thread may use; None as long as it has more or may gain some, or where it has ended."""
    try:
        words = dict(line.split(":\t") for line in (task / "status").read_text().splitlines() if ":\t" in line)
    except OSError:
        return None
    masks = [int(words[name], 16) for name in SETS]
    if words["NoNewPrivs"] != "1" or masks[0] or masks[3] or masks[4] or masks[1] != masks[2]:
        return None
    known = {name for name, bit in privileges.BITS.items() if masks[1] >> bit & 1}
    return known if masks[1] == sum(1 << privileges.BITS[name] for name in known) else None


def wait_until(done: Callable[[], bool], what: str) -> None:
    give_up = time.monotonic() + DEADLINE_S
    while not done():
        assert time.monotonic() < give_up, f"never: {what}"
        time.sleep(0.05)


def threads(pid: int) -> list[set[str] | None]:
    return [*map(held, Path(f"/proc/{pid}/task").iterdir())]


@contextmanager
def watching(*command: str, prefix: tuple[str, ...] = (), **environment: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A command of tcpwatch's, at work; ended with Ctrl-C."""
    surroundings = os.environ | environment
    with subprocess.Popen(
        [*prefix, *COMMAND, *command], env=surroundings, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            assert process.stderr
            said = b""
            while b"watching" not in said:
                line = process.stderr.readline()
                assert line, said
                said += line
            yield process
        except BaseException:
            process.kill()
            raise
        process.send_signal(signal.SIGINT)
        _, rest = process.communicate(timeout=DEADLINE_S)
        assert process.returncode == 0, said + rest


@pytest.mark.parametrize(
    ("command", "kept"),
    [
        (("events", "--netns", "self"), set()),
        (("events",), ABROAD),
        (("life",), ABROAD),
        (("record", "--netns", "self", "-o", "FILE"), FILES),
        (("record", "-o", "FILE"), ABROAD | FILES),
        (("record", "-o", "-"), ABROAD),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_is_left(command: tuple[str, ...], kept: set[str], tmp_path: Path) -> None:
    """Root attaches with all it has and goes on with what looking and writing take; that holds for every thread."""
    arguments = [str(tmp_path / "a.tcpw") if word == "FILE" else word for word in command]
    with watching(*arguments) as process:
        wait_until(lambda: threads(process.pid) == [left(*kept)], f"{kept}; it has {threads(process.pid)}")


def test_namespaces_made_later_are_looked_into(tmp_path: Path) -> None:
    """Finding and entering one takes the capabilities that are kept: each socket in it is listed with its measures and
    its process."""
    file = str(tmp_path / "a.tcpw")
    with watching("record", "-o", file) as process:
        wait_until(lambda: threads(process.pid) == [left(*ABROAD, *FILES)], "capabilities given up")
        with Namespace() as late, Actor(late, b"c") as client, Actor(late, b"s") as server:
            talk = Talk(client, server)
            talk.open()
            talk.exchange()

            def seen() -> bool:
                # a name of its own appears with its first snapshot, and a filter knows only names that appeared
                done = tcpwatch("snapshot", "--from", file, "--format", "jsonl", "-f", f"sport = :{talk.port}")
                rows = [json.loads(line) for line in done.stdout.splitlines()]
                served = [row for row in rows if row["netns"] == late.name and row["state"] == "ESTABLISHED"]
                return len(served) == CONNECTIONS and all(row["srtt_us"] and row["pid"] == server.pid for row in served)

            wait_until(seen, "the sockets of a namespace made later")


def test_a_user_with_just_the_capabilities(room: Namespace, talk: Talk) -> None:
    """Not root, CAP_BPF and CAP_PERFMON: exact counts with the right processes, and nothing is left once it watches."""
    reading = closed_to_nobody()
    capabilities = ("bpf", "perfmon", *(name.removeprefix("CAP_").lower() for name in reading))
    listed = ",".join(f"+{name}" for name in capabilities)
    lesser = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", f"--inh-caps={listed}")
    prefix = (*room.inside(), *lesser, f"--ambient-caps={listed}", f"--bounding-set=-all,{listed}")
    with watching("life", "--netns", "self", "--format", "jsonl", prefix=prefix) as process:
        wait_until(lambda: bounded(process.pid) == reading, f"only {reading} left")
        talk.open()
        talk.exchange()
        talk.hang_up(talk.client)
        assert process.stdout
        with impatience(process):
            lives = [json.loads(process.stdout.readline()) for _ in range(2 * CONNECTIONS)]
    clients = {life["lport"]: life["pid"] for life in lives if life["role"] == "client"}
    servers = {life["rport"]: life["pid"] for life in lives if life["role"] == "server"}
    assert clients == dict.fromkeys(talk.ports, talk.client.pid)
    assert servers == dict.fromkeys(talk.ports, talk.server.pid)


@contextmanager
def impatience(process: "subprocess.Popen[bytes]") -> Iterator[None]:
    """Whoever says nothing for too long is killed, so that nobody waits for ever."""
    timer = threading.Timer(DEADLINE_S, process.kill)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        with suppress(OSError):
            again.note_skipped(skipped(process.pid))


def closed_to_nobody() -> set[str]:
    """What takes another user to read the interpreter and the tree."""
    paths = (sys.executable, os.__file__, privileges.__file__)
    test = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "cat", *paths]
    readable = subprocess.run(test, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0
    return set() if readable else {"CAP_DAC_READ_SEARCH"}


def bounded(pid: int) -> set[str] | None:
    """What the process may use, once it can gain no more: without CAP_SETPCAP the bounding set stays."""
    status = Path(f"/proc/{pid}/status").read_text()
    if "NoNewPrivs:\t1" not in status:
        return None
    (mask,) = re.findall(r"CapPrm:\t(\w+)", status)
    return {name for name, bit in privileges.BITS.items() if int(mask, 16) >> bit & 1}


def test_files_written_later_go_to_who_called_sudo(tmp_path: Path) -> None:
    """In a directory that is closed to root without capabilities: what a flight recorder writes out is theirs, and an
    older one makes room."""
    home = home_of_nobody(tmp_path)
    command = ("record", "--keep", "10s", "--max-files", "1", "-o", str(home / "a.tcpw"))
    with watching(*command, SUDO_UID=str(NOBODY)) as process:
        wait_until(lambda: threads(process.pid) == [left(*ABROAD, *FILES)], "capabilities given up")
        process.send_signal(signal.SIGUSR1)
        wait_until(lambda: len(list(home.iterdir())) == 1, "a file")
        (first,) = home.iterdir()
        wait_until(lambda: time.time() > first.stat().st_mtime + 1, "a second, which gives the next another name")
        process.send_signal(signal.SIGUSR1)
        wait_until(lambda: [path for path in home.iterdir() if path != first] == list(home.iterdir()) != [], "another")
    (second,) = home.iterdir()
    assert second.stat().st_uid == NOBODY
    assert tcpwatch("life", "--from", str(second)).returncode == 0


def home_of_nobody(where: Path) -> Path:
    """A directory that only that user may enter, and root with CAP_DAC_OVERRIDE."""
    for parent in (where, *where.parents):
        if parent.stat().st_mode & 0o005 != 0o005 and parent.owner() != "root":
            pytest.fail(f"{parent} is closed")
    home = where / "home"
    home.mkdir(mode=0o700)
    os.chown(home, NOBODY, NOBODY)
    return home


def test_the_screen_keeps_what_recording_takes(tmp_path: Path) -> None:
    """The thread that draws may write files, the one that watches may enter namespaces as well; r records into a
    directory of who called sudo."""
    home = home_of_nobody(tmp_path)
    master, slave = pty.openpty()
    environment = os.environ | {
        "SUDO_UID": str(NOBODY),
        "TERM": "xterm-256color",
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    with subprocess.Popen(COMMAND, stdin=slave, stdout=slave, stderr=slave, cwd=home, env=environment) as process:
        os.close(slave)
        try:
            drawn = read_until(master, "Health")
            expected = sorted([sorted(left(*FILES)), sorted(left(*ABROAD, *FILES))])

            def settled() -> bool:
                read_until(master, "")  # whose writes nobody reads, waits
                found = threads(process.pid)
                return (
                    sorted({tuple(sorted(one)) for one in found if one is not None}) == list(map(tuple, expected))
                    and None not in found
                )

            wait_until(settled, f"{expected}; it has {threads(process.pid)}; {drawn[-200:]!r}")
            os.write(master, b"r")
            read_until(master, "recording")
            wait_until(lambda: bool(list(home.iterdir())), "a recording")
            os.write(master, b"q")
            read_until(master, None)
            assert process.wait(DEADLINE_S) == 0
        except BaseException:
            process.kill()
            raise
        finally:
            os.close(master)
    (file,) = home.iterdir()
    assert file.stat().st_uid == NOBODY
    assert tcpwatch("life", "--from", str(file)).returncode == 0


def read_until(master: int, text: str | None) -> str:
    """What was drawn until the text came; "": what there is; None: until nobody draws any more."""
    drawn, give_up = "", time.monotonic() + DEADLINE_S
    while True:
        assert time.monotonic() < give_up, drawn
        if select.select([master], [], [], 0.2)[0]:
            try:
                drawn += os.read(master, 65536).decode(errors="replace")
            except OSError:  # the other end is closed
                return drawn
        if text is not None and text in drawn:
            return drawn
