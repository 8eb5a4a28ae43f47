"""Does the life of a connection say how it really went, when it went as in the textbook?"""

from collections import Counter

import pytest

from tcpwatch.kernel.programs import Knobs, Programs
from tcpwatch.scenarios.actor import Actor
from tcpwatch.scenarios.namespace import Namespace
from tcpwatch.scenarios.talk import CONNECTIONS, Talk

from .lives import (
    CLIENT_FIRST,
    CLIENT_RESET,
    CLIENT_SECOND,
    SERVER_FIRST,
    SERVER_RESET,
    SERVER_SECOND,
    expect,
    nothing,
)
from .watch import LOADER, Watch
from .witness import count_state, counters, ss_until

BOTH = 2 * CONNECTIONS
CLOSED = 9  # nobody listens there in a namespace of ours


def test_a_client_that_closes_first(room: Namespace, talk: Talk) -> None:
    """The active end goes through FIN_WAIT1 and FIN_WAIT2 to TIME_WAIT, the passive one through LAST_ACK."""
    with Watch("life", "--netns", room.name) as watch:
        talk.open()
        talk.exchange()
        talk.hang_up(talk.client)
        watch.until(BOTH)
        lives = watch.finish()
    assert len(lives) == BOTH
    expect(lives, talk, "client", CLIENT_FIRST, talk.client, sent=talk.asked, received=talk.answered)
    expect(lives, talk, "server", SERVER_SECOND, talk.server, sent=talk.answered, received=talk.asked)


def test_a_server_that_closes_first(room: Namespace, talk: Talk) -> None:
    """Who closes first is told by the states, not by the role."""
    with Watch("life", "--netns", room.name) as watch:
        talk.open()
        talk.exchange()
        talk.hang_up(talk.server)
        watch.until(BOTH)
        lives = watch.finish()
    assert len(lives) == BOTH
    expect(lives, talk, "client", CLIENT_SECOND, talk.client, sent=talk.asked, received=talk.answered)
    expect(lives, talk, "server", SERVER_FIRST, talk.server, sent=talk.answered, received=talk.asked)


def test_a_client_that_closes_and_does_not_look_back(room: Namespace, talk: Talk) -> None:
    """An orphan in FIN_WAIT2 is given to the kernel's small time-wait object, so that is the last state seen."""
    with Watch("life", "--netns", room.name) as watch:
        talk.open()
        talk.exchange()
        talk.client.do("close")
        ss_until(room, count_state("FIN_WAIT2", CONNECTIONS))
        talk.server.do("close")
        watch.until(BOTH)
        lives = watch.finish()
    assert len(lives) == BOTH
    expect(lives, talk, "client", CLIENT_FIRST[:-1], talk.client, sent=talk.asked, received=talk.answered)
    expect(lives, talk, "server", SERVER_SECOND, talk.server, sent=talk.answered, received=talk.asked)


def test_half_close(room: Namespace, talk: Talk) -> None:
    """A client that has said all it has to say still hears, and what it hears counts."""
    with Watch("life", "--netns", room.name) as watch:
        talk.open()
        talk.ask()
        talk.client.do("shutdown")
        ss_until(room, count_state("FIN_WAIT2", CONNECTIONS))
        talk.answer()
        talk.server.do("close")
        talk.client.do("drain")
        talk.client.do("close")
        watch.until(BOTH)
        lives = watch.finish()
    assert len(lives) == BOTH
    expect(lives, talk, "client", CLIENT_FIRST, talk.client, sent=talk.asked, received=talk.answered)
    expect(lives, talk, "server", SERVER_SECOND, talk.server, sent=talk.answered, received=talk.asked)


def tells_of_refusals() -> bool:
    """Whether this kernel tells of resets that no socket sends: since 19822a980e19 (6.10) by the tracepoint, else by
    functions, where they can be hooked."""
    loaded = Programs(1 << 20, Knobs(), LOADER)
    try:
        return any(probe.attached and probe.name == "tcp_v4_send_reset" for probe in loaded.probes) or any(
            probe.name == "tcp_send_reset" and not probe.without for probe in loaded.probes
        )
    finally:
        loaded.close()


@pytest.mark.parametrize("first", ["client", "server"])
def test_a_reset(room: Namespace, talk: Talk, first: str) -> None:
    """Who resets sends it, the other one receives it, and both lives end without a goodbye."""
    sender, receiver = (talk.client, talk.server) if first == "client" else (talk.server, talk.client)
    with Watch("events", "--netns", room.name) as events, Watch("life", "--netns", room.name) as watch:
        talk.open()
        talk.exchange()
        sender.do("reset")
        assert receiver.do("broken") == ["ECONNRESET"] * CONNECTIONS
        resets = events.until(BOTH, lambda event: event["event"].startswith("reset_"))
        watch.until(BOTH)
        lives = watch.finish()
    assert len(lives) == BOTH
    expect(lives, talk, "client", CLIENT_RESET, talk.client, sent=talk.asked, received=talk.answered)
    expect(lives, talk, "server", SERVER_RESET, talk.server, sent=talk.answered, received=talk.asked)
    remote = "rport" if first == "client" else "lport"
    told = Counter((event["event"], event[remote] == talk.port, event["pid"]) for event in resets)
    assert told.pop(("reset_sent", True, sender.pid)) == CONNECTIONS
    # an accepted socket's process may not have been looked up yet when the reset comes: unknown, never another
    assert (
        told.pop(("reset_received", False, receiver.pid), 0) + told.pop(("reset_received", False, None), 0)
        == CONNECTIONS
    )
    assert not told


