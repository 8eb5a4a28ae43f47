"""`python -m bench.consumers ROUTE OBJECT BATCH PER_SECOND`: takes records out of rings that feed.bpf.c fills, by one
of several routes, and prints the records taken per second of its thread's CPU time; of `verdicts`, what they add.
Filling is not in the figure."""

import ctypes as C
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from bench.bcc_route import BccRing
from bench.event import Event
from bench.feed import Feed
from tcpwatch.frame import Frame, Host
from tcpwatch.kernel import memory
from tcpwatch.kernel.libbpf import library as libbpf_library
from tcpwatch.kernel.libbpf import make_ring
from tcpwatch.kernel.rings import Rings
from tcpwatch.kernel.source import DRAIN_LIMIT
from tcpwatch.tracker.tracker import Tracker
from tcpwatch.verdicts import judge

RING_BYTES = 32 << 20  # of all together
RINGS = 4  # as on a machine of four CPUs
COUNTED_RECORDS = 4_000_000
CALLBACK_RECORDS = 1_500_000
KEPT_S = 2.2  # ended connections are kept for 2 s of the story: only after that does the table no longer grow

Consume = Callable[[], int]


def main() -> int:
    memory.settle()  # as every session does
    route, image, batch, per_second = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    sys.stdout.write(f"{ROUTES[route](image, batch, per_second):.4f}\n")
    return 0


def decode(image: Path, batch: int, per_second: int) -> float:
    """Drained into an array."""
    feed, rings = fed(image, per_second)
    return speed(feed, lambda: len(rings.drain(DRAIN_LIMIT, feed.now_ns)), batch, 0, COUNTED_RECORDS)


def life(image: Path, batch: int, per_second: int) -> float:
    """Drained and folded into the table of connections, as the headless commands have it."""
    return track(image, batch, per_second, Tracker())


def verdicts(image: Path, batch: int, per_second: int) -> float:
    """As `life`, but that every other batch's lives get no verdict: by how much those that do take longer, 0.1 = a
    tenth. In one process, as two differ by more than that."""
    judging = True

    def sometimes(lives: np.ndarray, *rest: Any) -> np.ndarray:
        return judge(lives, *rest) if judging else np.zeros(len(lives), np.uint8)

    feed, rings = fed(image, per_second)
    consume = tracked(feed, rings, Tracker())
    spent_s = {True: 0.0, False: 0.0}
    with patch("tcpwatch.tracker.tracker.judge", sometimes):
        speed(feed, consume, batch, round(KEPT_S * per_second), 0)
        for _ in range(-(-COUNTED_RECORDS // batch) // 2 * 2):
            feed.fill(batch)
            begin_s = time.thread_time()
            consume()
            spent_s[judging] += time.thread_time() - begin_s
            judging = not judging
    return spent_s[True] / spent_s[False] - 1


def screen(image: Path, batch: int, per_second: int) -> float:
    """The same as the TUI has it."""
    return track(image, batch, per_second, Tracker(keep_closed=5000, history_bytes=16 << 20, keep_events=20_000))


def track(image: Path, batch: int, per_second: int, tracker: Tracker) -> float:
    feed, rings = fed(image, per_second)
    return speed(feed, tracked(feed, rings, tracker), batch, round(KEPT_S * per_second), COUNTED_RECORDS)


def fed(image: Path, per_second: int) -> tuple[Feed, Rings]:
    descriptors = [make_ring(RING_BYTES // RINGS) for _ in range(RINGS)]
    return Feed(image, descriptors, 10**9 // per_second), Rings(descriptors, RING_BYTES // RINGS)


def libbpf(image: Path, batch: int, per_second: int) -> float:
    """libbpf's ring_buffer through ctypes: a Python call per record, and a dict keyed by cookie."""
    ring = make_ring(RING_BYTES)
    feed = Feed(image, [ring], 10**9 // per_second)
    return speed(feed, by_callback(ring), batch, 0, CALLBACK_RECORDS)


def bcc(image: Path, batch: int, per_second: int) -> float:
    """The same through bcc's own."""
    ring = BccRing(RING_BYTES)
    feed = Feed(image, [ring.descriptor], 10**9 // per_second)
    return speed(feed, ring.consumer(), batch, 0, CALLBACK_RECORDS)


ROUTES = {route.__name__: route for route in (decode, life, verdicts, screen, libbpf, bcc)}


def speed(feed: Feed, consume: Consume, batch: int, warm: int, counted: int) -> float:
    """Records per second of CPU time. consume: takes out everything there is, and says how many that was."""
    taken, spent_s = 0, 0.0
    while taken < warm + counted:
        made = feed.fill(batch)
        begin_s = time.thread_time()
        got = consume()
        if taken >= warm:
            spent_s += time.thread_time() - begin_s
        taken += got
        if got != made:
            raise RuntimeError(f"{made} records went into the ring, {got} came out")
    return (taken - warm) / spent_s if spent_s else 0.0


def tracked(feed: Feed, rings: Rings, tracker: Tracker) -> Consume:
    """A frame is what the source would make of a batch that comes without a snapshot; without those, nothing would
    tell that a TIME_WAIT is over, so none is waited for."""
    host = Host("bench", "", "", 250, 1, 0)

    def consume() -> int:
        now_ns = feed.now_ns
        events = rings.drain(DRAIN_LIMIT, now_ns)
        tracker.fold(Frame(now_ns - len(events), now_ns, host, events, shows_time_wait=False))
        return len(events)

    return consume


def by_callback(descriptor: int) -> Consume:
    signature = C.CFUNCTYPE(C.c_int, C.c_void_p, C.c_void_p, C.c_size_t)
    library = libbpf_library()
    library.ring_buffer__new.restype = C.c_void_p
    library.ring_buffer__new.argtypes = (C.c_int, signature, C.c_void_p, C.c_void_p)
    library.ring_buffer__consume.argtypes = (C.c_void_p,)
    connections: dict[int, tuple[int, int]] = {}

    def note(_context: int, data: int, _size: int) -> int:
        event = Event.from_address(data)
        connections[event.cookie] = (event.new_state, event.time_ns)
        return 0

    callback = signature(note)
    ring = library.ring_buffer__new(descriptor, callback, None, None)

    def consume() -> int:
        assert callback  # held here: libbpf keeps no reference to it
        return int(library.ring_buffer__consume(ring))

    return consume


if __name__ == "__main__":
    sys.exit(main())
