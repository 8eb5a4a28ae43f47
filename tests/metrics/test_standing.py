"""Do gauges say how things stand: connections, listeners, local ports?"""

import numpy as np

from tcpwatch import wire
from tests.tracker import build

from .room import CLIENT, LOCAL, REMOTE, SERVER, Room, listener, listening, snapshot_frame


def test_connections_stand_by_state_and_trouble() -> None:
    """Half-open ones and TIME_WAIT are there, listeners are not; together as many as the view has."""
    room = Room("port")
    shown = build.sockets(
        listening(),
        {**CLIENT, "cookie": 2, "state": wire.ESTABLISHED},
        {**CLIENT, "cookie": 3, "state": wire.CLOSE_WAIT},
        {**SERVER, "cookie": 4, "sort": wire.REQUEST, "state": wire.SYN_RECV},
        {**CLIENT, "cookie": 5, "sort": wire.TIME_WAIT_SORT, "state": wire.TIME_WAIT},
        {**CLIENT, "cookie": 6, "sort": wire.TIME_WAIT_SORT, "state": wire.TIME_WAIT, "lport": 50_001},
    )
    for second in (1, 100):
        room.fold(build.frame(second, snapshot=shown, begin=second - 0.1))
    assert room.series("connections") == {
        "port=443 state=ESTABLISHED": 1,
        "port=443 state=CLOSE_WAIT": 1,
        "port=443 state=TIME_WAIT": 2,
        "port=80 state=SYN_RECV": 1,
    }
    states = room.tracker.view().states
    assert room.total("connections") == states.sum() - states[wire.LISTEN]
    assert room.total("connections_ailing") == np.count_nonzero(room.tracker.view().connections["verdict"])


def test_none_of_a_known_service_is_zero() -> None:
    """A line that goes down to 0 is a line; one that breaks off says that nobody knows."""
    room = Room("port")
    room.fold(snapshot_frame(1))
    assert room.series("connections") == {"port=443 state=ESTABLISHED": 1}
    for second in (2, 3):
        room.fold(build.frame(second, snapshot=build.sockets(), begin=second - 0.1))
    assert room.series("connections") == {"port=443 state=ESTABLISHED": 0}


def test_the_worst_destination_stands_for_its_group() -> None:
    """The one with the fewest ports left."""
    room = Room("port")
    settings = ((1, (("net.ipv4.ip_local_port_range", "50000 50099"),)),)
    near = [{**CLIENT, "cookie": 10 + i, "state": 1, "lport": 50_000 + i} for i in range(23)]
    far = [{**CLIENT, "cookie": 50 + i, "state": 1, "lport": 50_000 + i, "raddr": [9] * 16} for i in range(7)]
    waits = {**CLIENT, "cookie": 90, "lport": 50_050, "sort": wire.TIME_WAIT_SORT, "state": wire.TIME_WAIT}
    room.fold(build.frame(1, snapshot=build.sockets(*near, *far, waits), settings=settings))
    numbers = {name: room.series(f"ports_{name}") for name in ("used", "time_wait", "free", "available")}
    assert numbers == {
        "used": {"port=443": 24},
        "time_wait": {"port=443": 1},
        "free": {"port=443": 76},
        "available": {"port=443": 100},
    }
    assert room.series("ports_exhaustion_seconds") == {}


def test_listeners_say_how_full_they_are() -> None:
    """Sums of the port's, the fullest for the ratio, and counters that begin at 0."""
    room = Room("port", "comm")
    two = [
        listening(recv_queue=3, send_queue=4, half_open=2),
        listening(cookie=10, recv_queue=1, send_queue=4, half_open=5, laddr=REMOTE),
    ]
    room.fold(build.frame(1, listener(), listener(cookie=10, laddr=REMOTE), snapshot=build.sockets(*two), begin=0.9))
    labels = "port=80 comm=nginx"
    assert room.series("listener_accept_queue_length") == {labels: 4}
    assert room.series("listener_accept_queue_limit") == {labels: 8}
    assert room.series("listener_syn_queue_length") == {labels: 7}
    assert room.series("listener_accept_queue_fill_ratio") == {labels: 0.75}
    assert room.series("listener_drops") == room.series("listener_accepts") == {labels: 0}
    for second in (2, 3, 4):
        room.fold(build.frame(second, snapshot=build.sockets(), begin=second - 0.1))
    assert room.series("listener_accept_queue_length") == {}


def test_half_open_ones_that_come_to_nothing_are_no_lives() -> None:
    """A flood opens and closes nothing."""
    room = Room("role")
    half = [
        {**SERVER, "cookie": 20 + i, "sort": wire.REQUEST, "state": wire.SYN_RECV, "since_ns": 1, "laddr": LOCAL}
        for i in range(23)
    ]
    room.fold(build.frame(1, snapshot=build.sockets(*half), begin=0.9))
    assert room.series("connections") == {"role=server state=SYN_RECV": 23}
    for second in (2, 3, 4):
        room.fold(build.frame(second, snapshot=build.sockets(), begin=second - 0.1))
    assert room.total("connections_opened") == room.total("connections_closed") == 0
