"""How many ports are left, and for how long? Lives written down by hand, with the answer known."""

from typing import Any

import numpy as np
import pytest

from tcpwatch import wire
from tcpwatch.frame import Frame
from tcpwatch.tracker.exhaustion import exhaustion_s
from tcpwatch.tracker.tracker import Tracker
from tcpwatch.tracker.view import View

from .build import event, frame, moves, sockets
from .machine import HOST

HERE, THERE = (bytes([*[0] * 10, 255, 255, 10, 0, 0, last]) for last in (7, 9))
LOOP = bytes([*[0] * 10, 255, 255, 127, 0, 0, 1])
OPEN = ((7, 2), (2, 1))
GOODBYE = ((1, 4), (4, 5), (5, 7))


def ends(to: bytes = THERE, source: bytes = HERE, rport: int = 5432) -> dict[str, Any]:
    return {
        "laddr": np.frombuffer(source, np.uint8),
        "raddr": np.frombuffer(to, np.uint8),
        "rport": rport,
        "family": wire.INET,
    }


def settings(**more: str) -> tuple[tuple[int, tuple[tuple[str, str], ...]], ...]:
    values = {"ip_local_port_range": "40000 40099", "tcp_tw_reuse": "0", "tcp_timestamps": "1"} | more
    return ((1, tuple((f"net.ipv4.{name}", value) for name, value in values.items())),)


def watched(*frames: Frame) -> View:
    tracker = Tracker(keep_closed=100, history_bytes=1 << 20)
    for one in frames:
        tracker.fold(one)
        tracker.view()
    return tracker.view()


def opened(count: int, at: float = 0.0, first: int = 0, **common: Any) -> list[np.ndarray]:
    """Connections from ports 40000 on."""
    return [
        moves(*OPEN, at=at, cookie=1 + first + i, lport=40000 + first + i, **{**ends(), **common}) for i in range(count)
    ]


def waiting(count: int, at: float, first: int = 0) -> list[np.ndarray]:
    """They close first, and wait for a minute."""
    flags = wire.EVENT_SOCKET | wire.EVENT_FIN_RECEIVED
    common = ends()
    return [
        moves(*GOODBYE, at=at, cookie=1 + first + i, lport=40000 + first + i, flags=flags, **common)
        for i in range(count)
    ]


def test_ports_are_counted_by_destination() -> None:
    """Two destinations, each with all ports of the range to itself; TIME_WAIT is part of what is used."""
    events = [*opened(23), *opened(7, first=50, **ends(rport=80)), *waiting(5, at=0.5)]
    view = watched(frame(1, *events, settings=settings()))
    found = {int(line["rport"]): line for line in view.ports}
    assert [(found[p]["used"], found[p]["time_wait"], found[p]["free"]) for p in (5432, 80)] == [
        (23, 5, 77),
        (7, 0, 93),
    ]
    lines = view.port_of[np.argsort(view.connections["cookie"])]
    assert (view.ports["rport"][lines] == np.repeat([5432, 80], [23, 7])).all()


def test_reserved_and_listening_ports_are_not_on_offer() -> None:
    """Those outside the range matter to nobody; a connection from an unoffered port takes none of the others."""
    listener = event(wire.CONGESTION, wire.LISTEN, cookie=900, lport=40007)
    listening = sockets(
        {"cookie": 900, "lport": 40007, "state": wire.LISTEN}, {"cookie": 901, "lport": 80, "state": 10}
    )
    mine = moves(*OPEN, at=1, cookie=1, lport=1234, **ends())
    reserved = settings(ip_local_reserved_ports="8080,40010-40019,40099")
    view = watched(frame(1, listener, snapshot=listening, settings=reserved), frame(2, mine, *opened(3, first=1)))
    (line,) = view.ports
    assert (line["ports"], line["used"], line["free"]) == (100 - 10 - 1 - 1, 4, 88 - 3)


def test_accepted_connections_use_no_port() -> None:
    """Their port is the listener's."""
    accepted = moves((3, 1), cookie=5, lport=40003, **ends())
    found = sockets(
        {"cookie": 900, "lport": 40007, "state": wire.LISTEN},
        {"cookie": 6, "lport": 40007, "state": wire.ESTABLISHED, **ends()},
        {"cookie": 7, "lport": 40008, "state": wire.ESTABLISHED, **ends(rport=80)},
    )
    view = watched(frame(1, accepted, snapshot=found, settings=settings()))
    assert view.ports["rport"].tolist() == [80]


def test_without_sysctls_nothing_is_claimed() -> None:
    """What is used is known, what is left is not."""
    (line,) = watched(frame(1, *opened(3))).ports
    assert line["used"] == 3
    assert np.isnan([line[name] for name in ("ports", "free", "exhausted_s")]).all()


