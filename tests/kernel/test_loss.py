"""Is every segment that had to be sent again counted, once? One lossy transfer between two namespaces, judged by the
kernel's own counters."""

import os
import sys
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise

import pytest

from tcpwatch.scenarios.actor import Actor
from tcpwatch.scenarios.namespace import Namespace, join
from tcpwatch.scenarios.talk import CONNECTIONS, Talk
from tests import again

from .lives import by_port
from .watch import Record, Watch
from .witness import counters

BOTH = 2 * CONNECTIONS
SIZE = int(os.environ.get("TCPWATCH_TESTS_BYTES", "1_000_000"))  # less where each instruction is emulated
PLAYS = 12  # at the most


@dataclass(frozen=True)
class Lossy:
    """What was told of the transfer. rose: by how much each counter of both namespaces together did."""

    talk: Talk
    events: list[Record]
    lives: list[Record]
    rose: dict[str, int]
    dropped: int
    narration: str


@pytest.fixture(scope="module")
def lossy() -> Lossy:
    """Played again where events had interrupted a hook, which the kernel then does not run: nobody can tell of them."""
    return again.undisturbed(play, PLAYS)


def play() -> Lossy:
    """23 connections that each carry SIZE bytes across a wire where 5 packets in 100 vanish, both ways."""
    with Namespace() as left, Namespace() as right:
        join(left, right)
        with Actor(left, b"tw-client") as client, Actor(right, b"tw-server") as server:
            talk = Talk(client, server)
            before = [counters(room) for room in (left, right)]
            for room in (left, right):
                room.nft("input", "ip protocol tcp numgen random mod 100 < 5 counter drop")
            chosen = ("--netns", "all", "-f", f"sport = :{talk.port} or dport = :{talk.port}")
            with Watch("events", *chosen) as events, Watch("life", *chosen) as lives:
                transfer(talk)
                lives.until(BOTH)
                dropped = left.dropped() + right.dropped()
                after = [counters(room) for room in (left, right)]
                events.finish()
                lives.finish()
            rose = {k: sum(a[k] - b[k] for a, b in zip(after, before, strict=True)) for k in after[0]}
            return Lossy(talk, events.records, lives.records, rose, dropped, events.narration)


def transfer(talk: Talk) -> None:
    where = {"address": talk.address, "port": talk.port}
    talk.server.ask("accept", count=CONNECTIONS)
    talk.ports = talk.client.do("connect", **where, count=CONNECTIONS, options={"TCP_CONGESTION": "cubic"})
    talk.server.answer()
    talk.server.ask("drain")
    talk.client.do("pour", sizes=[SIZE] * CONNECTIONS)
    talk.client.do("shutdown")
    assert talk.server.answer() == [SIZE] * CONNECTIONS
    talk.server.do("close")
    talk.client.do("drain")
    talk.client.do("close")


def test_retransmits_are_what_netstat_says(lossy: Lossy) -> None:
    """The lives' retransmissions and the events' add up to RetransSegs, exactly."""
    assert lossy.dropped > CONNECTIONS
    assert lossy.rose["TcpRetransSegs"] > CONNECTIONS
    assert sum(life["retrans"] for life in lossy.lives) == lossy.rose["TcpRetransSegs"]
    segments = sum(event["count"] for event in lossy.events if event["event"] == "retransmit")
    synacks = sum(event["event"] == "synack_retransmit" for event in lossy.events)
    assert segments + synacks == lossy.rose["TcpRetransSegs"]


def test_causes_are_what_netstat_says(lossy: Lossy) -> None:
    """Each repeat has its cause: what tcp_xmit_retransmit_queue() sends is counted by the state of the recovery, what a
    timer sends by the timer. (TCPLossProbes counts probes that carried new data, too.)"""
    causes: Counter[str] = Counter()
    for event in lossy.events:
        if event["event"] in ("retransmit", "synack_retransmit"):
            causes[event["reason"]] += event["count"] if event["event"] == "retransmit" else 1
    assert causes.keys() <= {"fast", "timeout", "tail_loss_probe", "syn", "syn_ack"}
    assert causes["fast"] == lossy.rose["TcpExtTCPFastRetrans"] > CONNECTIONS
    assert causes["syn"] + causes["syn_ack"] == lossy.rose["TcpExtTCPSynRetrans"]
    assert causes["tail_loss_probe"] <= lossy.rose["TcpExtTCPLossProbes"]
    assert causes.total() == lossy.rose["TcpRetransSegs"]


def test_bytes_are_payload_however_often_it_was_sent(lossy: Lossy) -> None:
    """A byte that had to be sent three times was still one byte."""
    assert len(lossy.lives) == BOTH
    clients, servers = by_port(lossy.lives, lossy.talk, "client"), by_port(lossy.lives, lossy.talk, "server")
    assert {(life["bytes_sent"], life["bytes_received"]) for life in clients.values()} == {(SIZE, 0)}
    assert {(life["bytes_sent"], life["bytes_received"]) for life in servers.values()} == {(0, SIZE)}


def test_recoveries_are_what_netstat_says(lossy: Lossy) -> None:
    """Each fast recovery that the kernel counted is one congestion event, and the events of a connection join up."""
    changes = [event for event in lossy.events if event["event"] == "congestion"]
    recoveries = sum(event["reason"] == "recovery" for event in changes)
    assert recoveries == lossy.rose["TcpExtTCPSackRecovery"] + lossy.rose["TcpExtTCPRenoRecovery"] > 0
    assert {event["reason"] for event in changes} <= {"open", "disorder", "cwr", "recovery", "loss"}
    for conn in {event["conn"] for event in changes}:
        told = [event["reason"] for event in changes if event["conn"] == conn]
        assert all(one != next_ for one, next_ in pairwise(told)), told


# On one socket, one after the other; connect() to no family makes it forget the last
_CALLS = """
import ctypes, select, socket
libc = ctypes.CDLL(None)
with socket.socket() as caller:
    caller.setblocking(False)
    for _ in range(3):
        caller.connect_ex(("127.0.0.1", 7))
        select.select([caller], [], [], 1.5)
        assert libc.connect(caller.fileno(), bytes(16), 16) == 0
"""


def test_a_loss_of_each_life_of_a_socket(room: Namespace) -> None:
    """A SYN without an answer that is sent again is one, whatever befell the socket when it called before."""
    room.nft("input", "tcp dport 7 drop")
    with Watch("events", "--netns", room.name) as events:
        room.run(sys.executable, "-c", _CALLS)
        found = events.until(3, lambda event: event["event"] == "congestion" and event["reason"] == "loss")
    assert len({event["conn"] for event in found}) == 3
    assert counters(room)["TcpExtTCPTimeouts"] == 3


def test_nothing_was_lost_on_the_way_to_us(lossy: Lossy) -> None:
    """A few thousand events fit the ring."""
    assert " 0 lost" in lossy.narration
    assert not [event for event in lossy.events if event["event"] == "lost"]
