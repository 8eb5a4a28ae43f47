"""Are the connections of different network namespaces kept apart?"""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from itertools import islice

import pytest

from tcpwatch.kernel.programs import Knobs
from tcpwatch.kernel.source import KernelSource, Pace
from tcpwatch.scenarios.actor import Actor
from tcpwatch.scenarios.namespace import Namespace
from tcpwatch.scenarios.talk import CONNECTIONS

from .watch import LOADER, Record, Watch, snapshot

BOTH = 2 * CONNECTIONS
SERVER_PORT = 7000
Twins = list[tuple[Namespace, Actor, Actor]]


@pytest.fixture
def twins(rooms: tuple[Namespace, Namespace]) -> Iterator[Twins]:
    """The same cast in two namespaces, about to use the very same addresses and ports."""
    with ExitStack() as stack:
        enter = stack.enter_context
        yield [(room, enter(Actor(room, b"c")), enter(Actor(room, b"s"))) for room in rooms]


def open_all(twins: Twins) -> None:
    for _, client, server in twins:
        server.do("listen", address="127.0.0.1", port=SERVER_PORT)
        for i in range(CONNECTIONS):
            client.do("connect", address="127.0.0.1", port=SERVER_PORT, source=5000 + i)
        server.do("accept", count=CONNECTIONS)


def _of(pid: int) -> Callable[[Record], bool]:
    return lambda record: bool(record["pid"] == pid)


def test_the_same_tuples_in_two_namespaces(twins: Twins) -> None:
    """Equal addresses and ports in two namespaces are different connections, of different processes."""
    names = " or ".join(f"netns = {room.name}" for room, _, _ in twins)
    with Watch("life", "--netns", "all", "-f", names) as watch:
        open_all(twins)
        for _, client, server in twins:
            client.do("reset")
            server.do("broken")
        watch.until(2 * BOTH)
        lives = watch.finish()
    assert len(lives) == len({life["conn"] for life in lives}) == 2 * BOTH
    for room, client, server in twins:
        here = [life for life in lives if life["netns"] == room.name]
        clients = {life["lport"]: life["pid"] for life in here if life["role"] == "client"}
        servers = {life["rport"]: life["pid"] for life in here if life["role"] == "server"}
        assert clients == dict.fromkeys(range(5000, 5000 + CONNECTIONS), client.pid)
        assert servers == dict.fromkeys(range(5000, 5000 + CONNECTIONS), server.pid)


def test_one_namespace_alone(twins: Twins) -> None:
    """Asked for one namespace by its name or path, nothing of its twin is shown."""
    open_all(twins)
    for room, client, server in twins:
        for asked in (room.name, f"/run/netns/{room.name}"):
            rows = snapshot("--netns", asked)
            assert len(rows) == BOTH + 1
            assert {row["netns"] for row in rows} == {room.name}
            assert {row["pid"] for row in rows} == {client.pid, server.pid}


def test_all_namespaces(twins: Twins) -> None:
    """All of them means those of others too, each socket once."""
    open_all(twins)
    rows = snapshot("--netns", "all", "-f", f"sport = :{SERVER_PORT} or dport = :{SERVER_PORT}")
    assert len({row["conn"] for row in rows}) == len(rows)
    for room, _, _ in twins:
        assert sum(row["netns"] == room.name for row in rows) == BOTH + 1


def test_a_namespace_made_meanwhile_has_its_name_from_the_first_event() -> None:
    """What it is called is known with its first connection, not only when all namespaces are looked through again; and
    so it is with the next one, to which the kernel likes to give the number of the one before."""
    with Watch("events", "--netns", "all", "-f", f"dport = :{SERVER_PORT}") as watch:
        for _ in range(3):
            with Namespace() as room, Actor(room, b"c") as client:
                client.do("attempt", address="127.0.0.1", port=SERVER_PORT, count=CONNECTIONS)
                told = watch.until(1, _of(client.pid))
            assert {record["netns"] for record in told} == {room.name}


def test_the_counters_of_a_namespace_are_read_before_its_first_socket(room: Namespace) -> None:
    """Or what its first connections did would not be counted, as there would be nothing to compare with."""
    source = KernelSource(1 << 20, Knobs(want_netns=room.inode), Pace(tick=0.02), loader=LOADER)
    try:
        frames = islice(source.frames(), 500)
        snapshot = next(frame.snapshot for frame in frames if frame.snapshot is not None)
    finally:
        source.close()
    assert len(snapshot.sockets) == 0
    assert snapshot.counts["netns"].tolist() == [room.inode]


def test_the_main_thread_stays_at_home(rooms: tuple[Namespace, Namespace]) -> None:
    """Whoever takes a namespace away ends those who live there, which is where their main threads are (`ip netns
    pids`): it enters none, while snapshots show the sockets of all."""
    with Actor(rooms[0], b"tw-client") as client, Actor(rooms[1], b"tw-server") as server:
        ports = [one.do("listen", address="127.0.0.1") for one in (client, server)]
        command = [sys.executable, "-c", _LOOKS_OFTEN, *map(str, ports)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            assert process.stdout.readline() == "begun\n"
            seen = Counter[str]()
            while process.poll() is None:
                with suppress(OSError):  # it has ended meanwhile
                    seen[os.readlink(f"/proc/{process.pid}/ns/net")] += 1
            assert process.stdout.read() == "done\n"
    assert process.returncode == 0
    assert set(seen) == {os.readlink("/proc/self/ns/net")}, seen


# On the main thread; until both listeners were seen in many snapshots
_LOOKS_OFTEN = """
import sys
from tcpwatch.kernel.programs import Knobs
from tcpwatch.kernel.source import KernelSource, Pace

source = KernelSource(1 << 20, Knobs(), Pace(tick=0.01, snapshot=0.01, share=1.0))
snapshots = 0
print("begun", flush=True)
for frame in source.frames():
    if frame.snapshot is not None and set(map(int, sys.argv[1:])) <= set(frame.snapshot.sockets["lport"].tolist()):
        snapshots += 1
    if snapshots == 83:
        source.stop()
source.close()
print("done", flush=True)
"""
