import io
import time
from dataclasses import replace

import numpy as np
import pytest

from tcpwatch import rows, wire
from tcpwatch.text.writer import FormatName, Writer
from tcpwatch.tracker.step import Step
from tests.yardstick import slowness

from .build import NETNS, address, step

pytestmark = pytest.mark.usefixtures("undisturbed")

LINES, CONNECTIONS = 14_000, 1400  # a tick of 50 ms at the highest rate of events that was measured
FLOOR_PER_S = 150_000  # on an idle core it is five times as many; CI's are neither idle nor fast


def busy() -> Step:
    """A tick of ten events per connection, every number different."""
    random = np.random.default_rng(23)
    lines = random.integers(0, CONNECTIONS, LINES).astype(np.int32)
    table, events = np.zeros(CONNECTIONS, rows.ROW), np.zeros(LINES, wire.EVENT)
    table["cookie"] = np.arange(CONNECTIONS) + 1
    events["cookie"], events["rport"] = table["cookie"][lines], 20_000 + lines
    events["netns"] = table["netns"] = NETNS
    events["laddr"] = events["raddr"] = address("10.0.0.7")
    events["flags"] = wire.EVENT_SOCKET
    for name, most in (("old_state", 12), ("new_state", 12), ("srtt_us", 3000), ("cwnd", 40), ("bytes_acked", 10**5)):
        events[name] = random.integers(1, most, LINES)
    quiet = step()
    return replace(quiet, frame=replace(quiet.frame, events=events), rows=lines, table=table)


def rate(form: FormatName) -> float:
    """Lines per second of CPU time, the best of five, as if the machine were the one that the floor is of."""
    what, writer, best = busy(), Writer("events", form, io.BytesIO()), 0.0
    for _ in range(5):
        begin = time.thread_time()
        assert writer.write(what) == LINES
        best = max(best, LINES / (time.thread_time() - begin))
    return best * slowness()


def test_json_lines_keep_up_with_the_kernel() -> None:
    """No face may be what makes the ring overflow."""
    assert rate("jsonl") > FLOOR_PER_S


def test_text_keeps_up_with_the_kernel() -> None:
    """It is what runs when nothing else is asked for."""
    assert rate("text") > FLOOR_PER_S