def test_refused(room: Namespace, client: Actor, server: Actor) -> None:
    """A SYN to a closed port: one state, the reset's arrival and, where the kernel tells, a reset from no socket."""
    told_of_sending = CONNECTIONS if tells_of_refusals() else 0
    talk = Talk(client, server)
    server.do("unlisten")
    with Watch("events", "--netns", room.name) as events, Watch("life", "--netns", room.name) as watch:
        talk.ports = client.do("begin", address=talk.address, port=talk.port, count=CONNECTIONS)
        assert client.do("finish") == ["ECONNREFUSED"] * CONNECTIONS
        resets = events.until(CONNECTIONS + told_of_sending, lambda event: event["event"].startswith("reset_"))
        watch.until(CONNECTIONS)
        lives = watch.finish()
        client.do("close")
    assert len(lives) == CONNECTIONS
    expect(lives, talk, "client", ["SYN_SENT"], client, sent=nothing(talk), received=nothing(talk))
    assert all(life["handshake_us"] is None for life in lives)
    sent = [event for event in resets if event["event"] == "reset_sent"]
    received = [event for event in resets if event["event"] == "reset_received"]
    assert sorted(event["rport"] for event in sent) == sorted(talk.ports)[:told_of_sending]
    for event in sent:
        assert (event["laddr"], event["raddr"]) == ("127.0.0.1", "127.0.0.1"), event
        assert (event["lport"], event["reason"], event["conn"]) == (talk.port, "NO_SOCKET", None), event
    assert sorted((event["lport"], event["pid"]) for event in received) == sorted((p, client.pid) for p in talk.ports)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_resets_for_closed_ports(room: Namespace, client: Actor, address: str) -> None:
    """Each that the kernel counts, with the peer's end and ours, and the kernel's reason."""
    tells = tells_of_refusals()
    with Watch("events", "--netns", room.name) as watch:
        assert client.do("attempt", address=address, port=CLOSED, count=CONNECTIONS) == ["ECONNREFUSED"] * CONNECTIONS
        watch.until(CONNECTIONS, lambda event: event["event"] == "reset_received")
        told = [event for event in watch.finish() if event["event"] == "reset_sent"]
    assert counters(room)["TcpOutRsts"] == CONNECTIONS
    assert len(told) == (CONNECTIONS if tells else 0)
    assert len({event["rport"] for event in told}) == len(told)
    for event in told:
        assert (event["laddr"], event["lport"], event["raddr"]) == (address, CLOSED, address), event
        assert (event["reason"], event["conn"]) == ("NO_SOCKET", None), event


def test_an_unanswered_syn(room: Namespace, talk: Talk) -> None:
    """Silence: the SYN is sent again as often as allowed, then the life ends as it began."""
    room.nft("input", f"tcp dport {talk.port} counter drop")
    with Watch("events", "--netns", room.name) as events, Watch("life", "--netns", room.name) as watch:
        talk.ports = talk.client.do(
            "begin", address=talk.address, port=talk.port, count=CONNECTIONS, options={"TCP_SYNCNT": 1}
        )
        assert talk.client.do("finish") == ["ETIMEDOUT"] * CONNECTIONS
        watch.until(CONNECTIONS)
        lives = watch.finish()
        repeats = room.dropped() - CONNECTIONS
        again = events.until(repeats, lambda event: event["event"] == "retransmit")
        talk.client.do("close")
    assert len(lives) == CONNECTIONS
    assert len(again) == repeats >= CONNECTIONS
    assert {(event["new_state"], event["count"]) for event in again} == {("SYN_SENT", 1)}
    times = Counter(event["lport"] for event in again)
    none, told = nothing(talk), [times[port] for port in talk.ports]
    expect(lives, talk, "client", ["SYN_SENT"], talk.client, sent=none, received=none, retrans=told)


@pytest.mark.parametrize(
    ("listen", "connect", "shown"),
    [("::1", "::1", "::1"), ("::", "127.0.0.1", "127.0.0.1")],
    ids=["ipv6", "ipv4-mapped"],
)
def test_address_families(room: Namespace, client: Actor, server: Actor, listen: str, connect: str, shown: str) -> None:
    """IPv6 is shown as such; an IPv4 client of an IPv6 socket is shown as the IPv4 it is."""
    talk = Talk(client, server, listen, connect)
    with Watch("life", "--netns", room.name) as watch:
        talk.open()
        talk.exchange()
        talk.hang_up(talk.client)
        watch.until(BOTH)
        lives = watch.finish()
    assert {(life["laddr"], life["raddr"]) for life in lives} == {(shown, shown)}
    expect(lives, talk, "client", CLIENT_FIRST, talk.client, sent=talk.asked, received=talk.answered, address=shown)
    expect(lives, talk, "server", SERVER_SECOND, talk.server, sent=talk.answered, received=talk.asked, address=shown)
