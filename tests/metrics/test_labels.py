"""Does each connection go by the labels that docs/metrics.md promises?"""

from typing import Any

import numpy as np
import pytest

from tcpwatch import wire
from tcpwatch.frame import Process
from tcpwatch.metrics import parse
from tests.tracker import build

from .room import CLIENT, LOCAL, LOOPBACK, REMOTE, SERVER, Room, life, listener, listening

OPENED = "connections_opened"


def test_a_client_goes_by_the_port_it_calls() -> None:
    """Its own port was chosen by the kernel."""
    room = Room("port", "role", "comm", "family")
    room.fold(build.frame(1, life(0, 1), life(0, 2, lport=50_001)))
    assert room.series(OPENED) == {"port=443 role=client family=ipv4 comm=curl": 2}


def test_a_server_goes_by_the_port_it_serves() -> None:
    """And while nobody has accepted a connection, by its listener's name."""
    room = Room("port", "role", "comm")
    room.fold(build.frame(0.5, listener()), build.frame(2, life(0.6, 1, server=True), begin=0), build.frame(4))
    assert room.series(OPENED) == {"port=80 role=server comm=nginx": 1}


def test_a_port_that_the_kernel_chooses_is_ephemeral() -> None:
    """Unless somebody here listens on it."""
    room = Room("port")
    room.fold(build.frame(1, life(0, 1, rport=50_051)))
    assert room.series(OPENED) == {"port=ephemeral": 1}
    room.fold(build.frame(2, listener(1.5, lport=50_051)), build.frame(3, life(2, 2, rport=50_051)))
    assert room.series(OPENED) == {"port=ephemeral": 1, "port=50051": 1}


def test_the_range_is_the_namespaces_own() -> None:
    """ip_local_port_range of that namespace, the usual one elsewhere."""
    room = Room("port", "netns")
    settings = ((2, (("net.ipv4.ip_local_port_range", "400 500"),)),)
    room.fold(
        build.frame(0.5, settings=settings),
        build.frame(1, life(0.6, 1), life(0.6, 2, netns=2), life(0.6, 3, netns=2, rport=50_000)),
    )
    assert room.series(OPENED) == {
        "netns=1 port=443": 1,
        "netns=2 port=ephemeral": 1,
        "netns=2 port=50000": 1,
    }


def test_a_namespace_goes_by_its_name() -> None:
    """As `ip netns` knows it, else by its inode number; a new name counts from then on."""
    room = Room("netns")
    room.fold(build.frame(1, life(0, 1), life(0, 2, netns=2), namespaces=((2, "blue\x1b"),)))
    assert room.series(OPENED) == {"netns=1": 1, "netns=blue?": 1}
    room.fold(build.frame(2, life(1.5, 3, netns=2), namespaces=((2, "red"),)))
    assert room.series(OPENED) == {"netns=1": 1, "netns=blue?": 1, "netns=red": 1}


@pytest.mark.parametrize(
    ("laddr", "raddr", "expected"),
    [
        (LOCAL, REMOTE, "family=ipv4 network=lab"),
        (LOCAL, [0] * 10 + [255, 255, 8, 8, 8, 8], "family=ipv4 network=other"),
        (LOOPBACK, LOOPBACK, "family=ipv4 network=loopback"),
        ([32] * 16, [33] * 16, "family=ipv6 network=other"),
        ([0] * 15 + [1], [0] * 15 + [1], "family=ipv6 network=loopback"),
    ],
)
def test_the_remote_network_has_a_name(laddr: list[int], raddr: list[int], expected: str) -> None:
    """By the groups that were given. A mapped address on an IPv6 socket is IPv4."""
    room = Room("family", "network", networks=[parse("10.0.0.0/24=lab")])
    room.fold(build.frame(1, life(0, 1, laddr=laddr, raddr=raddr, family=wire.INET6)))
    assert room.series(OPENED) == {expected: 1}


def test_a_short_connection_has_the_cgroup_of_its_process() -> None:
    """No snapshot ever showed the socket; a process of another name by the same number does not count."""
    room = Room("cgroup", "comm")
    known = (Process(5, 1, "curl", "curl", "/system.slice/cron.service"),)
    room.fold(build.frame(1, life(0, 1), life(0, 2, comm=b"wget"), processes=known))
    assert room.series(OPENED) == {"comm=curl cgroup=cron.service": 1, "comm=wget": 1}


def test_a_short_connection_has_the_cgroup_of_its_listener() -> None:
    """As the kernel gives it to what is accepted."""
    room = Room("cgroup", "role")
    snapshot = build.sockets(listening())
    room.fold(
        build.frame(0.5, listener(), snapshot=snapshot, cgroups=((5, "/system.slice/nginx.service"),)),
        build.frame(2, life(0.6, 1, server=True, pid=8, comm=b"worker"), begin=0),
    )
    assert room.series(OPENED) == {"role=server cgroup=nginx.service": 1}


