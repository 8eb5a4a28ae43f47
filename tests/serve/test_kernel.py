"""Does `tcpwatch serve` say of real connections what happened? And what may its threads do, that answer anybody?"""

import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from tcpwatch.scenarios.actor import Actor
from tcpwatch.scenarios.namespace import Namespace
from tcpwatch.scenarios.talk import CONNECTIONS, Talk
from tests import again
from tests.kernel.witness import skipped

from .running import COMMAND, Running
from .scraped import value, values
from .stand import DEADLINE_S, until
from .test_command import DEMO, asked

UID = 20_000 + os.getpid() % 40_000  # nobody's; the machine counts the threads of each user
NOBODY = ("setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all")
IN_CI = os.environ.get("CI") == "true"


@pytest.fixture(autouse=True)
def root() -> None:
    if os.geteuid():
        (pytest.fail if IN_CI else pytest.skip)("watching the kernel needs root")


@pytest.fixture
def room() -> Iterator[Namespace]:
    with Namespace() as inside:
        yield inside


@pytest.mark.played_again
def test_connections(room: Namespace) -> None:
    """Opened, live and closed: exactly so many, at both ends."""
    with (
        Running("--netns", room.name) as running,
        Actor(room, b"tw-client") as client,
        Actor(room, b"tw-server") as server,
    ):

        def counted(name: str, **labels: str) -> float:
            wanted = {("netns", room.name), *labels.items()}
            return sum(value for found, value in values(asked(running), name).items() if wanted <= set(found))

        def have(name: str, **labels: str) -> None:
            for role in ("client", "server"):
                until(partial(lambda role: counted(name, role=role, **labels) == CONNECTIONS, role))

        try:
            talk = Talk(client, server)
            talk.open()
            have("tcpwatch_connections_opened_total")
            have("tcpwatch_connections", state="ESTABLISHED")
            talk.hang_up(talk.client)
            have("tcpwatch_connections_closed_total")
        finally:
            again.note_skipped(skipped(running.process.pid))
        text = asked(running)
        assert values(text, "tcpwatch_build_info").popitem()[0][1] == ("loader", "core")
        assert 0 <= value(text, "tcpwatch_view_age_seconds") < DEADLINE_S
        assert running.end(signal.SIGTERM) == 0
    assert any("watching" in line for line in running.said)
    assert any("events seen" in line for line in running.said)


@pytest.mark.played_again
def test_only_what_is_kept(room: Namespace) -> None:
    """Connections of one port are counted and those of another are not; and what was seen is what was delivered:
    nine state changes of each."""
    with (
        Actor(room, b"tw-client") as client,
        Actor(room, b"tw-server") as server,
        Actor(room, b"tw-client") as stranger,
        Actor(room, b"tw-server") as strange,
    ):
        talk, other = Talk(client, server), Talk(stranger, strange)
        with Running("--netns", room.name, f"port = :{talk.port}") as running:
            for one in (other, talk):
                one.open()
                one.hang_up(one.client)

            def closed(**labels: str) -> float:
                found = values(asked(running), "tcpwatch_connections_closed_total")
                return sum(number for its, number in found.items() if labels.items() <= dict(its).items())

            try:
                until(lambda: closed() == 2 * CONNECTIONS)
                assert closed(port=str(talk.port)) == 2 * CONNECTIONS
                steps = values(asked(running), "tcpwatch_events_seen_total")[(("kind", "state"),)]
            finally:
                again.note_skipped(skipped(running.process.pid))
            assert running.end() == 0
    said = re.search(r"(\d+) events seen, (\d+) delivered, (\d+) lost", "\n".join(running.said))
    assert said, running.said
    assert steps == 9 * CONNECTIONS
    assert int(said[1]) == int(said[2]) >= steps  # a busy machine may have sent something again


def capabilities(pid: int) -> list[int]:
    """The effective ones of each thread."""
    found = []
    for status in Path(f"/proc/{pid}/task").glob("*/status"):
        with suppress(FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
            fields = dict(line.split(":\t", 1) for line in status.read_text().splitlines())
            found.append(int(fields["CapEff"], 16))
    return sorted(found)


@pytest.mark.parametrize("config", [False, True])
def test_who_answers_may_nothing(tmp_path: Path, config: bool) -> None:
    """The threads that anybody can talk to hold no capability; with a web configuration file that to read any file, as
    a renewed key may be another user's."""
    web = tmp_path / "web.yml"
    web.write_text("http_server_config: {headers: {X-Frame-Options: deny}}\n")
    reads = 1 << 2  # CAP_DAC_READ_SEARCH
    with Running(*(("--web.config.file", str(web)) if config else ())) as running:
        assert running.get()[0] == 200
        held = capabilities(running.process.pid)
    *others, session = held
    assert session not in (0, reads)
    assert len(others) >= 2
    assert set(others) == {reads if config else 0}


def test_not_root() -> None:
    """The missing capabilities by name, exit code 3; and nothing was served."""
    done = subprocess.run(
        [*NOBODY, *COMMAND, "--web.listen-address", "127.0.0.1:0"], capture_output=True, text=True, timeout=DEADLINE_S
    )
    assert done.returncode == 3
    assert "CAP_BPF" in done.stderr
    assert "serving" not in done.stderr


def test_a_privileged_port(room: Namespace) -> None:
    """The same for a port below 1024; a namespace of its own, as containers often set no limit."""
    command = room.inside(*NOBODY, *COMMAND, "--from", str(DEMO), "--web.listen-address", "127.0.0.1:80")
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S)
    assert done.returncode == 3
    assert "cannot listen on 127.0.0.1:80: ports below 1024 need CAP_NET_BIND_SERVICE" in done.stderr


@pytest.mark.parametrize("limit", ["--nofile=24", "--nproc=30"])
def test_a_machine_that_is_short_of_something(limit: str) -> None:
    """Of descriptors or threads: those who only keep us waiting make room, and it is said once."""
    with Running("--from", str(DEMO), prefix=("prlimit", limit, *NOBODY)) as running:
        slow = [socket.create_connection(("127.0.0.1", running.port), DEADLINE_S) for _ in range(60)]
        for _ in range(5):
            assert running.get()[0] == 200
        for one in slow:
            one.close()
        assert running.end() == 0
    assert len([line for line in running.said if "(said once)" in line]) == 1, running.said
