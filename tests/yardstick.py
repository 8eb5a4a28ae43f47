"""How fast is this machine, just now? For tests that say how quick something is: their limits are those of the machine
that they were measured on, and one that is slower at everything is no fault of what is tested."""

import time

import numpy as np

_REFERENCE_S = 0.025  # of CPU time, on that machine while it had nothing else to do
_TRIES = 5


def slowness() -> float:
    """How many times as long as there the same work takes here, but at least 1: a limit on time is multiplied by it, a
    rate that has to be reached divided."""
    return max(1.0, min(_work_s() for _ in range(_TRIES)) / _REFERENCE_S)


def _work_s() -> float:
    """Of what all rooms do: Python's own objects, and columns."""
    numbers = np.arange(100_000, dtype=np.uint64)
    begin = time.thread_time()
    told = {}
    for number in range(20_000):
        told[f"{number:x}"] = [number, number + 1]
    mixed = (numbers * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(40)
    np.unique(mixed)
    np.flatnonzero((mixed & np.uint64(7)) == np.uint64(3))
    return time.thread_time() - begin
