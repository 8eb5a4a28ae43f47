"""Do columns arrive where they belong, whatever their neighbours are?"""

from typing import Any

import numpy as np
import pytest

from tcpwatch import wire
from tcpwatch.rows import CONNECTION, PORTS, ROW
from tcpwatch.tracker.batch import Batch
from tcpwatch.tracker.columns import Passage, parts

MOST = 5000  # more than go at once


def noise(dtype: np.dtype[Any], count: int) -> np.ndarray:
    raw = np.random.default_rng(23).integers(0, 256, count * dtype.itemsize, np.uint8)
    return raw.view(dtype)


@pytest.mark.parametrize(
    ("source", "target"), [(wire.EVENT, ROW), (wire.SOCKET, ROW), (ROW, CONNECTION), (CONNECTION, PORTS)]
)
def test_every_column_two_types_share(source: np.dtype[Any], target: np.dtype[Any]) -> None:
    """Each is what it was, converted where the types differ; no other byte of the target changes."""
    names = [
        name for name in source.names or () if name in (target.names or ()) and target[name].kind == source[name].kind
    ]
    there, here = noise(source, MOST), noise(target, MOST)
    at, lines = np.arange(MOST)[::-3].copy(), np.arange(len(range(0, MOST, 3)))
    expected = noise(target, MOST)  # a copy would lack what lies between the fields
    for name in names:
        expected[name][lines] = there[name][at]
    Passage(source, target, names).copy(there, here, lines, at)
    assert here.tobytes() == expected.tobytes()


def test_all_records_at_once() -> None:
    """Without positions it is all of them, in their order."""
    there, here = noise(wire.SOCKET, MOST), np.zeros(MOST, ROW)
    Passage(wire.SOCKET, ROW, ("laddr", "raddr", "mss")).copy(there, here, slice(None))
    for name in ("laddr", "raddr", "mss"):
        assert (here[name] == there[name]).all()


@pytest.mark.parametrize("count", [0, 1, 4095, 4096, 4097, 20_000])
def test_parts_are_the_whole(count: int) -> None:
    """Each record once, in order."""
    assert [i for part in parts(count) for i in range(part.start, part.stop)] == list(range(count))


def test_a_batch_reads_the_columns_of_its_events() -> None:
    """They are taken out in pieces, and each is the event's own."""
    events = noise(wire.EVENT, 230)
    batch = Batch.of(events)
    columns = {"old": "old_state", "new": "new_state"}
    for name in ("cookie", "netns", "time_ns", "pid", "lport", "kind", "old", "new", "flags"):
        assert (getattr(batch, name) == events[columns.get(name, name)]).all(), name
