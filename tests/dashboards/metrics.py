"""Which series may dashboards and rules ask for, and with which labels? tcpwatch's own, from its catalogue, and the few
that Prometheus or the client library add."""

from tcpwatch.metrics.catalogue import METRICS

TARGET = frozenset({"job", "instance"})

# Of each target, by Prometheus; of each process, by prometheus_client's ProcessCollector
FOREIGN_GAUGES = (
    *("up", "scrape_duration_seconds", "scrape_samples_scraped"),
    *("process_resident_memory_bytes", "process_open_fds"),
)
FOREIGN_COUNTERS = ("process_cpu_seconds_total",)

GAUGES: dict[str, frozenset[str]] = dict.fromkeys(FOREIGN_GAUGES, TARGET)
COUNTERS: dict[str, frozenset[str]] = dict.fromkeys(FOREIGN_COUNTERS, TARGET)

for _metric in METRICS:
    _labels = TARGET | {*_metric.labels()}
    if _metric.kind == "histogram":
        COUNTERS |= {f"{_metric.exposed}_{end}": _labels for end in ("sum", "count")}
        COUNTERS[f"{_metric.exposed}_bucket"] = _labels | {"le"}
    else:
        (COUNTERS if _metric.kind == "counter" else GAUGES)[_metric.exposed] = _labels
