"""Are idle times and keep-alive's timers those of the kernel? Real idle connections, judged by ss and by their end."""

import re
import time

import numpy as np
import pytest

from tcpwatch import rows as shapes
from tcpwatch import wire
from tcpwatch.scenarios.actor import Actor
from tcpwatch.scenarios.namespace import Namespace, join
from tcpwatch.scenarios.talk import CONNECTIONS, Talk
from tcpwatch.tracker.view import View

from .session import Screen

KEEPALIVE = {"SO_KEEPALIVE": 1, "TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 7, "TCP_KEEPCNT": 4}
TIMER = re.compile(r":(\d+)\s+\S+:\d+\s+timer:\(keepalive,(?:(\d+)min)?(?:([0-9.]+)(ms|sec))?,(\d+)\)")
SLACK_MS = 300  # ss tells milliseconds only of what is due within ten seconds, and a snapshot is as old as that


def since(view: View) -> float:
    """Milliseconds."""
    return (time.time_ns() - view.time_ns) / 1e6


def timers(room: Namespace) -> dict[int, tuple[float, int]]:
    """What ss says of each local port: (milliseconds left, unanswered probes)."""
    found = {}
    for port, minutes, rest, unit, probes in TIMER.findall(room.run("ss", "-tnoH", "state", "established")):
        seconds = unit == "sec" or "." in rest  # `7.944ms` are seconds
        left = int(minutes or 0) * 60_000 + float(rest or 0) * (1000 if seconds else 1)
        found[int(port)] = (left, int(probes))
    return found


def by_port(view: View, ports: list[int]) -> dict[int, np.void]:
    """Of these local ports, what the view says."""
    local = view.connections["lport"][view.idle["row"]].tolist()
    return {port: line for port, line in zip(local, view.idle, strict=True) if port in ports}


def test_timers_are_what_ss_says(rooms: tuple[Namespace, Namespace]) -> None:
    """23 with keep-alive and 23 without, idle for two seconds; when the first probe is due, and how idle they are."""
    left, right = rooms
    join(left, right)
    with Actor(left, b"tw-client") as client, Actor(right, b"tw-server") as server, Screen(left) as screen:
        talk = Talk(client, server)
        talk.open()
        talk.exchange()
        client.do("set", options=KEEPALIVE)
        with Actor(left, b"tw-other") as other:
            plain = other.do("connect", address=talk.address, port=talk.port, count=CONNECTIONS)
            server.do("accept", count=CONNECTIONS)
            time.sleep(2)
            view = screen.until(lambda v: len(by_port(v, [*talk.ports, *plain])) == 2 * CONNECTIONS, "all idle")
            least_ms = since(view)
            said = timers(left)  # somewhen in between, which on a busy machine is long
            most_ms = since(view)
            idle = by_port(view, talk.ports)
            assert said.keys() == set(talk.ports)
            for port, (left_ms, probes) in said.items():
                then_ms = idle[port]["probe_in_ms"] - left_ms
                assert least_ms - SLACK_MS <= then_ms <= most_ms + SLACK_MS
                assert idle[port]["probes"] == probes == 0
                assert (idle[port]["first_probe_ms"], idle[port]["interval_ms"]) == (10_000, 7_000)
                assert idle[port]["probes_most"] == 4
                assert idle[port]["risk"] == shapes.KEPT
            for line in by_port(view, plain).values():
                assert (line["keepalive"], line["risk"]) == (0, shapes.KEEPALIVE_OFF)
                assert line["forgotten_ms"] == pytest.approx(350_000 - line["idle_ms"])
            least_ms = since(view)
            told = re.findall(r"lastsnd:(\d+) lastrcv:(\d+)", left.run("ss", "-tinH", "state", "established"))
            most_ms = since(view)
            idles = [min(map(int, pair)) for pair in told]
            for theirs, ours in zip(sorted(idles), sorted(view.idle["idle_ms"]), strict=True):
                assert least_ms - SLACK_MS <= theirs - ours <= most_ms + SLACK_MS


def test_unanswered_probes_are_counted_down_to_the_end(rooms: tuple[Namespace, Namespace]) -> None:
    """The peer vanishes: probes go unanswered as ss counts them, and the kernel gives up when we said it would."""
    left, right = rooms
    join(left, right)
    with Actor(left, b"tw-client") as client, Actor(right, b"tw-server") as server, Screen(left) as screen:
        talk = Talk(client, server)
        talk.open()
        talk.exchange()
        # so far apart that two of them still are two when ss looks, too
        client.do("set", options={"SO_KEEPALIVE": 1, "TCP_KEEPIDLE": 1, "TCP_KEEPINTVL": 4, "TCP_KEEPCNT": 3})
        right.nft("input", "meta l4proto tcp drop")
        view = screen.until(lambda v: by_probes(v, talk.ports) == [2] * CONNECTIONS, "two probes each")
        due_ns = view.time_ns + view.idle["gives_up_ms"] * 1e6
        said = timers(left)
        assert {probes for _, probes in said.values()} == {2}
        assert set(view.idle["risk"]) == {shapes.PROBING}
        assert client.do("broken") == ["ETIMEDOUT"] * CONNECTIONS
        view = screen.until(lambda v: not len(v.idle), "none left")
        closed_ns = view.connections["closed_ns"][np.isin(view.connections["lport"], talk.ports)]
        assert len(closed_ns) == CONNECTIONS
        assert due_ns.min() - 1e9 < closed_ns.min() <= closed_ns.max() < due_ns.max() + 1e9


def by_probes(view: View, ports: list[int]) -> list[int]:
    return [int(line["probes"]) for line in by_port(view, ports).values()]


def test_answered_probes_are_seen(rooms: tuple[Namespace, Namespace]) -> None:
    """Data is long past, and keep-alive every two seconds: no NAT of three seconds forgets that, but the silent."""
    left, right = rooms
    join(left, right)
    with Actor(left, b"tw-client") as client, Actor(right, b"tw-server") as server:
        talk = Talk(client, server)
        talk.open()
        talk.exchange()
        with Screen(left, nat_timeout_s=3.0) as screen:
            view = screen.until(lambda v: set(v.idle["risk"]) == {shapes.FORGOTTEN}, "forgotten")
            assert len(view.idle) == CONNECTIONS
            client.do("set", options={"SO_KEEPALIVE": 1, "TCP_KEEPIDLE": 2, "TCP_KEEPINTVL": 2})
            view = screen.until(
                lambda v: set(v.idle["risk"]) == {shapes.KEPT} and bool((v.idle["silent_ms"] < 1500).all()), "kept"
            )
            assert (view.idle["idle_ms"] > 3000).all()
            assert np.isnan(view.idle["breaks_ms"]).all()


def test_within_one_machine_there_is_no_nat(talk: Talk, room: Namespace) -> None:
    """Both ends on loopback, keep-alive off, silent for longer than the NAT allows: nothing to fear."""
    talk.open()
    talk.exchange()
    with Screen(room, nat_timeout_s=0.5) as screen:
        view = screen.until(lambda v: len(v.idle) == 2 * CONNECTIONS, "both ends idle")
        assert set(view.idle["risk"]) == {shapes.LOCAL}


def test_half_closed_within_one_machine_there_is_no_nat(room: Namespace, client: Actor, server: Actor) -> None:
    """The other end waits in FIN_WAIT2, at an address of this machine that is not loopback's."""
    address = "10.23.0.7"
    room.run("ip", "address", "add", address, "dev", "lo")
    talk = Talk(client, server, address, address)
    talk.open()
    talk.exchange()
    client.do("shutdown")
    with Screen(room, nat_timeout_s=0.5) as screen:
        view = screen.until(lambda v: len(v.idle) == CONNECTIONS, "the servers' ends idle")
        assert set(view.connections["state"][view.idle["row"]]) == {wire.CLOSE_WAIT}
        assert set(view.idle["risk"]) == {shapes.LOCAL}
