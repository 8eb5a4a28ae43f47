"""Does tcpwatch say of itself what it saw, lost and costs, and what is wrong?"""

from dataclasses import replace

import numpy as np
import pytest

from tcpwatch import wire
from tcpwatch.frame import Probe
from tests.tracker import build
from tests.tracker.machine import HOST, SECOND_NS

from .room import CLIENT, Room, bucket_of, listening


def test_events_add_up() -> None:
    """seen = delivered + lost; what a recording sums up that precedes it is not ours."""
    room = Room()
    tally = np.zeros(len(wire.KINDS), wire.TALLY)
    tally[wire.STATE] = 100, 7
    room.fold(replace(build.frame(1), tally=tally.copy(), joins=True))
    tally[wire.STATE] = 150, 10
    room.fold(replace(build.frame(2), tally=tally.copy(), ring_fill=0.25))
    picture = room.picture()
    numbers = {name: room.series(f"events_{name}")["kind=state"] for name in ("seen", "delivered", "lost")}
    assert numbers == {"seen": 50, "delivered": 47, "lost": 3}
    assert picture.family("ring_fill_ratio").numbers.tolist() == [0.25]


def test_it_tells_of_itself() -> None:
    """Probes, the newest snapshot, its build, and how long frames took."""
    room = Room(version="1.2", loader="core")
    probes = (Probe("a", "tp_btf", "x", True), Probe("b\n", "iter", "y", False))
    room.fold(replace(build.frame(1, snapshot=build.sockets(listening()), begin=0.75), probes=probes))
    room.meters.took(0.0005)
    room.meters.took(0.3)
    picture = room.picture()
    assert room.series("probe_attached") == {"probe=a kind=tp_btf": 1, "probe=b? kind=iter": 0}
    assert room.series("snapshot_sockets") == {"": 1}
    assert room.series("snapshot_duration_seconds") == {"": 0.25}
    assert room.series("build") == {"version=1.2 kernel=6.18 loader=core": 1}
    assert bucket_of(picture, "frame_duration_seconds") == [0.0005, 0.5]
    assert picture.family("frame_duration_seconds").sums[0] == pytest.approx(0.3005)
    assert picture.time_ns == build.START_NS + SECOND_NS + HOST.realtime_offset_ns


def test_every_severity_of_findings_is_there() -> None:
    """An alert on `> 0` needs a 0."""
    room = Room()
    room.fold(build.frame(1))
    assert room.series("findings_active") == {"severity=high": 0, "severity=low": 0, "severity=medium": 0}
    refused = [
        build.moves((7, 2), (2, 7), **CLIENT, cookie=10 + i, flags=wire.EVENT_SOCKET, error=111, pid=5)
        for i in range(23)
    ]
    room.fold(build.frame(2, *refused))
    view = room.tracker.view()
    assert view.findings
    assert room.total("findings_active") == len(view.findings)
    assert room.total("findings") == sum(finding.count for finding in view.findings)