def test_the_comm_that_becomes_known_counts() -> None:
    """Who accepted a connection is asked for a moment later: until then it is not counted, and nothing is lost."""
    room = Room("comm", "port")
    accepted = build.moves((3, 1), at=0, **SERVER, flags=wire.EVENT_SOCKET, bytes_received=700)
    seen = {**SERVER, "state": 1, "bytes_received": 700, "segs_in": 3}
    room.fold(build.frame(0.2, accepted, snapshot=build.sockets(seen)))
    assert room.series(OPENED) == room.series("received_bytes") == {}
    owner = build.owners({"pid": 6, "comm": b"worker", "start_ns": 1})
    room.fold(
        build.frame(0.9, snapshot=build.sockets(seen), owners=owner), build.frame(1.0, snapshot=build.sockets(seen))
    )
    assert room.series(OPENED) == {"port=80 comm=worker": 1}
    assert room.series("received_bytes") == {"port=80 comm=worker": 700}


def test_a_comm_that_changes_takes_only_what_follows() -> None:
    """A descriptor handed to another process: no number goes down."""
    room = Room("comm")
    open_ = build.moves((7, 2), (2, 1), at=0, **CLIENT, pid=5, comm=b"first", flags=wire.EVENT_SOCKET)
    for second, sent in enumerate((100, 250, 400), 1):
        shown = build.sockets({**CLIENT, "state": 1, "bytes_sent": sent, "segs_out": second})
        owner = build.owners({"pid": 4 + second, "comm": b"first" if second < 3 else b"second", "start_ns": second})
        room.fold(
            build.frame(second, open_[: 2 if second == 1 else 0], snapshot=shown, begin=second - 0.1, owners=owner)
        )
        if second == 1:
            assert room.series("sent_bytes") == {"comm=first": 100}
    room.fold(
        build.frame(3.5, snapshot=build.sockets({**CLIENT, "state": 1, "bytes_sent": 401, "segs_out": 9}), begin=3.4)
    )
    series = room.series("sent_bytes")
    assert series["comm=first"] >= 250
    assert series["comm=second"] >= 1
    assert sum(series.values()) == 401


@pytest.mark.parametrize("comm", [b"\x1b[2J", b"a\nb", b"\xff\xfe", b'"', b"\\"])
def test_hostile_names_arrive_harmless(comm: bytes) -> None:
    """Nothing that moves a cursor or breaks a line reaches a label."""
    room = Room("comm")
    room.fold(build.frame(1, life(0, 1, comm=comm)))
    (values,) = room.picture().family(OPENED).values
    assert all(c.isprintable() for c in values[0])


def test_a_scan_of_all_ports_makes_no_services() -> None:
    """The resets for ports where nobody listens go by no port."""
    room = Room("port", "role")
    resets = [
        build.event(wire.RESET_SENT, wire.CLOSE, cookie=0, lport=port, rport=40_000, laddr=LOCAL, raddr=REMOTE, flags=0)
        for port in range(1, 24)
    ]
    room.fold(build.frame(1, *resets))
    assert room.series("resets") == {"direction=sent reason=inferred_no_socket": 23}


def test_left_out_labels_are_added_up() -> None:
    """The sums are those of all labels."""
    wide, narrow, none = Room(), Room("role"), Room("network")
    facts: list[dict[str, Any]] = [{"rport": port, "comm": comm} for port in (80, 443) for comm in (b"a", b"b")]
    for room in (wide, narrow, none):
        room.fold(build.frame(1, *(life(0, 1 + i, **one) for i, one in enumerate(facts))))
    assert len(wide.series(OPENED)) == 4
    assert narrow.series(OPENED) == {"role=client": 4}
    assert none.series(OPENED) == {"": 4}


def test_the_place_of_a_service_does_not_depend_on_the_moment() -> None:
    """Gauges and counters of one connection carry the same labels."""
    room = Room()
    room.fold(build.frame(1, listener(), snapshot=build.sockets(listening()), cgroups=((5, "/a.service"),)))
    accepted = build.moves((3, 1), at=1.1, **SERVER, cookie=3, flags=wire.EVENT_SOCKET)
    room.fold(build.frame(2, accepted), build.frame(5))
    (opened,) = room.picture().family(OPENED).values
    (standing,) = room.picture().family("connections").values
    assert standing == (*opened, "ESTABLISHED")
    assert "a.service" in opened


def test_numbers_have_one_type() -> None:
    """Exporters write floats."""
    room = Room()
    room.fold(build.frame(1, life(0, 1)))
    assert all(family.numbers.dtype == np.float64 for family in room.picture().families)
