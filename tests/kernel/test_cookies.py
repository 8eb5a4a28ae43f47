"""Does tcpwatch name the peer of each SYN cookie, where it may hook the functions that make them, and are there as many
as the kernel counted, wherever it is?"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tcpwatch.scenarios.namespace import Namespace
from tcpwatch.scenarios.queues import flood
from tcpwatch.scenarios.stage import Stage
from tcpwatch.scenarios.talk import CONNECTIONS, Talk

from .test_listeners import BACKLOG, COUNTERS, netstat
from .watch import LOADER, PREFIX, Record, Watch, tcpwatch

SENT, ACCEPTED, REJECTED = "syn_cookie_sent", "syn_cookie_accepted", "syn_cookie_rejected"
BURST = 5  # three of them fit into what a CPU tells of in one go (TOLD_PER_WINDOW in bpf/cookies.h)
MOST_TOLD = 16 / 0.134  # ... and a second
SYNS = 20_000  # a second
LONG_S = 60  # for which a flood goes on at the most

# ACKs that belong to nothing, each from an address of its own. argv: where they begin and end, the port
FORGE = """
import socket, struct, sys
from functools import reduce
first, last, port = map(int, sys.argv[1:])
def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    return ~reduce(lambda t, _: (t & 0xFFFF) + (t >> 16), range(2), total) & 0xFFFF
with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
    for number in range(first, last):
        ends = bytes([127, 23, 0, number, 127, 0, 0, 1])
        segment = [5000 + number, port, 23, 23, 0x5010, 1000, 0, 0]
        segment[6] = checksum(ends + struct.pack("!HH", 6, 20) + struct.pack("!HHIIHHHH", *segment))
        head = struct.pack("!BBHHHBBH", 0x45, 0, 40, 0, 0, 64, 6, 0)
        raw.sendto(head + ends + struct.pack("!HHIIHHHH", *segment), ("127.0.0.1", 0))
"""


@pytest.fixture(scope="module")
def hooks() -> dict[str, str]:
    """What doctor says of each hook, by what it is on; kinds depend on whether the kernel describes its types."""
    lines = tcpwatch("doctor", "--format", "jsonl", "--loader", LOADER, prefix=PREFIX).stdout.splitlines()
    probes = [found for found in map(json.loads, lines) if "/" in found["name"] and found["item"] == "probe"]
    return {found["name"].partition("/")[2]: found["status"] for found in probes}


@pytest.fixture(scope="module")
def hooked(hooks: dict[str, str]) -> bool:
    """Whether this kernel lets us hook functions."""
    states = {hooks[name] for name in ("tcp_make_synack", "cookie_v4_check", "cookie_v6_check")}
    assert len(states) == 1, hooks
    return states == {"ok"}


@pytest.fixture(scope="module")
def listener_known(hooks: dict[str, str]) -> bool:
    """Whether it can be known who holds a listener that was there before: iterators tell."""
    return hooks["task_file"] == "ok"


class Counted:
    """What the namespace counted since it was entered, and what tcpwatch told of it."""

    def __init__(self, room: Namespace, watch: Watch) -> None:
        self.room, self.watch = room, watch
        self.before = netstat(room)

    def records(self, kind: str) -> list[Record]:
        return [r for r in self.watch.records if r["event"] == kind and r["netns"] == self.room.name]

    def until_told(self, **amounts: int) -> None:
        """Waits until as much was told of each kind."""
        self.watch.until(1, lambda _: all(self._told(kind) >= amount for kind, amount in amounts.items()))

    def agree(self) -> dict[str, int]:
        """Ends the watch when everything was told; how many cookies there were, by kind, exactly."""
        counted = self._counted()
        self.until_told(**counted)
        self.watch.finish()
        told = {kind: self._told(kind) for kind in counted}
        assert told == counted == self._counted()
        return told

    def _counted(self) -> dict[str, int]:
        now = netstat(self.room)
        return {kind: now[COUNTERS[kind]] - self.before[COUNTERS[kind]] for kind in (SENT, ACCEPTED, REJECTED)}

    def _told(self, kind: str) -> int:
        return sum(record["count"] for record in self.records(kind))


@contextmanager
def counting(room: Namespace, talk: Talk) -> Iterator[Counted]:
    """Begins when tcpwatch has read the namespace's counters: it tells of a new connection only then."""
    talk.count = 1
    with Watch("events", "--netns", room.name) as watch:
        dial(talk, 1)
        watch.until(1, lambda r: r["event"] == "state" and r["new_state"] == "ESTABLISHED")
        yield Counted(room, watch)


