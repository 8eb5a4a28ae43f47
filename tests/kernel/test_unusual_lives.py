"""Does the life of a connection say how it really went, when it went as textbooks only mention in passing?"""

import errno
import sys
import time
from collections import Counter
from itertools import pairwise

import pytest

from tcpwatch.scenarios.actor import Actor
from tcpwatch.scenarios.cable import FIN, SYN, Cable
from tcpwatch.scenarios.namespace import Namespace
from tcpwatch.scenarios.talk import CONNECTIONS, Talk

from .lives import (
    CLIENT_FIRST,
    CLIENT_RESET,
    SERVER_RESET,
    SERVER_SECOND,
    by_port,
    check_times,
    expect,
    nothing,
)
from .watch import Record, Watch, snapshot
from .witness import count_state, counters, settled, ss_until

BOTH = 2 * CONNECTIONS
Rooms = tuple[Namespace, Namespace]


def test_simultaneous_close(rooms: Rooms) -> None:
    """Both goodbyes are on the way before either arrives: both ends go through CLOSING."""
    left, right = rooms
    for room in rooms:
        room.set(tcp_early_retrans=0)  # a tail-loss probe is due after milliseconds, for which the cable may be busy
    with Cable(left, right) as cable, Actor(left, b"tw-left") as client, Actor(right, b"tw-right") as server:
        talk = Talk(client, server)
        with Watch("life", "--netns", "all", "-f", f"sport = :{talk.port} or dport = :{talk.port}") as watch:
            talk.open()
            talk.exchange()
            for room in rooms:
                ss_until(room, settled)  # what is held is a goodbye, and nothing else is sent again
            cable.hold()
            client.do("shutdown")
            server.do("shutdown")
            cable.wait_for(CONNECTIONS, FIN)
            cable.release()
            watch.until(BOTH)
            lives = watch.finish()
        sent_again = cable.repeats(FIN, 0, talk.ports)
    crossed = ["ESTABLISHED", "FIN_WAIT1", "CLOSING", "TIME_WAIT"]
    asked, answered = talk.asked, talk.answered
    assert len(lives) == BOTH
    expect(lives, talk, "client", ["SYN_SENT", *crossed], client, sent=asked, received=answered, retrans=sent_again)
    found = by_port(lives, talk, "server")
    talk.address = left.address
    again = [found[port]["retrans"] for port in talk.ports]  # one port for all: the cable cannot tell them apart
    assert sum(again) == cable.count(FIN, 1) - CONNECTIONS
    expect(lives, talk, "server", ["SYN_RECV", *crossed], server, sent=answered, received=asked, retrans=again)
    assert {life["netns"] for life in found.values()} == {right.name}


def test_a_close_right_after_a_shutdown(rooms: Rooms) -> None:
    """The kernel reports a step from FIN_WAIT1 to FIN_WAIT1 then; no state is entered twice."""
    left, right = rooms
    with Cable(left, right) as cable, Actor(left, b"tw-left") as client, Actor(right, b"tw-right") as server:
        talk = Talk(client, server)
        with Watch("events", "--netns", left.name) as events, Watch("life", "--netns", left.name) as watch:
            talk.open()
            talk.exchange()
            ss_until(left, settled)
            cable.hold()
            client.do("shutdown")
            client.do("close")
            cable.release()
            ss_until(left, count_state("FIN_WAIT2", CONNECTIONS))
            lives = watch.until(CONNECTIONS)
            events.finish()
            server.do("close")
        again = cable.repeats(FIN, 0, talk.ports)
    asked, answered = talk.asked, talk.answered
    expect(lives, talk, "client", CLIENT_FIRST[:-1], client, sent=asked, received=answered, retrans=again)
    steps = [(event["old_state"], event["new_state"]) for event in events.records if event["event"] == "state"]
    assert not [step for step in steps if step[0] == step[1]]


