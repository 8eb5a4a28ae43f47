"""Are the kernel's own counters told from when we came, and its drops as their listeners'?"""

from dataclasses import replace

import numpy as np
import pytest

from tcpwatch.counters import COUNTS
from tcpwatch.frame import Frame, Snapshot
from tests.tracker import build

from .room import Room, listening


def counted(
    second: float, *sockets: dict[str, object], events: tuple[np.ndarray, ...] = (), netns: int = 1, **counts: int
) -> Frame:
    """A frame with what a namespace has counted."""
    reading = np.zeros(1, COUNTS)
    reading["netns"] = netns
    for name, count in counts.items():
        reading[name] = count
    frame = build.frame(second, *events, snapshot=build.sockets(*sockets), begin=second - 0.1)
    assert frame.snapshot is not None
    times = frame.snapshot.begin_ns, frame.snapshot.end_ns
    return replace(frame, snapshot=Snapshot(*times, frame.snapshot.sockets, frozenset({netns}), reading))


def opened(at: float, calls: int, answers: int, netns: int = 2) -> tuple[np.ndarray, ...]:
    """Connections that are opened in a namespace, all at once."""
    client = [build.moves((7, 2), (2, 1), at=at, cookie=100 + i, netns=netns) for i in range(calls)]
    server = [build.moves((3, 1), at=at, cookie=200 + i, netns=netns) for i in range(answers)]
    return (*client, *server)


def test_the_kernel_s_counters_begin_with_us() -> None:
    """What a namespace had counted before is not told; what another one counted that has got its number is."""
    room = Room()
    room.fold(counted(1, active_opens=1000, abort_unread_close=4))
    assert room.series("kernel_active_opens") == {"netns=1": 0}
    room.fold(counted(2, active_opens=1023, abort_unread_close=6, abort_timeout=1, cookies_sent=7))
    assert room.series("kernel_active_opens") == {"netns=1": 23}
    assert room.series("kernel_aborts") == {
        "netns=1 why=unread": 2,
        "netns=1 why=close": 0,
        "netns=1 why=timeout": 1,
    }
    assert room.series("kernel_syncookies") == {
        "netns=1 result=sent": 7,
        "netns=1 result=accepted": 0,
        "netns=1 result=rejected": 0,
    }
    room.fold(counted(3, active_opens=5, cookies_sent=9), counted(4, active_opens=8, cookies_sent=9))  # another one
    assert room.series("kernel_active_opens") == {"netns=1": 31}
    assert room.series("kernel_syncookies")["netns=1 result=sent"] == 16


def test_a_new_namespace_s_counters_begin_with_it() -> None:
    """Where each connection it counts was opened before our eyes, nothing else can have been before."""
    room = Room()
    room.fold(counted(1, active_opens=1000), build.frame(2, *opened(1.5, 22, 7)))
    seen = counted(3, events=opened(2.5, 1, 0), netns=2, active_opens=23, passive_opens=7, resets_sent=3)
    room.fold(seen, counted(4, netns=2, active_opens=25, passive_opens=7, resets_sent=3))
    assert room.series("kernel_active_opens") == {"netns=1": 0, "netns=2": 25}
    assert room.series("kernel_passive_opens") == {"netns=1": 0, "netns=2": 7}
    assert room.series("kernel_sent_resets") == {"netns=1": 0, "netns=2": 3}


@pytest.mark.parametrize(
    ("first", "events", "counts"),
    [
        (False, opened(0.5, 23, 0), {"active_opens": 23}),  # it may have reset others before we came
        (True, opened(0.5, 23, 0), {"active_opens": 24}),  # one from before, or one that was lost
        (True, opened(0.5, 22, 0) + opened(0.95, 1, 0), {"active_opens": 23}),  # one not before it was read
        (True, opened(0.5, 23, 0), {"active_opens": 23, "passive_opens": 1}),
        (True, (), {"resets_sent": 23}),  # nothing was seen that speaks for it
    ],
)
def test_a_namespace_that_may_be_older(first: bool, events: tuple[np.ndarray, ...], counts: dict[str, int]) -> None:
    """It could not be read, or not be found: what was before is not ours to tell."""
    room = Room()
    if first:
        room.fold(counted(0))
    room.fold(counted(1, events=events, netns=2, **counts))
    for name in ("kernel_active_opens", "kernel_passive_opens", "kernel_sent_resets"):
        assert room.series(name)["netns=2"] == 0


def test_drops_go_to_the_listener_that_had_them() -> None:
    """And to nobody in particular where that is not certain: the sum is the kernel's."""
    room = Room("port")
    one = listening(recv_queue=129, send_queue=128)
    two = listening(cookie=10, lport=81, recv_queue=129, send_queue=128)
    room.fold(counted(1, one, two), counted(2, {**one, "drops": 23}, two, listen_drops=23, listen_overflows=23))
    assert room.series("listener_drops") == {"port=80": 23, "port=81": 0}
    assert room.series("listener_overflows") == {"port=80": 23, "port=81": 0}
    room.fold(
        counted(3, {**one, "drops": 24}, {**two, "drops": 1}, listen_drops=25, listen_overflows=24),
        counted(4, {**one, "drops": 24}, {**two, "drops": 1}, listen_drops=25, listen_overflows=24),
    )
    assert room.total("listener_drops") == 25
    assert room.total("listener_overflows") == 24
    assert room.total("kernel_listen_drops") == 25
