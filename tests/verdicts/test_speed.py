"""Do verdicts cost next to nothing beside the folding of events (2.7 µs a life), when nearly all end well?"""

import time

import numpy as np
import pytest

from tcpwatch import verdicts
from tcpwatch.rows import ROW
from tests.yardstick import slowness

from .build import (
    CALLED,
    CONNECTED,
    HZ,
    REASONS,
    SERVER_SECOND,
    START,
    S,
    got_reset,
    row,
    sent_reset,
)

pytestmark = pytest.mark.usefixtures("undisturbed")

LIVES = 14_000


def lives(unhappy: float, took: int) -> np.ndarray:
    """Client and server ends by turns, `unhappy` (a share) of them reset."""
    made = np.empty(LIVES, ROW)
    made[0::2], made[1::2] = row(took=took), row(SERVER_SECOND, took=took)
    every = int(1 / unhappy)
    made[::every] = row(CONNECTED, **got_reset(), took=took)
    made[1::every] = row(CONNECTED, **sent_reset("TCP_ABORT_ON_CLOSE"), took=took)
    return made


def cost(rows: np.ndarray) -> float:
    """Microseconds per row, the median of several runs."""
    spent = []
    for _ in range(15):
        begin = time.thread_time()
        verdicts.judge(rows, START + 9 * S, HZ, REASONS)
        spent.append(time.thread_time() - begin)
    return float(np.median(spent)) / len(rows) * 1e6


def test_judging_is_cheap() -> None:
    """The limit is twice what a quiet machine needs, so that a busy one does not fail."""
    brief, long, slow = cost(lives(0.01, S // 2)), cost(lives(0.01, 9 * S)), slowness()
    print(f"a life: {brief:.3f} µs if brief, {long:.3f} µs if long, where all takes {slow:.1f} times as long")
    assert brief < 0.25 * slow
    assert long < 1.5 * slow


def test_explaining_is_cheap() -> None:
    """A flood of refused calls is written out, too."""
    rows = np.concatenate([row(CALLED, **got_reset(111))] * 1000)
    rows["verdict"] = verdicts.judge(rows, START + S, HZ, REASONS)
    spent = []
    for _ in range(3):
        begin = time.thread_time()
        told = verdicts.explain(rows, START + S, HZ, REASONS)
        spent.append(time.thread_time() - begin)
        assert {one.code for one in told} == {"refused"}
    each = min(spent) / len(rows) * 1e6
    print(f"to explain one: {each:.0f} µs")
    assert each < 250 * slowness()
