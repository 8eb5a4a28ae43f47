"""A hundred thousand connections and a million peers: is it bounded, exact and cheap?"""

import time

import numpy as np
import pytest

from tcpwatch import wire
from tcpwatch.frame import Frame, Snapshot
from tcpwatch.metrics import METRICS, Meters, parse
from tcpwatch.tracker.tracker import Tracker
from tests.tracker.load import EVENTS_PER_PAIR, pairs
from tests.tracker.machine import HOST
from tests.yardstick import slowness

pytestmark = pytest.mark.usefixtures("undisturbed")

SECOND_NS = 1_000_000_000
MAPPED = np.array([0] * 10 + [255, 255], np.uint8)


def with_peers(events: np.ndarray, first: int) -> np.ndarray:
    """Each end has a peer of its own, in 10.0.0.0/8 and beyond, and each client one of 300 services."""
    client = events["cookie"] % 2 == first % 2
    number = events["cookie"].astype(np.uint32)
    address = (np.uint32(10 << 24) + number * np.uint32(17)).astype(">u4")
    events["laddr"][:, :12] = events["raddr"][:, :12] = MAPPED
    events["laddr"][:, 12:] = (172, 16, 0, 1)
    events["raddr"][:, 12:] = address.view(np.uint8).reshape(-1, 4)
    events["rport"] = np.where(client, 1 + number // 2 % 300, events["rport"])
    events["bytes_received"] = np.where(events["new_state"] == wire.CLOSE, 7, 0)
    return events


def test_a_million_peers() -> None:
    """Series stay under the cap, the sums are exact, memory does not grow with the peers, and the cost is a small part
    of what the tracker's is. The limit is twice what a quiet machine needs, so that a busy one does not fail."""
    ticks, count = 20, 25_000
    tracker, meters = Tracker(), Meters(networks=[parse("10.0.0.0/12=near")], max_series=500)
    folding = counting = 0.0
    sizes = []
    for tick in range(ticks):
        now_ns = (tick + 1) * SECOND_NS
        first = 1 + 2 * count * tick
        events = with_peers(pairs(count, first, now_ns - SECOND_NS // 2, abreast=4), first)
        begin = time.thread_time()
        step = tracker.fold(Frame(now_ns - SECOND_NS, now_ns, HOST, events, shows_time_wait=False))
        middle = time.thread_time()
        meters.fold(step)
        counting += time.thread_time() - middle
        folding += middle - begin
        if tick % 5 == 4:
            sizes.append(sum(len(family.values) for family in meters.picture(tracker.view()).families))
        assert len(step.frame.events) == count * EVENTS_PER_PAIR
    last = (ticks + 4) * SECOND_NS
    meters.fold(tracker.fold(Frame(last, last, HOST, final=True)))
    picture = meters.picture(tracker.view())
    lives = 2 * count * ticks
    print(f"folding {folding / lives * 1e9:.0f} ns a life, counting {counting / lives * 1e9:.0f} ns")
    assert picture.family("connections_opened").numbers.sum() == lives == 1_000_000
    assert picture.family("connections_closed").numbers.sum() == lives
    assert picture.family("received_bytes").numbers.sum() == 6 * lives  # the FIN is none of them
    assert picture.family("handshake_seconds").numbers.sum() <= lives
    widths = {one.full_name: one.width for one in METRICS}
    assert all(len(family.values) * widths[family.name] <= 500 for family in picture.families)
    assert {values[-1] for values in picture.family("connections_opened").values} <= {"near", "other", "loopback", ""}
    assert len(set(sizes)) == 1
    assert counting < 0.6 * folding


def crowd(size: int) -> np.ndarray:
    """That many connections of 900 services, each with a peer of its own."""
    sockets = np.zeros(size, wire.SOCKET)
    number = np.arange(size, dtype=np.uint32)
    sockets["cookie"], sockets["netns"], sockets["state"] = number + 1, 1, wire.ESTABLISHED
    sockets["laddr"][:, :12] = sockets["raddr"][:, :12] = MAPPED
    sockets["laddr"][:, 12:] = (172, 16, 0, 1)
    sockets["raddr"][:, 12:] = (np.uint32(10 << 24) + number).astype(">u4").view(np.uint8).reshape(-1, 4)
    sockets["lport"], sockets["rport"] = 1024 + number % 60_000, 1 + number % 900
    sockets["srtt_us"], sockets["cwnd"] = 90, 10
    return sockets


def test_a_hundred_thousand_connections() -> None:
    """A picture at the cap costs little beside the view that it is made of."""
    size = 100_000
    tracker, meters = Tracker(history_bytes=1), Meters(max_series=1000)
    sockets, folding, drawing, looking = crowd(size), [], [], []
    for second in range(1, 6):
        sockets["bytes_sent"] += 23
        sockets["segs_out"] += 1
        now_ns = (1000 + second) * SECOND_NS
        snapshot = Snapshot(now_ns - SECOND_NS // 2, now_ns, sockets.copy(), frozenset({1}))
        step = tracker.fold(Frame(now_ns - SECOND_NS, now_ns, HOST, snapshot=snapshot))
        begin = time.thread_time()
        meters.fold(step)
        folding.append(time.thread_time() - begin)
        begin = time.thread_time()
        view = tracker.view()
        looking.append(time.thread_time() - begin)
        begin = time.thread_time()
        picture = meters.picture(view)
        drawing.append(time.thread_time() - begin)
    costs = [f"{min(spent) * 1e3:.0f} ms" for spent in (folding, looking, drawing)]
    print("fold {}, view {}, picture {}".format(*costs))
    assert picture.family("connections").numbers.sum() == size
    assert len(picture.family("connections").values) == 900
    assert picture.family("sent_bytes").numbers.sum() == 4 * 23 * size
    assert picture.family("rtt_seconds").numbers.sum() == 4 * size
    assert min(drawing) < 0.15 * slowness()
