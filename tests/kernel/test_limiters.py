"""Is it said of real flows what holds them back?"""

import time
from collections import Counter

import numpy as np
import pytest

from tcpwatch import wire
from tcpwatch.kernel.programs import Knobs
from tcpwatch.kernel.source import KernelSource, Pace
from tcpwatch.scenarios.namespace import DEADLINE_S
from tcpwatch.scenarios.stage import Stage, Wire
from tcpwatch.tracker import flow

LOOKS = 83
_RATE = 1_000_000  # bytes per second
_SLOW = {"size": 4096, "pause_s": 0.02}
_SETTLED = 100_000  # bytes
_MUCH = 1 << 40  # bytes: more than anybody waits for


@pytest.mark.parametrize(
    ("wire_", "reader", "options", "expected"),
    [
        ("veth", {}, {"SO_MAX_PACING_RATE": _RATE, "TCP_CONGESTION": "cubic"}, "pacing"),
        ("cable", {}, {"TCP_CONGESTION": "cubic"}, "path"),
        ("veth", _SLOW, {"TCP_CONGESTION": "cubic"}, "receiver"),
        ("veth", _SLOW, {"TCP_CONGESTION": "bbr"}, "receiver"),
    ],
    ids=["max_pacing_rate", "congestion_window", "slow_reader", "slow_reader_of_bbr"],
)
def test_what_holds_a_flow_back(
    wire_: Wire, reader: dict[str, float], options: dict[str, int | str], expected: str
) -> None:
    """Mostly, as snapshots may meet moments in which that changes; but hardly ever is it cwnd where it is not."""
    with Stage(wire=wire_, delay_s=0.02) as stage:
        if stage.cable:  # what gets lost keeps the window small
            stage.server.room.nft("input", "meta l4proto tcp meta length > 500 numgen random mod 100 < 5 drop")
        stage.listen(**({"SO_RCVBUF": 8192} if reader else {}))
        stage.dial(1, **options)
        stage.server.ask("sip" if reader else "drain", **reader)
        stage.client.ask("pour", sizes=[_MUCH])
        try:
            said = _looks(stage.client.room.inode)
        finally:
            stage.client.kill()
            stage.server.kill()
    assert said.most_common(1)[0][0] == expected, said
    assert expected == "path" or said["path"] < 0.2 * LOOKS, said


def _looks(netns: int) -> Counter[str]:
    """What is said of the flow out of that namespace in so many snapshots, once it has found its way."""
    said: Counter[str] = Counter()
    source = KernelSource(4 << 20, Knobs(want_netns=netns), Pace(tick=0.005, snapshot=0.01, share=1.0))
    try:
        give_up = time.monotonic() + DEADLINE_S
        for frame in source.frames():
            assert time.monotonic() < give_up, said
            sockets = frame.snapshot.sockets if frame.snapshot else np.empty(0, wire.SOCKET)
            said.update(flow.limiter(each) for each in sockets[sockets["bytes_acked"] > _SETTLED])
            if said.total() >= LOOKS:
                return said
    finally:
        source.close()
    raise AssertionError
