"""Pictures as metrics.Meters draws them, of any size: every metric of the catalogue with so many series. What they say
means nothing."""

import numpy as np

from tcpwatch.metrics import METRICS, Metric
from tcpwatch.metrics.picture import Family, Picture

ODD = ('a"b\\c\nd', "größer", "", "{}", "a,b=c")  # what a label may hold


def picture(series: int, turn: int = 0) -> Picture:
    """Every metric that Meters makes with that many series, but for those whose labels do not allow it. turn: another
    one has other numbers, and the same labels."""
    return Picture(1, tuple(_family(one, series, turn) for one in METRICS if one.maker == "meters"))


def _family(one: Metric, series: int, turn: int) -> Family:
    labels = one.labels()
    count = max(1, series // one.width) if labels else 1
    values = tuple(
        tuple(ODD[n] if n < len(ODD) and i == 0 else f"{label}-{n:06}" for i, label in enumerate(labels))
        for n in range(count)
    )
    numbers = np.arange(count, dtype=np.float64) * (1 if one.kind == "counter" else 0.37) + turn
    told = (one.full_name, one.kind, one.help, one.unit, labels, values)
    if not one.bounds:
        return Family(*told, np.ones(count) if one.kind == "info" else numbers)
    each = np.floor(numbers)[:, None] + np.arange(len(one.bounds))
    buckets = np.cumsum(each, axis=1)
    return Family(*told, buckets[:, -1], buckets, np.array(one.bounds), numbers * 1.7)
