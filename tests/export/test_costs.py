"""What does an export cost? So much memory, whatever the length; and far less time than the events took to happen."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tcpwatch.export.export import export
from tcpwatch.frame import Frame
from tcpwatch.script import ScriptedSource
from tests.tracker.load import EVENTS_PER_PAIR, pairs
from tests.tracker.machine import HOST, SECOND_NS
from tests.yardstick import slowness

EVENTS_PER_FRAME, TICK_NS = 28_000, SECOND_NS // 10
FLOOR_PER_S = 100_000  # on an idle core it is ten times as many
MOST_MB = 70  # more for three times the length; the events alone are 280 MB more


def load(frames: int) -> Iterator[Frame]:
    """Connections that come and go at the highest rate that was measured."""
    count = EVENTS_PER_FRAME // EVENTS_PER_PAIR
    for tick in range(frames):
        now_ns = 1000 * SECOND_NS + tick * TICK_NS
        events = pairs(count, 1 + 2 * count * tick, now_ns)
        yield Frame(now_ns, now_ns + TICK_NS, HOST, events, shows_time_wait=False)


def peak_mb(frames: int, out: Path) -> float:
    program = f"""
import re, sys
sys.path.insert(0, ".")
from tests.export.test_costs import *
export(ScriptedSource(load({frames})), "parquet", {str(out)!r})
print(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1])  # ru_maxrss begins at the parent's
"""
    command = [sys.executable, "-c", program]
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, env=environment, stdout=subprocess.PIPE, check=True, timeout=240)
    return int(done.stdout) / 1024


def test_memory_is_bounded(tmp_path: Path) -> None:
    """A long stream needs what a short one does. The short one is as long as ended connections are remembered."""
    short, long = (peak_mb(frames, tmp_path / str(frames)) for frames in (30, 90))
    print(f"{short:.0f} MB for 0.8 million events, {long:.0f} MB for 2.5 million")
    assert long - short < MOST_MB


@pytest.mark.usefixtures("undisturbed")
def test_parquet_keeps_up(tmp_path: Path) -> None:
    """Of CPU time, the tracker's included."""
    frames = list(load(30))
    begin = time.process_time()
    export(ScriptedSource(frames), "parquet", str(tmp_path / "out"))
    rate = len(frames) * EVENTS_PER_FRAME / (time.process_time() - begin) * slowness()
    print(f"{rate / 1e6:.2f} million events/s")
    assert rate > FLOOR_PER_S
