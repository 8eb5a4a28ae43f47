"""Do the numbers arrive at an OpenTelemetry collector as they are?"""

import math
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import tcpwatch
from tcpwatch.errors import UsageError
from tcpwatch.metrics.meters import Meters
from tcpwatch.metrics.picture import Family
from tcpwatch.recording.reader import Recording
from tcpwatch.recording.source import RecordedSource
from tcpwatch.serve.otlp import Pusher, Starts, endpoint
from tcpwatch.tracker.tracker import Tracker

from .receiving import SECOND, Collector, metrics_of, picture, plain, pushing
from .stand import DEADLINE_S

DEMO = Path(__file__).parents[2] / "docs" / "demo" / "demo.tcpw"


def test_every_kind_arrives_as_it_is() -> None:
    """Totals are monotonic and cumulative, buckets count for themselves, what is unknown or empty is not sent."""
    with Collector() as collector, pushing(collector.url, picture()):
        heard = collector.next()
    assert heard["path"] == "/v1/metrics"
    assert heard["gzip"]
    metrics = metrics_of(heard)
    assert set(metrics) == {
        "tcpwatch_opened",
        "tcpwatch_sent_bytes",
        "tcpwatch_fill_ratio",
        "tcpwatch_rtt_seconds",
        "tcpwatch_build_info",
    }
    total = metrics["tcpwatch_opened"]["sum"]
    assert (total["aggregationTemporality"], total["isMonotonic"]) == ("AGGREGATION_TEMPORALITY_CUMULATIVE", True)
    (point,) = total["dataPoints"]
    assert plain(point["attributes"]) == {"port": "443", "role": "client"}
    assert (point["asDouble"], point["timeUnixNano"]) == (23.0, str(1_700_000_000 * SECOND))
    assert metrics["tcpwatch_sent_bytes"]["unit"] == "By"
    assert metrics["tcpwatch_sent_bytes"]["sum"]["dataPoints"][0]["asDouble"] == 2.0**53 - 1
    (point,) = metrics["tcpwatch_fill_ratio"]["gauge"]["dataPoints"]
    assert (plain(point["attributes"]), point["asDouble"]) == ({"port": "1"}, 0.25)
    histogram = metrics["tcpwatch_rtt_seconds"]
    assert (histogram["unit"], histogram["description"]) == ("s", "R.")
    assert histogram["histogram"]["aggregationTemporality"] == "AGGREGATION_TEMPORALITY_CUMULATIVE"
    (point,) = histogram["histogram"]["dataPoints"]
    assert (point["count"], point["sum"]) == ("23", 1.75)
    assert (point["bucketCounts"], point["explicitBounds"]) == (["0", "7", "11", "5"], [0.001, 0.01, 0.1])
    assert not {"min", "max"} & point.keys()


def test_a_whole_picture_arrives() -> None:
    """Every series of a recording of real trouble, under its labels, to the last digit; and nothing else."""
    source = RecordedSource(Recording(str(DEMO)))
    tracker, meters = Tracker(history_bytes=1), Meters()
    for frame in source.frames():
        meters.fold(tracker.fold(frame))
    source.close()
    drawn = meters.picture(tracker.view())
    with Collector() as collector, pushing(collector.url, drawn, interval_s=3600.0):
        metrics = metrics_of(collector.next())
    numbers = sum(len(family.values) for family in drawn.families)
    assert numbers > 500
    arrived = 0
    for family in drawn.families:
        told = metrics.get(family.exposed if family.kind == "info" else family.name)
        points = next(value["dataPoints"] for value in told.values() if isinstance(value, dict)) if told else []
        by_labels = {tuple(sorted(plain(point.get("attributes", [])).items())): point for point in points}
        assert len(by_labels) == len(points)
        for place, values in enumerate(family.values):
            number = float(family.numbers[place])
            point = by_labels.pop(tuple(sorted(zip(family.labels, values))), None)
            arrived += point is not None
            if family.kind == "histogram":
                assert point is not None
                assert (int(point.get("count", 0)), point["sum"]) == (number, family.sums[place])
                assert np.cumsum([int(count) for count in point["bucketCounts"]]).tolist() == list(
                    family.buckets[place]
                )
            else:
                assert (point is None) == math.isnan(number)
                assert point is None or point["asDouble"] == number
        assert not by_labels
    assert arrived > 500


def test_it_says_whose_numbers_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Service and host by OpenTelemetry's names; what the environment says wins, its headers are sent."""
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test,service.instance.id=mine")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=23,authorization=Bearer%20x")
    with Collector() as collector, pushing(f"{collector.url}/other/path", picture()):
        heard = collector.next()
    told = plain(heard["resourceMetrics"][0]["resource"]["attributes"])
    assert told == {
        "service.name": "tcpwatch",
        "service.version": tcpwatch.__version__,
        "service.instance.id": "mine",
        "host.name": socket.gethostname(),
        "os.type": "linux",
        "deployment.environment": "test",
    }
    assert heard["path"] == "/other/path"
    headers = {name.lower(): value for name, value in heard["headers"].items()}
    assert (headers["x-tenant"], headers["authorization"]) == ("23", "Bearer x")


