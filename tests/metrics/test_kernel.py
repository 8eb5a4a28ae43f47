"""Are the kernel's own counters told from when we came, and its drops as their listeners'?"""

from dataclasses import replace

import numpy as np

from tcpwatch.counters import COUNTS
from tcpwatch.frame import Frame, Snapshot
from tests.tracker import build

from .room import Room, listening


def counted(second: float, *sockets: dict[str, object], **counts: int) -> Frame:
    """A frame with what namespace 1 has counted."""
    reading = np.zeros(1, COUNTS)
    reading["netns"] = 1
    for name, count in counts.items():
        reading[name] = count
    frame = build.frame(second, snapshot=build.sockets(*sockets), begin=second - 0.1)
    assert frame.snapshot is not None
    snapshot = Snapshot(frame.snapshot.begin_ns, frame.snapshot.end_ns, frame.snapshot.sockets, frozenset({1}), reading)
    return replace(frame, snapshot=snapshot)


def test_the_kernel_s_counters_begin_with_us() -> None:
    """What a namespace had counted before is not told; a restart of its number loses nothing else."""
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
    room.fold(counted(3, active_opens=5), counted(4, active_opens=8))  # another namespace by that number
    assert room.series("kernel_active_opens") == {"netns=1": 26}


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