def test_simultaneous_open(rooms: Rooms) -> None:
    """Two that call each other at the same time get one connection, and both are clients."""
    left, right = rooms
    lefts, rights = list(range(5000, 5000 + CONNECTIONS)), list(range(6000, 6000 + CONNECTIONS))
    with (
        Cable(left, right) as cable,
        Actor(left, b"tw-left") as one,
        Actor(right, b"tw-right") as other,
        Watch("life", "--netns", left.name) as here,
        Watch("life", "--netns", right.name) as there,
    ):
        cable.hold()
        one.do("begin", address=right.address, port=rights[0], sources=lefts)
        other.do("begin", address=left.address, port=lefts[0], sources=rights)
        cable.wait_for(CONNECTIONS, SYN)
        cable.release()
        assert one.do("finish") == other.do("finish") == [""] * CONNECTIONS
        for step in ("shutdown", "close"):
            one.do(step)
            other.do("drain" if step == "shutdown" else step)
        lives = [*here.until(CONNECTIONS), *there.until(CONNECTIONS)]
    assert len(here.records) == len(there.records) == CONNECTIONS
    opened = ["SYN_SENT", "SYN_RECV", "ESTABLISHED"]
    for life in lives:
        first = life["netns"] == left.name
        end = ["FIN_WAIT1", "FIN_WAIT2"] if first else ["CLOSE_WAIT", "LAST_ACK"]
        names = [name for name, _ in life["states"]]
        actor = one if first else other
        assert names[: len(opened) + len(end)] == opened + end, names
        assert names[len(opened) + len(end) :] in ([], ["TIME_WAIT"]) if first else len(names) == 5, life
        assert (life["role"], life["pid"], life["comm"]) == ("client", actor.pid, actor.comm.decode()), life
        check_times(life)
    assert sorted(life["lport"] for life in lives) == lefts + rights
    assert all(abs(life["lport"] - life["rport"]) == 1000 for life in lives)


@pytest.mark.parametrize(
    ("way", "error", "verdict"),
    [("host-unreachable", "EHOSTUNREACH", "unreachable"), ("port-unreachable", "ECONNREFUSED", "rejected_by_firewall")],
)
def test_a_client_that_is_told_at_once(room: Namespace, way: str, error: str, verdict: str) -> None:
    """By a firewall on its own machine: connect() holds the socket still when the ICMP message comes. The client learns
    of it by asking, which takes the error off the socket, and closes it."""
    room.nft("output", f"tcp dport 7 reject with icmp type {way}")
    with Actor(room, b"tw-client") as client, Watch("life", "--netns", room.name) as watch:
        ports = client.do("begin", address=room.address, port=7, count=CONNECTIONS)
        assert client.do("finish") == [error] * CONNECTIONS
        client.do("close")
        watch.until(CONNECTIONS)
        lives = watch.finish()
    assert sorted(life["lport"] for life in lives) == sorted(ports)
    for life in lives:
        assert [name for name, _ in life["states"]] == ["SYN_SENT"], life
        assert life["verdict"] == verdict, life
        assert error in life["explanation"], life


# One socket calls twice, and is told at once that there is no way; the second call gets no answer
_CALLS = """
import ctypes, select, socket
with socket.socket() as caller:
    caller.setblocking(False)
    caller.connect_ex(("127.0.0.1", 7))
    select.select([], [caller], [], 5)
    print(caller.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
    assert ctypes.CDLL(None).connect(caller.fileno(), bytes(16), 16) == 0
    caller.connect_ex(("127.0.0.1", 9))
    select.select([caller], [], [], 0.3)
"""


def test_what_a_socket_was_told_before_is_not_told_of_its_next_call(room: Namespace) -> None:
    """The ICMP message waits in the socket's queue still."""
    room.nft("output", "tcp dport 7 reject with icmp type host-unreachable\ntcp dport 9 drop")
    with Watch("events", "--netns", room.name) as events, Watch("life", "--netns", room.name) as watch:
        told = int(room.run(sys.executable, "-c", _CALLS))
        watch.until(2)
        lives = watch.finish()
        steps = events.until(4, lambda event: event["event"] == "state")
    assert told == errno.EHOSTUNREACH
    ports = [life["lport"] for life in lives]
    assert len({*ports}) == 2
    # connect() has not chosen a port yet when it begins, and that of the call before is none of this one's
    assert [(step["new_state"], step["lport"]) for step in steps if step["new_state"] == "SYN_SENT"] == [
        ("SYN_SENT", ports[0]),
        ("SYN_SENT", ports[1]),
    ]
    assert [(life["rport"], life["verdict"]) for life in lives] == [(7, "unreachable"), (9, "given_up")]


def test_the_same_tuple_again_and_again(room: Namespace) -> None:
    """23 lives of one four-tuple, one after the other, are 23 connections at each end."""
    with Actor(room, b"tw-again") as actor:
        port = actor.do("listen", address=room.address)
        with Watch("life", "--netns", room.name) as watch:
            actor.do("reopen", address=room.address, port=port, source=4242, times=CONNECTIONS)
            watch.until(BOTH)
            lives = watch.finish()
    clients = [life for life in lives if life["role"] == "client"]
    servers = [life for life in lives if life["role"] == "server"]
    assert (len(lives), len(clients), len(servers)) == (BOTH, CONNECTIONS, CONNECTIONS)
    assert len({life["conn"] for life in lives}) == BOTH
    assert {(life["lport"], life["rport"]) for life in clients} == {(4242, port)}
    assert {(life["lport"], life["rport"]) for life in servers} == {(port, 4242)}
    for wanted, group in ((CLIENT_RESET, clients), (SERVER_RESET, servers)):
        assert all([name for name, _ in life["states"]] == wanted for life in group)
        assert all((life["pid"], life["comm"]) == (actor.pid, "tw-again") for life in group)
        ends = sorted((life["opened_ns"], life["closed_ns"]) for life in group)
        assert all(one[1] <= next_[0] for one, next_ in pairwise(ends))


