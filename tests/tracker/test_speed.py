"""Does the tracker keep up with the busiest machine that was measured (285,000 events a second) on a fraction of a
core?"""

import time

import numpy as np
import pytest

from tcpwatch import wire
from tcpwatch.frame import Frame
from tcpwatch.tracker.tracker import Tracker
from tests.yardstick import slowness

from .load import EVENTS_PER_PAIR, pairs
from .machine import HOST

pytestmark = pytest.mark.usefixtures("undisturbed")

EVENTS_PER_FRAME = 28_000
TICK_NS = 100_000_000
WARM_UP, MEASURED = 25, 25  # connections stay two seconds after their end: from then on the table keeps its size


def test_it_keeps_up() -> None:
    """Every frame brings new cookies, as a load of connect and close does. The floor is a generous part of what is
    measured on a quiet machine, so that a busy one does not fail."""
    count = EVENTS_PER_FRAME // EVENTS_PER_PAIR
    records = [pairs(count, 1 + 2 * count * tick, tick * TICK_NS).tobytes() for tick in range(WARM_UP + MEASURED)]
    tracker = Tracker()
    spent = []
    for tick, raw in enumerate(records):
        begin = time.thread_time()
        events = np.frombuffer(raw, wire.EVENT)
        now_ns = tick * TICK_NS
        step = tracker.fold(Frame(now_ns, now_ns + TICK_NS, HOST, events, shows_time_wait=False))
        spent.append(time.thread_time() - begin)
        assert len(step.rows) == EVENTS_PER_FRAME
    rate = MEASURED * EVENTS_PER_FRAME / sum(spent[WARM_UP:]) * slowness()
    print(f"decode and fold: {rate / 1e6:.1f} million events/s per core")
    assert rate > 500_000