def test_a_rate_is_that_of_the_last_seconds() -> None:
    """Ten a second for five seconds; all stay, so half of the range is left for five more seconds."""
    frames = [frame(0, settings=settings())]
    frames += [frame(s + 1, *opened(10, at=s, first=10 * s)) for s in range(5)]
    (line,) = watched(*frames).ports
    assert (line["used"], line["free"]) == (50, 50)
    assert line["rate"] == line["growth"] == line["staying"] == 10
    assert line["exhausted_s"] == 5


def test_a_steady_number_is_never_exhausted() -> None:
    """As many leave TIME_WAIT as enter it: a rate of one a second needs 60 ports."""
    frames = [frame(0, settings=settings())]
    for s in range(90):
        seen = [
            {
                "cookie": 1 + i,
                "lport": 40000 + i,
                "state": 6,
                "sort": 2,
                "timer_ticks": (60 - s + i) * HOST.hz,
                **ends(),
            }
            for i in range(max(0, s - 59), s)
        ]
        frames.append(frame(s, snapshot=sockets(*seen)))
        frames.append(frame(s + 0.5, *opened(1, at=s + 0.1, first=s), *waiting(1, at=s + 0.2, first=s)))
    (line,) = watched(*frames).ports
    assert line["used"] == line["time_wait"] == 60
    assert line["rate"] == pytest.approx(1)
    assert line["taken"] == pytest.approx(1, rel=0.15)
    assert np.isnan(line["exhausted_s"])


@pytest.mark.parametrize(
    ("free", "taken", "staying", "leaving", "expected"),
    [
        (0.0, 0.0, 0.0, [0] * 60, 0.0),
        (100.0, 10.0, 10.0, [0] * 60, 10.0),
        (700.0, 10.0, 10.0, [0] * 60, 70.0),
        (700.0, 10.0, 0.0, [0] * 60, np.nan),
        (100.0, 10.0, 0.0, [10 * s for s in range(1, 61)], np.nan),
        (100.0, 10.0, 0.0, [0] * 20 + [10 * s for s in range(1, 41)], 10.0),
        (100.0, 10.0, 0.0, [0] * 5 + [10 * s for s in range(1, 56)], np.nan),
        (100.0, 11.0, 1.0, [10 * s for s in range(1, 61)], 100.0),
        (1e9, 1.0, 1.0, [0] * 60, np.nan),
        (100.0, np.nan, np.nan, [0] * 60, np.nan),
    ],
)
def test_exhaustion(free: float, taken: float, staying: float, leaving: list[int], expected: float) -> None:
    """Now; at once; after a minute of staying; never, as TIME_WAIT ends; not in any time worth telling; unknown."""
    (found,) = exhaustion_s(
        np.array([free]), np.array([taken]), np.array([staying]), np.array([leaving]), np.array([False])
    )
    assert found == expected or (np.isnan(found) and np.isnan(expected))


def test_time_wait_is_no_obstacle_where_it_is_reused() -> None:
    """With tcp_tw_reuse 2 on loopback only, after a second, and with timestamps."""
    for source, more, reusable in (
        (LOOP, {"tcp_tw_reuse": "2"}, 23),
        (HERE, {"tcp_tw_reuse": "2"}, 0),
        (HERE, {"tcp_tw_reuse": "1"}, 23),
        (HERE, {"tcp_tw_reuse": "1", "tcp_timestamps": "0"}, 0),
    ):
        place = ends(THERE if source == HERE else LOOP, source)
        seen = [
            {"cookie": 1 + i, "lport": 40000 + i, "state": 6, "sort": 2, "timer_ticks": 30 * HOST.hz, **place}
            for i in range(23)
        ]
        (line,) = watched(frame(1, snapshot=sockets(*seen), settings=settings(**more))).ports
        assert (line["time_wait"], line["reusable"], line["free"]) == (23, reusable, 77)


def test_connects_that_found_no_port_are_counted() -> None:
    """Also where none is in use any more; other failures are not."""
    failed = [moves((7, 2), (2, 7), at=0.5, cookie=70 + i, lport=0, **ends()) for i in range(23)]
    refused = moves((7, 2), (2, 7), at=0.5, cookie=99, lport=40001, segs_out=1, error=111, **ends())
    view = watched(frame(0, settings=settings()), frame(1, *failed, refused))
    (line,) = view.ports
    assert (line["failures"], line["used"], line["exhausted_s"]) == (23, 0, 0)
    assert line["rate"] == 1
    assert line["failed_ns"] == frame(0.501).end_ns + HOST.realtime_offset_ns


def test_a_port_taken_out_of_time_wait_counts_once() -> None:
    """Until the next snapshot both are in the table."""
    seen = sockets({"cookie": 1, "lport": 40000, "state": 6, "sort": 2, "timer_ticks": 30 * HOST.hz, **ends()})
    again = moves(*OPEN, at=2, cookie=2, lport=40000, **ends())
    (line,) = watched(frame(1, snapshot=seen, settings=settings()), frame(3, again)).ports
    assert (line["used"], line["time_wait"], line["free"]) == (1, 0, 99)