def test_connections_older_than_the_watch(room: Namespace, talk: Talk) -> None:
    """What was open before is seen, its bytes from the very start; what nobody saw is unknown."""
    talk.open()
    talk.exchange()
    with Watch("life", "--netns", room.name) as watch:
        rows = snapshot("--netns", room.name)
        talk.hang_up(talk.client)
        watch.until(BOTH)
        lives = watch.finish()
    states = [row["state"] for row in rows]
    assert (len(rows), states.count("ESTABLISHED"), states.count("LISTEN")) == (BOTH + 1, BOTH, 1)
    assert len(lives) == BOTH
    for end, states, actor, sent, received in (
        ("client", CLIENT_FIRST, talk.client, talk.asked, talk.answered),
        ("server", SERVER_SECOND, talk.server, talk.answered, talk.asked),
    ):
        found = by_port(lives, talk, end)
        for port, out, back in zip(talk.ports, sent, received, strict=True):
            life = found[port]
            assert (life["opened_ns"], life["handshake_us"], life["duration_us"]) == (None, None, None), life
            assert [name for name, _ in life["states"]] == states[1:], life
            assert life["states"][0][1] is None, life
            assert (life["pid"], life["comm"]) == (actor.pid, actor.comm.decode()), life
            assert (life["bytes_sent"], life["bytes_received"], life["retrans"]) == (out, back, 0), life
            assert life["role"] in (end, None), life
    assert {life["role"] for life in by_port(lives, talk, "server").values()} == {"server"}  # its listener is known


def test_synacks_sent_again(room: Namespace, talk: Talk) -> None:
    """A handshake whose last step got lost: half-open in the snapshot, one more SYN-ACK each, a second of handshake."""
    before = counters(room)
    room.nft("input", f"tcp dport {talk.port} tcp flags & (syn | ack | psh | fin | rst) == ack drop")
    with Watch("events", "--netns", room.name) as events, Watch("life", "--netns", room.name) as watch:
        talk.ports = talk.client.do("connect", address=talk.address, port=talk.port, count=CONNECTIONS)
        events.until(CONNECTIONS, is_synack)
        ss_until(room, count_state("SYN_RECV", CONNECTIONS))
        begin_ns = time.time_ns()
        half_open = [row for row in snapshot("--netns", room.name) if row["state"] == "SYN_RECV"]
        end_ns = time.time_ns()
        room.nft("input", "")
        talk.client.do("send", sizes=talk.asked)
        talk.server.do("accept", count=CONNECTIONS)
        talk.hang_up(talk.client)
        watch.until(BOTH)
        lives = watch.finish()
    after = counters(room)
    again = Counter(event["rport"] for event in events.records if is_synack(event))
    assert again.total() == after["TcpExtTCPSynRetrans"] - before["TcpExtTCPSynRetrans"]
    assert again.total() == after["TcpRetransSegs"] - before["TcpRetransSegs"]
    assert sorted(row["rport"] for row in half_open) == sorted(again) == sorted(talk.ports)
    # by the time of the snapshot, which on a busy machine takes so long that more are sent
    least, most = (repeats(events.records, ns) for ns in (begin_ns, end_ns))
    for row in half_open:
        assert row["lport"] == talk.port
        assert least[row["rport"]] <= row["retrans"] <= most[row["rport"]]
    none, told = nothing(talk), [again[port] for port in talk.ports]
    expect(lives, talk, "client", CLIENT_FIRST, talk.client, sent=talk.asked, received=none)
    expect(lives, talk, "server", SERVER_SECOND, talk.server, sent=none, received=talk.asked, retrans=told)
    assert all(life["handshake_us"] >= 900_000 for life in by_port(lives, talk, "server").values())
    assert all(life["handshake_us"] < 900_000 for life in by_port(lives, talk, "client").values())


def repeats(events: list[Record], until_ns: int) -> Counter[int]:
    """SYN-ACKs sent again up to a moment, by the client's port."""
    return Counter(event["rport"] for event in events if is_synack(event) and event["time_ns"] <= until_ns)


def is_synack(event: Record) -> bool:
    return bool(event["event"] == "synack_retransmit")
