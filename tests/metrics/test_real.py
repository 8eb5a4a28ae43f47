"""Do the numbers say what happened? Real connections in namespaces of their own, counted by the kernel itself too."""

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

import numpy as np
import pytest

from tcpwatch.kernel.programs import Knobs
from tcpwatch.kernel.source import KernelSource, Pace
from tcpwatch.live import Session
from tcpwatch.metrics import Meters, Picture, parse
from tcpwatch.scenarios.actor import Actor
from tcpwatch.scenarios.namespace import DEADLINE_S, Namespace, join
from tcpwatch.scenarios.talk import CONNECTIONS, Talk
from tcpwatch.tracker.tracker import Tracker
from tests import again
from tests.kernel.witness import counters, ss

TOOLS = ("ip", "ss", "nft", "sysctl")
UNUSED = 9  # nobody on this machine should listen there: such a port is no service
pytestmark = pytest.mark.played_again


@pytest.fixture(scope="module", autouse=True)
def machine() -> None:
    """Skips where the machine lacks something, and fails where CI says that it lacks nothing."""
    absent = [tool for tool in TOOLS if not shutil.which(tool)]
    if os.geteuid() or absent:
        missing = "root, to make namespaces and to load BPF programs" if os.geteuid() else f"the commands {absent}"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"real connections need {missing}")


class Counted:
    """A live session whose views become pictures on its own thread."""

    def __init__(self) -> None:
        networks = [parse("10.23.0.0/24=wire")]
        # room for what others do on this machine: it is watched whole
        self.meters = Meters(networks=networks, max_series=100_000, version="1", loader="core")
        self._source = KernelSource(32 << 20, Knobs(want_time_wait=1), Pace(tick=0.05, snapshot=0.2, share=1.0))
        tracker = Tracker(history_bytes=1)
        self._session = Session(self._source, tracker, follow=self.meters.fold, timed=self.meters.took)
        self._session.set_listener(self._draw)
        self._drawn = threading.Condition()
        self._picture: Picture | None = None

    def __enter__(self) -> Self:
        self._session.start()
        self.until(lambda picture: bool(picture.family("snapshot_sockets").numbers[0] >= 0))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._session.stop()
        again.note_skipped(self._source.programs.interrupted)

    def finish(self) -> Picture:
        """The last picture: it lacks nothing."""
        self._session.stop()
        assert self._session.error is None, self._session.error
        assert self._picture is not None
        return self._picture

    def until(self, wanted: Callable[[Picture], bool], patience_s: float = DEADLINE_S) -> Picture:
        """The first picture like that, or else the newest."""
        give_up = time.monotonic() + patience_s
        with self._drawn:
            while (left := give_up - time.monotonic()) > 0:
                assert self._session.error is None, self._session.error
                if self._picture is not None and wanted(self._picture):
                    break
                self._drawn.wait(min(left, 1))
            assert self._picture is not None
            return self._picture

    def _draw(self) -> None:
        view = self._session.latest()
        if view is not None:
            picture = self.meters.picture(view)
            with self._drawn:
                self._picture = picture
                self._drawn.notify_all()


def value(picture: Picture, name: str, **labels: str) -> float:
    """The sum over all series with these labels."""
    family = picture.family(name)
    places = {label: family.labels.index(label) for label in labels}
    chosen = [all(values[place] == labels[label] for label, place in places.items()) for values in family.values]
    return float(np.nansum(family.numbers[np.array(chosen, bool)])) if family.values else 0.0


@pytest.fixture
def counted() -> Iterator[Counted]:
    with Counted() as counting:
        yield counting


def known(counted: Counted, *actors: Actor) -> None:
    """Each one's namespace has a socket and is known by its name, from here on."""
    for actor in actors:
        actor.do("listen", address=actor.room.address)
    rooms = [actor.room.name for actor in actors]
    seen = counted.until(lambda p: all(value(p, "listener_accept_queue_limit", netns=room) > 0 for room in rooms))
    assert {values[0] for values in seen.family("kernel_active_opens").values} >= set(rooms)


def test_twenty_three_conversations_are_counted_exactly(counted: Counted) -> None:
    """By both ends' services: opened, closed, bytes, segments, states; and as /proc/net/netstat has it."""
    with Namespace() as left, Namespace() as right:
        join(left, right)
        with Actor(left, b"tw-client") as client, Actor(right, b"tw-server") as server:
            known(counted, client, server)
            rooms = {"client": left, "server": right}
            before = {end: counters(room) for end, room in rooms.items()}
            base = counted.until(lambda p: True)
            talk = Talk(client, server)
            talk.open()
            talk.exchange()
            for end, room in rooms.items():
                _agree_with_ss(counted, room, end)
            talk.hang_up(client)
            counted.until(
                lambda p: all(value(p, "connections_closed", netns=room.name) >= 23 for room in rooms.values())
            )
            now = {end: counters(room) for end, room in rooms.items()}
            rose = {end: {name: now[end][name] - before[end].get(name, 0) for name in now[end]} for end in rooms}
            told = {end: {name: rose[end][field] for name, field in KERNEL.items()} for end in rooms}
            seen = counted.until(lambda p: {end: _rises(p, base, room) for end, room in rooms.items()} == told)
            assert {end: _rises(seen, base, room) for end, room in rooms.items()} == told
    final = counted.finish()
    assert rose["client"]["TcpActiveOpens"] == rose["server"]["TcpPassiveOpens"] == CONNECTIONS
    names = {"client": "tw-client", "server": "tw-server"}
    for end, room in rooms.items():
        one = {"netns": room.name, "role": end, "family": "ipv4", "comm": names[end], "network": "wire"}
        sent, received = (talk.asked, talk.answered) if end == "client" else (talk.answered, talk.asked)
        assert value(final, "connections_opened", **one) == CONNECTIONS
        assert value(final, "connections_opened", netns=room.name) == CONNECTIONS
        assert value(final, "connections_closed", **one, verdict="clean") == CONNECTIONS
        repeated = rose[end]["TcpRetransSegs"]
        assert value(final, "retransmits", **one) == repeated
        assert value(final, "sent_bytes", **one) == sum(sent) or repeated
        assert value(final, "received_bytes", **one) == sum(received)
        for name in ("connection_duration_seconds", "retransmit_ratio"):
            assert value(final, name, **one) == CONNECTIONS
        assert value(final, "rtt_seconds", **one) >= CONNECTIONS
    assert value(final, "handshake_seconds", netns=left.name, role="client") == CONNECTIONS
    assert value(final, "listener_accepts", netns=right.name, comm="tw-server") == CONNECTIONS
    assert value(final, "frame_duration_seconds") > 0