def dial(talk: Talk, count: int) -> list[int]:
    """The ports of so many clients, one after the other."""
    talk.count = count
    talk.open()
    return talk.ports


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_each_cookie_and_its_peer(
    room: Namespace, talk: Talk, address: str, hooked: bool, listener_known: bool
) -> None:
    """Every client is answered with a cookie, and comes back with it."""
    if address != talk.address:
        talk = Talk(talk.client, talk.server, listen=address, connect=address)
    with counting(room, talk) as counted:
        room.set(tcp_syncookies=2)  # whatever the queue's length
        ports: list[int] = []
        while len(ports) < CONNECTIONS:
            ports += dial(talk, min(BURST, CONNECTIONS - len(ports)))
            counted.until_told(**{SENT: len(ports), ACCEPTED: len(ports)})
        assert counted.agree() == {SENT: CONNECTIONS, ACCEPTED: CONNECTIONS, REJECTED: 0}
    for kind in (SENT, ACCEPTED):
        told = counted.records(kind)
        assert {(r["laddr"], r["lport"], r["old_state"], r["new_state"]) for r in told} == {
            (address, talk.port, "LISTEN", "LISTEN")
        }
        owner = (talk.server.pid, "tw-server") if listener_known else (None, None)
        assert {(r["pid"], r["comm"]) for r in told} == {owner}
        if hooked:
            assert sorted(r["rport"] for r in told) == sorted(ports)
            assert {(r["raddr"], r["count"]) for r in told} == {(address, 1)}


def test_forged_acknowledgements(room: Namespace, talk: Talk, hooked: bool) -> None:
    """What was never sent as a cookie is none, and who tries is named."""
    with counting(room, talk) as counted:
        room.set(tcp_syncookies=2)
        dial(talk, 1)  # a listener that sent no cookie lately looks for none
        for first in range(0, CONNECTIONS, BURST):
            last = min(first + BURST, CONNECTIONS)
            room.run(sys.executable, "-c", FORGE, str(first), str(last), str(talk.port))
            counted.until_told(**{REJECTED: last})
        assert counted.agree() == {SENT: 1, ACCEPTED: 1, REJECTED: CONNECTIONS}
    told = counted.records(REJECTED)
    assert {r["lport"] for r in told} == {talk.port}
    if hooked:
        peers = sorted((r["raddr"], r["rport"], r["count"]) for r in told)
        assert peers == sorted((f"127.23.0.{number}", 5000 + number, 1) for number in range(CONNECTIONS))


def test_a_flood_is_no_flood_of_records(hooked: bool) -> None:
    """Real clients that get through are named each; of the flood only so many, and the rest is counted."""
    with Stage() as stage:
        stage.listen(backlog=BACKLOG)  # first: a namespace's counters are read once it has sockets
        with Watch("events", "--netns", stage.server.room.name) as watch:
            stage.dial(1)
            watch.until(1, lambda r: r["event"] == "state" and r["new_state"] == "ESTABLISHED")
            counted = Counted(stage.server.room, watch)
            with flood(stage, LONG_S * SYNS, SYNS):  # until all got through: without it the queue has room again
                counted.until_told(**{SENT: SYNS // 10})
                ports: list[int] = []
                for _ in range(CONNECTIONS):  # more at once would not fit into the accept queue
                    stage.dial(1, "client")
                    ports += [connection.lport for connection in stage.happened().client]
            told = counted.agree()
        client = stage.client.room.address
    assert told[SENT] >= SYNS // 10
    assert told[ACCEPTED] == CONNECTIONS
    if not hooked:
        return
    accepted = counted.records(ACCEPTED)
    assert sorted((r["raddr"], r["rport"], r["count"]) for r in accepted) == sorted((client, port, 1) for port in ports)
    named = [r for r in counted.records(SENT) if r["rport"]]
    assert {r["count"] for r in named} == {1}
    assert {r["raddr"].split(".")[0] for r in named} <= {"198", client.split(".")[0]}
    seconds = (named[-1]["time_ns"] - named[0]["time_ns"]) / 1e9 + 1
    assert len(named) <= MOST_TOLD * seconds * cpus()


def cpus() -> int:
    with open("/proc/cpuinfo", encoding="ascii") as lines:
        return sum(line.startswith("processor") for line in lines)