def test_a_picture_is_pushed_once() -> None:
    """A session that stands still has nothing new to say, neither now and then nor at the end."""
    with Collector() as collector:
        with pushing(collector.url, picture()):
            collector.next()
            assert collector.is_silent_for(0.5)
        assert collector.is_silent_for(0.2)


@pytest.mark.usefixtures("undisturbed")
def test_the_newest_is_pushed_at_the_end() -> None:
    """What happened since the last push is not lost to the end of the service."""
    with Collector() as collector:
        newest = [picture()]
        pusher = Pusher(collector.url, 3600.0, lambda: newest[0])
        pusher.start()
        collector.next()
        newest[0] = picture(1_700_000_001, 29.0)
        pusher.stop()
        assert metrics_of(collector.next())["tcpwatch_opened"]["sum"]["dataPoints"][0]["asDouble"] == 29.0


def test_before_there_is_anything() -> None:
    """Nothing is pushed, and it ends at once."""
    with Collector() as collector:
        pusher = Pusher(collector.url, 0.05, lambda: None)
        pusher.start()
        begin = time.monotonic()
        pusher.stop()
        assert time.monotonic() - begin < DEADLINE_S
        assert collector.is_silent_for(0.2)


def test_since_when_a_total_counts() -> None:
    """Since the start; of a series that came back or fell, since the picture before. An unknown number changes
    nothing."""

    def family(**numbers: float) -> Family:
        values = tuple((name,) for name in numbers)
        return Family("tcpwatch_x", "counter", "", "", ("l",), values, np.array(list(numbers.values())))

    starts = Starts(100)
    told = []
    for time_ns, numbers in (
        (200, {"a": 7.0, "b": 5.0, "c": 3.0}),
        (300, {"a": 7.0, "c": math.nan}),
        (400, {"a": 1.0, "b": 2.0, "c": 3.0}),
        (500, {"a": 1.0, "b": 2.0, "c": 3.0, "d": 1.0}),
    ):
        told.append(starts.of(family(**numbers), time_ns))
        starts.end(time_ns)
    assert told == [[100, 100, 100], [100, 100], [300, 300, 100], [300, 300, 100, 400]]


def test_a_recording_begins_when_it_was_made() -> None:
    """Its moments lie before the start of this process, and no total starts after its own moment."""
    family = Family("tcpwatch_x", "counter", "", "", (), ((),), np.array([1.0]))
    assert Starts(500).of(family, 100) == [100]


@pytest.mark.parametrize(
    ("url", "whole"),
    [
        ("http://collector:4318", "http://collector:4318/v1/metrics"),
        ("http://collector:4318/", "http://collector:4318/v1/metrics"),
        ("https://[::1]:4318", "https://[::1]:4318/v1/metrics"),
        ("https://host/api/otlp/v1/metrics?x=1", "https://host/api/otlp/v1/metrics?x=1"),
    ],
)
def test_where_it_posts_to(url: str, whole: str) -> None:
    """A host alone means OpenTelemetry's usual path."""
    assert endpoint(url) == whole


@pytest.mark.parametrize(
    "url", ["", "collector:4318", "http://", "ftp://host", "http://host:99999", "file:///etc/passwd"]
)
def test_what_is_no_url(url: str) -> None:
    """Refused before anything is attached, and repeated."""
    with pytest.raises(UsageError, match="--otlp") as caught:
        endpoint(url)
    assert caught.value.cure


def test_without_the_extra() -> None:
    """What is missing and how to get it."""
    code = (
        "import sys; sys.modules['opentelemetry'] = None\n"
        "from tcpwatch.errors import TcpwatchError\n"
        "from tcpwatch.serve.otlp import Pusher\n"
        "try: Pusher('http://127.0.0.1:4318', 1.0, lambda: None)\n"
        "except TcpwatchError as error: print(error.what, error.cure, sep='|')"
    )
    what, cure = subprocess.check_output([sys.executable, "-c", code], text=True).strip().split("|")
    assert "OpenTelemetry" in what
    assert cure == "pip install tcpwatch-ebpf[otlp]"


def test_nothing_of_it_is_loaded_until_it_is_asked_for() -> None:
    """A service that does not push neither needs nor pays for the library."""
    code = "import sys, tcpwatch.serve.otlp; print('opentelemetry' in sys.modules, 'requests' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).split() == ["False", "False"]
