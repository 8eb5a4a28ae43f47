"""Is what is written down what Prometheus' own library would have written? Read back by its parsers."""

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.exposition import generate_latest as as_text
from prometheus_client.openmetrics.exposition import generate_latest as as_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from bench.pictures import picture
from tcpwatch.metrics.picture import Family, Kind, Picture
from tcpwatch.serve.exposition import Exposition

from .pictures import Reference

Read = Callable[[str], Iterable[Metric]]


def read(parse: Read, written: bytes) -> dict[str, tuple[object, ...]]:
    """By name what a scraper takes of each metric."""
    return {
        one.name: (
            *(one.documentation, one.type, one.unit),
            sorted((s.name, tuple(sorted(s.labels.items())), s.value) for s in one.samples),
        )
        for one in parse(written.decode())
    }


def agrees(shown: Picture, exposition: Exposition | None = None) -> None:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Reference(shown))
    lines = (exposition or Exposition()).write(shown)
    assert read(read_text, b"".join(lines.text())) == read(read_text, as_text(registry))
    ours = read(read_openmetrics, b"".join(lines.openmetrics()) + b"# EOF\n")
    assert ours == read(read_openmetrics, as_openmetrics(registry))  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("series", [1, 23, 60])
def test_every_metric(series: int) -> None:
    """Of the catalogue, in both formats, with labels that need escaping."""
    agrees(picture(series))


def test_from_one_picture_to_the_next() -> None:
    """What is remembered of the last one never shows: labels come, go and change places, numbers change or not."""
    exposition = Exposition()
    for shown in (picture(23), picture(23), picture(23, 1), picture(60, 1), picture(7, 1), turned(picture(60, 2))):
        agrees(shown, exposition)


def turned(shown: Picture) -> Picture:
    def turn(one: Family) -> Family:
        return replace(
            one, values=one.values[::-1], numbers=one.numbers[::-1], buckets=one.buckets[::-1], sums=one.sums[::-1]
        )

    return replace(shown, families=tuple(map(turn, shown.families)))


NUMBERS = st.floats(min_value=0, allow_infinity=False) | st.integers(0, 2**53).map(float) | st.just(float("nan"))


@given(
    st.sampled_from(["gauge", "counter"]),
    st.dictionaries(st.tuples(st.text(max_size=8), st.text(max_size=8)), NUMBERS, max_size=5),
)
def test_any_label_and_number(kind: Kind, series: dict[tuple[str, str], float]) -> None:
    """Unknown ones are left out, and a metric of which nothing is known is not there at all."""
    values = tuple(sorted(values for values in series if not any("\ud800" <= c <= "\udfff" for v in values for c in v)))
    numbers = np.array([series[one] for one in values], np.float64)
    shown = Picture(1, (Family("tcpwatch_x", kind, 'A "help"\\ of\nlines.', "", ("a", "b"), values, numbers),))
    agrees(shown)
    assert (b"tcpwatch_x" in b"".join(Exposition().write(shown).text())) is bool((~np.isnan(numbers)).any())


def test_an_unknown_histogram() -> None:
    """It is left out whole."""
    buckets = np.array([[1.0, 2.0], [np.nan, np.nan], [0.0, 0.0]])
    shown = Picture(
        1,
        (
            Family(
                *("tcpwatch_h_seconds", "histogram", "Help.", "seconds", ("a",), (("x",), ("y",), ("z",))),
                *(buckets[:, -1], buckets, np.array([0.1, np.inf]), np.array([3.5, np.nan, 0.0])),
            ),
        ),
    )
    agrees(shown)
    assert b'a="y"' not in b"".join(Exposition().write(shown).text())
