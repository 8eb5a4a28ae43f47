"""Do the declarations keep to Prometheus' rules, and is docs/metrics.md what they say?"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tcpwatch.metrics import METRICS, SERVICE, Metric
from tcpwatch.metrics.book import VERDICT_NAMES
from tcpwatch.metrics.catalogue import metric
from tcpwatch.metrics.series import OWN
from tests.tracker import build

from .room import Room, life

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
RESERVED = {"le", "quantile", "instance", "job"}


def test_the_page_is_up_to_date() -> None:
    """`python -m tcpwatch.metrics > docs/metrics.md` writes it."""
    done = subprocess.run([sys.executable, "-m", "tcpwatch.metrics"], capture_output=True, text=True, check=True)
    assert PAGE.read_text(encoding="utf-8") == done.stdout


def test_every_metric_is_on_the_page() -> None:
    """With its kind and its labels."""
    page = PAGE.read_text(encoding="utf-8")
    assert all(f"| `{one.exposed}` | {one.kind} |" in page for one in METRICS)
    assert all(f"| `{label}` |" in page for label in SERVICE)


@pytest.mark.parametrize("one", METRICS, ids=lambda one: one.name)
def test_names_and_units_keep_the_rules(one: Metric) -> None:
    """Base units at the end of the name, no suffix that formats add, labels that nobody else uses."""
    assert re.fullmatch(r"[a-z][a-z0-9_]*[a-z0-9]", one.name)
    assert not re.search(r"_(total|info|count|sum|bucket|created)$", one.name)
    assert not one.unit or one.name.endswith(f"_{one.unit}")
    assert one.unit in ("", "seconds", "bytes", "ratio")
    assert all(re.fullmatch(r"[a-z]+", label) and label not in RESERVED for label in one.labels())
    assert len(set(one.labels())) == len(one.labels())
    assert one.help.endswith(".")
    assert "\n" not in one.help
    assert bool(one.bounds) == (one.kind == "histogram")
    assert list(one.bounds) == sorted(set(one.bounds))
    assert not one.bounds or one.bounds[-1] == float("inf")


def test_names_are_unique() -> None:
    """Also as Prometheus knows them."""
    assert len({one.exposed for one in METRICS}) == len({one.name for one in METRICS}) == len(METRICS)


def test_buckets_are_fit_for_networks() -> None:
    """From 50 microseconds to a minute; lives may last an hour."""
    assert metric("rtt_seconds").bounds[0] == 50e-6
    assert metric("rtt_seconds").bounds[-2] == 60
    assert metric("connection_duration_seconds").bounds[-2] == 3600


def test_a_picture_is_what_is_declared() -> None:
    """Every metric that is made here, in order, with the labels it is declared with; whichever labels are wanted."""
    for chosen in (SERVICE, ("port", "role"), ("comm",)):
        room = Room(*chosen)
        room.fold(build.frame(1, life(0, 1)), build.frame(4))
        declared = [one for one in METRICS if one.maker == "meters"]
        families = room.picture().families
        assert [family.name for family in families] == [one.full_name for one in declared]
        for family, one in zip(families, declared):
            assert (family.kind, family.unit, family.help) == (one.kind, one.unit, one.help)
            assert family.labels == one.labels(chosen)
            assert len(family.numbers) == len(family.values)
            assert list(family.values) == sorted(set(family.values))
            assert all(len(values) == len(family.labels) for values in family.values)
            assert all(
                not array.flags.writeable for array in (family.numbers, family.buckets, family.sums) if array.size
            )
            assert not one.bounds or family.buckets.shape == (len(family.values), len(one.bounds))


def test_all_verdicts_have_room() -> None:
    """A metric's own labels have so many values at most."""
    assert len(VERDICT_NAMES) <= OWN
