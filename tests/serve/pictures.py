"""What does Prometheus' own library make of a picture? Written down by it, sample by sample."""

from collections.abc import Iterator

import numpy as np
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from tcpwatch.metrics.picture import Family, Picture


class Reference(Collector):
    """The picture through prometheus_client, sample by sample."""

    def __init__(self, shown: Picture) -> None:
        self._shown = shown

    def collect(self) -> Iterator[Metric]:
        return (_metric(family) for family in self._shown.families if (~np.isnan(family.numbers)).any())


def _metric(family: Family) -> Metric:
    told = (family.name, family.help)
    more = {"labels": family.labels, "unit": family.unit}
    known = [n for n, number in enumerate(family.numbers) if not np.isnan(number)]
    if family.kind == "histogram":
        histogram = HistogramMetricFamily(*told, **more)  # type: ignore[arg-type]
        for n in known:
            buckets = [(floatToGoString(b), v) for b, v in zip(family.bounds, family.buckets[n])]  # type: ignore[no-untyped-call]
            histogram.add_metric(family.values[n], buckets, family.sums[n])
        return histogram
    if family.kind == "info":
        info = InfoMetricFamily(*told, labels=())
        for n in known:
            info.add_metric((), dict(zip(family.labels, family.values[n])))
        return info
    kind = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
    made = kind(*told, **more)  # type: ignore[arg-type]
    for n in known:
        made.add_metric(family.values[n], family.numbers[n])
    return made