def _agree_with_ss(counted: Counted, room: Namespace, role: str) -> None:
    """While the connections stand and nothing moves."""
    lines = [line for line in ss(room).values() if line.state == "ESTABLISHED"]
    assert len(lines) == CONNECTIONS
    shown = {metric: sum(int(line.numbers.get(name, 0)) for line in lines) for metric, name in SHOWN.items()}
    expected = {"connections": CONNECTIONS, **shown}

    def said(picture: Picture) -> dict[str, float]:
        one = {"netns": room.name, "role": role}
        standing = value(picture, "connections", **one, state="ESTABLISHED")
        return {"connections": standing, **{name: value(picture, name, **one) for name in SHOWN}}

    assert said(counted.until(lambda picture: said(picture) == expected)) == expected


SHOWN = {
    "sent_bytes": "bytes_sent",
    "received_bytes": "bytes_received",
    "sent_segments": "segs_out",
    "received_segments": "segs_in",
}
KERNEL = {
    "kernel_active_opens": "TcpActiveOpens",
    "kernel_passive_opens": "TcpPassiveOpens",
    "kernel_attempt_fails": "TcpAttemptFails",
    "kernel_established_resets": "TcpEstabResets",
    "kernel_sent_segments": "TcpOutSegs",
    "kernel_received_segments": "TcpInSegs",
    "kernel_retransmitted_segments": "TcpRetransSegs",
    "kernel_sent_resets": "TcpOutRsts",
}


def _rises(picture: Picture, base: Picture, room: Namespace) -> dict[str, float]:
    return {name: value(picture, name, netns=room.name) - value(base, name, netns=room.name) for name in KERNEL}


def test_twenty_three_refused_calls_are_counted_exactly(counted: Counted) -> None:
    """As resets received by the caller, as calls that were refused, and as resets that the other end sent."""
    with Namespace() as left, Namespace() as right:
        join(left, right)
        with Actor(left, b"tw-client") as client, Actor(right, b"tw-server") as server:
            known(counted, client, server)
            failed = client.do("attempt", address=right.address, port=UNUSED, count=CONNECTIONS)
            assert failed == ["ECONNREFUSED"] * CONNECTIONS
            counted.until(lambda p: value(p, "connections_closed", netns=left.name) >= CONNECTIONS)
            sent = counters(right)["TcpOutRsts"]
            counted.until(lambda p: value(p, "kernel_sent_resets", netns=right.name) == sent)
    final = counted.finish()
    one = {"netns": left.name, "port": str(UNUSED), "role": "client", "comm": "tw-client", "network": "wire"}
    assert value(final, "connections_closed", **one, verdict="refused") == CONNECTIONS
    assert value(final, "connections_opened", netns=left.name) == 0
    assert value(final, "resets", **one, direction="received") == CONNECTIONS
    assert value(final, "resets", netns=right.name, port="", direction="sent") == CONNECTIONS == sent
    assert value(final, "kernel_sent_resets", netns=right.name) == CONNECTIONS
    assert value(final, "kernel_attempt_fails", netns=left.name) == CONNECTIONS


# It talks at once, before anybody can have read what is counted in there
_NEWCOMER = """
import os, socket, subprocess, sys
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
listener = socket.create_server(("127.0.0.1", 0), backlog=64)
calls = [socket.create_connection(listener.getsockname()) for _ in range(23)]
print(os.stat("/proc/self/ns/net").st_ino, flush=True)
sys.stdin.read()
"""


def test_a_namespace_that_comes_later_is_counted_from_its_beginning(counted: Counted) -> None:
    """Its first connections, too: they were there before its counters were first read. One of some must come between
    two looks: where a look falls into its beginning, nobody can tell, and nothing of that is counted."""
    found: list[list[float]] = []
    while [CONNECTIONS] * 2 not in found and len(found) < 7:
        found.append(_newcomer(counted))
    assert [CONNECTIONS] * 2 in found, found
    assert all(each <= CONNECTIONS for one in found for each in one), found


def _newcomer(counted: Counted) -> list[float]:
    """How many connections are said to have been opened, actively and passively."""
    command = ("unshare", "--net", sys.executable, "-c", _NEWCOMER)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            name = process.stdout.readline().strip()

            def opened(picture: Picture) -> list[float]:
                return [value(picture, f"kernel_{one}_opens", netns=name) for one in ("active", "passive")]

            return opened(counted.until(lambda p: opened(p) == [CONNECTIONS] * 2, patience_s=20))
        finally:
            process.communicate(timeout=DEADLINE_S)
