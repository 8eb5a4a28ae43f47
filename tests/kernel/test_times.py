"""Are the times right: when it opened and closed, how long the handshake took, how long the round trip is?"""

import time
from collections.abc import Iterable
from statistics import median

from tcpwatch.scenarios.actor import Actor
from tcpwatch.scenarios.cable import Cable
from tcpwatch.scenarios.namespace import Namespace
from tcpwatch.scenarios.talk import CONNECTIONS, Talk

from .lives import by_port
from .watch import Watch
from .witness import Packet, Tcpdump

BOTH = 2 * CONNECTIONS
DELAY_S = 0.02
SLACK_NS = 5_000_000  # between the kernel's event and tcpdump's timestamp
STOPPED_NS = 500_000_000  # ... where the machine was stopped just in between


def first(packets: list[Packet], flags: str, near: int, far: int) -> Packet:
    """The first packet with exactly these flags from port `near` to port `far`."""
    ends = (near, far)
    return next(p for p in packets if p.flags == flags and (p.source[1], p.destination[1]) == ends)


def test_handshakes_are_what_tcpdump_saw(rooms: tuple[Namespace, Namespace]) -> None:
    """SYN to SYN-ACK at the client, SYN-ACK to ACK at the server: the delay of the wire, there and back."""
    left, right = rooms
    with Cable(left, right, DELAY_S), Actor(left, b"tw-client") as client, Actor(right, b"tw-server") as server:
        talk = Talk(client, server)
        chosen = ("--netns", "all", "-f", f"sport = :{talk.port} or dport = :{talk.port}")
        with (
            Tcpdump(left, Cable.interface(left)) as near,
            Tcpdump(right, Cable.interface(right)) as far,
            Watch("life", *chosen) as watch,
        ):
            talk.open()
            talk.exchange()
            talk.hang_up(client)
            watch.until(BOTH)
            clients, servers = by_port(watch.records, talk, "client"), by_port(watch.records, talk, "server")
            sent, received = near.stop(), far.stop()
    called, accepted, opened = [], [], []
    for port in talk.ports:
        syn, synack = first(sent, "S", port, talk.port), first(sent, "S.", talk.port, port)
        answer, ack = first(received, "S.", talk.port, port), first(received, ".", port, talk.port)
        called.append(clients[port]["handshake_us"] * 1000 - (synack.time_ns - syn.time_ns))
        accepted.append(servers[port]["handshake_us"] * 1000 - (ack.time_ns - answer.time_ns))
        opened.append(clients[port]["opened_ns"] - syn.time_ns)
        assert clients[port]["min_rtt_us"] >= 2_000_000 * DELAY_S
        assert servers[port]["srtt_us"] >= 2_000_000 * DELAY_S
    for apart in (called, accepted, opened):
        agree(apart)


def agree(apart_ns: Iterable[int]) -> None:
    """Two clocks that are read one after the other: close together, but where somebody was stopped in between."""
    apart = [abs(ns) for ns in apart_ns]
    assert median(apart) < SLACK_NS, apart
    assert max(apart) < STOPPED_NS, apart


def test_a_life_is_as_long_as_the_clock_says(room: Namespace, talk: Talk) -> None:
    """Opened while it was being opened, closed while it was being closed, and so long in between."""
    with Watch("life", "--netns", room.name) as watch:
        opening_ns = time.time_ns()
        talk.open()
        open_ns = time.time_ns()
        talk.exchange()
        closing_ns = time.time_ns()
        talk.client.do("reset")
        talk.server.do("broken")
        closed_ns = time.time_ns()
        watch.until(BOTH)
        lives = watch.finish()
    assert len(lives) == BOTH
    for life in lives:
        assert opening_ns - SLACK_NS <= life["opened_ns"] <= open_ns + SLACK_NS, life
        assert closing_ns - SLACK_NS <= life["closed_ns"] <= closed_ns + SLACK_NS, life
        assert (closing_ns - open_ns) // 1000 <= life["duration_us"] <= (closed_ns - opening_ns) // 1000, life
