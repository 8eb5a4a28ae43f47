"""What does a recording with a filter hold? Of the connections that match everything, of all others nothing."""

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tcpwatch.recording.reader import Recording
from tcpwatch.scenarios.actor import Actor
from tcpwatch.scenarios.namespace import DEADLINE_S, Namespace
from tcpwatch.scenarios.talk import CONNECTIONS, Talk
from tests import again

from .watch import COMMAND, LOADER, Record, tcpwatch
from .witness import skipped

BOTH = 2 * CONNECTIONS


@contextmanager
def recorded(path: Path, *options: str) -> Iterator[None]:
    """Meanwhile `tcpwatch record` runs; ended with Ctrl-C."""
    command = [*COMMAND, "record", "-o", str(path), "--loader", LOADER, *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        try:
            assert any("watching" in line for line in iter(process.stderr.readline, ""))
            yield
            again.note_skipped(skipped(process.pid))
            process.send_signal(signal.SIGINT)
            said = process.stderr.read()
            assert process.wait(DEADLINE_S) == 0, said
        finally:
            process.kill()


def read(face: str, path: Path, *options: str) -> list[Record]:
    done = tcpwatch(face, "--from", str(path), "--format", "jsonl", *options)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def other(room: Namespace) -> Iterator[Talk]:
    """Somebody else in the same room, on another port."""
    with Actor(room, b"tw-stranger") as client, Actor(room, b"tw-strange") as server:
        yield Talk(client, server)


def held(*talks: Talk) -> None:
    """All of them at the same time, from the first SYN to the last FIN."""
    for talk in talks:
        talk.open()
    for talk in talks:
        talk.exchange()
    for talk in talks:
        talk.hang_up(talk.client)


def test_one_port_of_two(room: Namespace, talk: Talk, other: Talk, tmp_path: Path) -> None:
    """Lives of both ends of the one port, whole and with their processes, and not an event, socket or descriptor more;
    what was seen is what was delivered."""
    path, expression = tmp_path / "kept.tcpw", f"port = :{talk.port}"
    with recorded(path, "--netns", room.name, "-f", expression):
        held(talk, other)
    lives = read("life", path)
    assert len(lives) == BOTH
    assert {talk.port in (life["lport"], life["rport"]) for life in lives} == {True}
    assert {(life["role"], life["comm"], life["pid"], life["verdict"]) for life in lives} == {
        ("client", "tw-client", talk.client.pid, "clean"),
        ("server", "tw-server", talk.server.pid, "clean"),
    }
    with Recording(path) as recording:
        frames = list(recording.frames())
    assert {frame.host.kept for frame in frames} == {expression}
    for frame in frames:
        ends = [frame.events, *([frame.snapshot.sockets] if frame.snapshot else [])]
        assert all(talk.port in (row["lport"], row["rport"]) for rows in ends for row in rows)
    delivered = sum(len(frame.events) for frame in frames)
    tally = frames[-1].tally
    assert (tally["seen"].sum(), tally["lost"].sum()) == (delivered, 0)
    strangers = {other.client.pid, other.server.pid}
    assert not strangers & {process.pid for frame in frames for process in frame.processes}


def test_local_ports_that_connect_has_not_chosen_yet(room: Namespace, talk: Talk, other: Talk, tmp_path: Path) -> None:
    """The clients' ends alone, by their own ports: each begins with its SYN although that names no port."""
    path, servers = tmp_path / "clients.tcpw", f"sport = :{talk.port} or sport = :{other.port}"
    with recorded(path, "--netns", room.name, "-f", f"sport > :1023 and not ( {servers} )"):
        held(talk, other)
    lives = read("life", path)
    assert sorted(life["lport"] for life in lives) == sorted(talk.ports + other.ports)
    assert {(life["role"], life["states"][0][0]) for life in lives} == {("client", "SYN_SENT")}
    assert all(life["opened_ns"] and life["handshake_us"] is not None for life in lives)


def test_a_recording_sifted_again(room: Namespace, talk: Talk, other: Talk, tmp_path: Path) -> None:
    """From a recording of all, kept by port and by the namespace's name; and the same lives as the whole one has."""
    whole, kept = tmp_path / "whole.tcpw", tmp_path / "kept.tcpw"
    with recorded(whole, "--netns", room.name):
        held(talk, other)
    expression = f"sport = :{talk.port}"
    done = tcpwatch("record", "--from", str(whole), "-o", str(kept), "--netns", room.name, *expression.split())
    assert done.returncode == 0, done.stderr
    lives = read("life", kept)
    assert len(lives) == CONNECTIONS
    assert lives == read("life", whole, "-f", expression)
    with Recording(kept) as recording:
        assert recording.host.kept == f"( {expression} ) and ( netns = {room.name} )"


def test_a_namespace_by_name(rooms: tuple[Namespace, Namespace], tmp_path: Path) -> None:
    """Of two namespaces with the same traffic the one; the name is known before the first event is judged."""
    path = tmp_path / "one.tcpw"
    with recorded(path, "-f", f"netns = {rooms[0].name}"):
        for room in rooms:
            with Actor(room, b"tw-client") as client, Actor(room, b"tw-server") as server:
                talk = Talk(client, server)
                talk.open()
                talk.hang_up(client)
    lives = read("life", path)
    assert len(lives) == BOTH
    assert {life["netns"] for life in lives} == {rooms[0].name}


@pytest.mark.parametrize("face", ["record", "serve"])
def test_what_changes_cannot_decide(face: str, tmp_path: Path) -> None:
    """Refused before anything is attached or opened, with the fields at fault."""
    path = tmp_path / "never.tcpw"
    output = ("-o", str(path)) if face == "record" else ()
    done = tcpwatch(face, *output, "dport", "=", ":443", "and", "rtt", ">", "5ms", "or", "comm", "=", "nginx")
    assert done.returncode == 2
    assert "whole life, in which this may change: comm, rtt" in done.stderr
    assert not path.exists()
