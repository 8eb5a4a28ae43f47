"""Are the local ports that are left those that the kernel has left? Real connections in a small range, to the last."""

from collections import Counter
from collections.abc import Callable

import numpy as np

from tcpwatch import wire
from tcpwatch.scenarios.actor import Actor
from tcpwatch.scenarios.namespace import Namespace, join
from tcpwatch.scenarios.talk import CONNECTIONS
from tcpwatch.tracker.view import View

from .session import Screen
from .witness import count_state, ss_until

FIRST, ROUNDS = 40_000, 4
RANGE = ROUNDS * CONNECTIONS  # even: of an odd range the kernel leaves one port out at each attempt


def used(count: int, waiting: int) -> Callable[[View], bool]:
    """One destination has so many ports in use, so many of them in TIME_WAIT."""
    return lambda view: (view.ports["used"].tolist(), view.ports["time_wait"].tolist()) == ([count], [waiting])


def test_ports_run_out_when_we_say_so(rooms: tuple[Namespace, Namespace]) -> None:
    """23 at a time pile up in TIME_WAIT, as ss counts them, until none is left and the next 23 connects fail."""
    left, right = rooms
    join(left, right)
    # rfc1337: a late ACK may meet a server that is done, whose reset would end the TIME_WAIT
    left.set(
        ip_local_port_range=f"{FIRST} {FIRST + RANGE - 1}", ip_local_reserved_ports="80,50000-50003", tcp_rfc1337=1
    )
    with Actor(left, b"tw-client") as client, Actor(right, b"tw-server") as server, Screen(left) as screen:
        port = server.do("listen", address=right.address)
        there = {"address": right.address, "port": port}
        for turn in range(1, ROUNDS + 1):
            client.do("begin", **there, count=CONNECTIONS)
            server.do("accept", count=CONNECTIONS)
            client.do("finish")
            view = screen.until(used(turn * CONNECTIONS, (turn - 1) * CONNECTIONS), f"{CONNECTIONS} more")
            client.do("shutdown")
            server.do("drain")
            server.do("close")
            client.do("drain")
            client.do("close")
            view = screen.until(used(turn * CONNECTIONS, turn * CONNECTIONS), "all in TIME_WAIT")
            seen = ss_until(left, count_state("TIME_WAIT", turn * CONNECTIONS))
            states = Counter(line.state for line in seen.values())
            (line,) = view.ports
            assert line["used"] == len({line.local[1] for line in seen.values()}) == turn * CONNECTIONS
            assert line["time_wait"] == states["TIME_WAIT"]
            assert (line["ports"], line["free"]) == (RANGE, RANGE - turn * CONNECTIONS)
            assert line["rport"] == port
            assert line["comm"] == b"tw-client"
            assert line["pid"] == client.pid
            if turn == 2:
                view = screen.until(lambda v: not np.isnan(v.ports["exhausted_s"][0]), "the end in sight")
                assert 0 < view.ports["exhausted_s"][0] < 60
        assert view.ports["exhausted_s"][0] == 0
        assert view.ports["rate"][0] > 0
        failed = client.do("attempt", **there, count=CONNECTIONS)
        assert failed == ["EADDRNOTAVAIL"] * CONNECTIONS
        view = screen.until(lambda v: v.ports["failures"][0] == CONNECTIONS, "connects that failed")
        (line,) = view.ports
        assert (line["failures"], line["free"], line["exhausted_s"]) == (CONNECTIONS, 0, 0)


def test_where_time_wait_is_reused_ports_do_not_run_out(room: Namespace) -> None:
    """On loopback, as tcp_tw_reuse stands at 2: a second later the same ports serve again."""
    # all are open before the first is closed: on a slow machine a later connect would take a waiting port already
    room.set(ip_local_port_range=f"{FIRST} {FIRST + RANGE - 1}", tcp_rfc1337=1)
    with Actor(room, b"tw-client") as client, Actor(room, b"tw-server") as server, Screen(room) as screen:
        port = server.do("listen", address="127.0.0.1", port=9000)
        for _ in range(ROUNDS):
            client.do("connect", address="127.0.0.1", port=port, count=CONNECTIONS)
            server.do("accept", count=CONNECTIONS)
        client.do("shutdown")
        server.do("drain")
        server.do("close")
        client.do("drain")
        client.do("close")
        view = screen.until(lambda v: v.ports["reusable"].tolist() == [RANGE], "all may be reused")
        assert used(RANGE, RANGE)(view)
        assert (view.ports["free"][0], np.isnan(view.ports["exhausted_s"][0])) == (0, True)
        client.do("connect", address="127.0.0.1", port=port, count=CONNECTIONS)
        view = screen.until(used(RANGE, RANGE - CONNECTIONS), "ports in use again")
        assert view.ports["failures"][0] == 0


def test_listening_and_reserved_ports_are_never_given_out(room: Namespace) -> None:
    """What is free, and no more, can be connected; the very next one fails."""
    room.set(
        ip_local_port_range=f"{FIRST} {FIRST + 31}", ip_local_reserved_ports=f"{FIRST + 2}-{FIRST + 3}", tcp_tw_reuse=0
    )
    with Actor(room, b"tw-client") as client, Actor(room, b"tw-server") as server, Screen(room) as screen:
        server.do("listen", address="127.0.0.1", port=FIRST + 8)
        port = server.do("listen", address="127.0.0.1", port=FIRST + 9)
        ports = client.do("connect", address="127.0.0.1", port=port)
        view = screen.until(used(1, 0), "the first")
        (line,) = view.ports
        assert line["ports"] == 28
        ports += client.do("connect", address="127.0.0.1", port=port, count=int(line["free"]))
        view = screen.until(used(28, 0), "the last")
        assert sorted(ports) == [p for p in range(FIRST, FIRST + 32) if p - FIRST not in (2, 3, 8, 9)]
        assert view.ports["free"][0] == 0
        assert client.do("attempt", address="127.0.0.1", port=port, count=1) == ["EADDRNOTAVAIL"]
        assert view.connections["state"].tolist().count(wire.ESTABLISHED) >= 28
