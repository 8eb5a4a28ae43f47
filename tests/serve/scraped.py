"""What does a scraper make of it? Prometheus' own parsers, and what they found."""

from collections.abc import Mapping

from prometheus_client.core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as _openmetrics
from prometheus_client.parser import text_string_to_metric_families as _text

Labels = tuple[tuple[str, str], ...]


def text(written: bytes | str) -> Mapping[str, Metric]:
    """By name. Raises ValueError, as the next does."""
    return {one.name: one for one in _text(_decoded(written))}


def openmetrics(written: bytes | str) -> Mapping[str, Metric]:
    return {one.name: one for one in _openmetrics(_decoded(written))}  # type: ignore[no-untyped-call]


def values(metrics: Mapping[str, Metric], name: str) -> dict[Labels, float]:
    """Of all samples of that name, by their labels."""
    return {
        tuple(sorted(sample.labels.items())): sample.value
        for metric in metrics.values()
        for sample in metric.samples
        if sample.name == name
    }


def value(metrics: Mapping[str, Metric], name: str) -> float:
    """Of the only one."""
    (found,) = values(metrics, name).values()
    return found


def _decoded(written: bytes | str) -> str:
    return written.decode() if isinstance(written, bytes) else written
