"""Do the numbers arrive at an OpenTelemetry collector as they are, and what if it is not there?"""

import json
import math
import re
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self
from urllib.request import urlopen

import numpy as np
import pytest

import tcpwatch
from tcpwatch.errors import UsageError
from tcpwatch.metrics.meters import Meters
from tcpwatch.metrics.picture import Family, Picture
from tcpwatch.recording.reader import Recording
from tcpwatch.recording.source import RecordedSource
from tcpwatch.serve.otlp import Pusher, Starts, endpoint
from tcpwatch.tracker.tracker import Tracker

DEADLINE_S = 60.0
COLLECTOR = Path(__file__).with_name("collector.py")
DEMO = Path(__file__).parents[2] / "docs" / "demo" / "demo.tcpw"
INF = math.inf
SECOND = 1_000_000_000
Point = dict[str, Any]


class Collector:
    """The receiver's process. heard: what it was sent, request by request."""

    def __init__(self, port: int = 0, *statuses: int) -> None:
        command = [sys.executable, str(COLLECTOR), str(port), *map(str, statuses)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.heard: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        self.url = f"http://127.0.0.1:{int(self._line())}"
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def next(self) -> dict[str, Any]:
        self.heard.append(json.loads(self._line()))
        return self.heard[-1]

    def is_silent_for(self, seconds: float) -> bool:
        assert self._process.stdout
        return not select.select([self._process.stdout], [], [], seconds)[0]

    def _line(self) -> str:
        assert self._process.stdout
        assert select.select([self._process.stdout], [], [], DEADLINE_S)[0], "nothing was heard"
        return self._process.stdout.readline()


@contextmanager
def pushing(url: str, *pictures: Picture, interval_s: float = 0.05, **headers: str) -> Iterator[Pusher]:
    """The pictures one after the other, then the last one for ever."""
    left = list(pictures)
    pusher = Pusher(url, headers, interval_s, lambda: left.pop(0) if len(left) > 1 else left[0])
    pusher.start()
    try:
        yield pusher
    finally:
        pusher.stop()


def picture(time_s: int = 1_700_000_000, opened: float = 23.0) -> Picture:
    """One family of each kind."""
    return Picture(
        time_s * SECOND,
        (
            Family("tcpwatch_opened", "counter", "O.", "", ("port", "role"), (("443", "client"),), np.array([opened])),
            Family("tcpwatch_sent_bytes", "counter", "S.", "bytes", ("port",), (("80",),), np.array([2.0**53 - 1])),
            Family(
                "tcpwatch_fill_ratio",
                "gauge",
                "F.",
                "ratio",
                ("port",),
                (("1",), ("2",)),
                np.array([0.25, np.nan]),
            ),
            Family(
                "tcpwatch_rtt_seconds",
                "histogram",
                "R.",
                "seconds",
                ("port",),
                (("443",),),
                np.array([23.0]),
                np.array([[0.0, 7.0, 18.0, 23.0]]),
                np.array([0.001, 0.01, 0.1, INF]),
                np.array([1.75]),
            ),
            Family("tcpwatch_build", "info", "B.", "", ("version",), (("1",),), np.array([1.0])),
            Family("tcpwatch_nothing", "gauge", "N.", "", (), (), np.empty(0)),
        ),
    )


def metrics_of(heard: dict[str, Any]) -> dict[str, dict[str, Any]]:
    (resource,) = heard["resourceMetrics"]
    (scope,) = resource["scopeMetrics"]
    assert scope["scope"] == {"name": "tcpwatch", "version": tcpwatch.__version__}
    return {metric["name"]: metric for metric in scope["metrics"]}


def plain(attributes: list[dict[str, Any]]) -> dict[str, str]:
    return {one["key"]: one["value"]["stringValue"] for one in attributes}


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
    """Service and host by OpenTelemetry's names; what the environment says wins, headers of both kinds are sent."""
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test,service.instance.id=mine")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=23")
    with Collector() as collector, pushing(f"{collector.url}/other/path", picture(), Authorization="Bearer x"):
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


def test_the_newest_is_pushed_at_the_end() -> None:
    """What happened since the last push is not lost to the end of the service."""
    with Collector() as collector:
        newest = [picture()]
        pusher = Pusher(collector.url, {}, 3600.0, lambda: newest[0])
        pusher.start()
        collector.next()
        newest[0] = picture(1_700_000_001, 29.0)
        pusher.stop()
        assert metrics_of(collector.next())["tcpwatch_opened"]["sum"]["dataPoints"][0]["asDouble"] == 29.0


def test_before_there_is_anything() -> None:
    """Nothing is pushed, and it ends at once."""
    with Collector() as collector:
        pusher = Pusher(collector.url, {}, 0.05, lambda: None)
        pusher.start()
        begin = time.monotonic()
        pusher.stop()
        assert time.monotonic() - begin < DEADLINE_S
        assert collector.is_silent_for(0.2)


def test_a_collector_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    """Said once, with the reason and without the password; when it comes, that is said, and all totals are there."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    counted = iter(range(10_000))
    url = f"http://user:secret@127.0.0.1:{port}"
    pusher = Pusher(url, {}, 0.05, lambda: picture(1_700_000_000 + (n := next(counted)), 23.0 + n))
    pusher.start()
    said = ""

    def has_said(text: str) -> bool:
        nonlocal said
        said += capsys.readouterr().err
        return text in said

    wait_until(lambda: has_said("cannot push"))
    assert said == (
        f"tcpwatch: cannot push to http://127.0.0.1:{port}/v1/metrics: Connection refused; "
        "trying again, ever more seldom\n"
    )
    with Collector(port) as collector:
        heard = collector.next()
        wait_until(lambda: has_said("again\n"))
        pusher.stop()
    (point,) = metrics_of(heard)["tcpwatch_opened"]["sum"]["dataPoints"]
    assert point["asDouble"] > 23.0
    assert int(point["startTimeUnixNano"]) <= 1_700_000_000 * SECOND
    assert said.splitlines()[1:] == [f"tcpwatch: pushing to http://127.0.0.1:{port}/v1/metrics again"]


@pytest.mark.parametrize("status", [400, 401, 404, 500])
def test_a_collector_that_refuses(status: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Its status is the reason; the same numbers are offered again."""
    with Collector(0, status, status) as collector, pushing(collector.url, picture()):
        assert [collector.next()["status"] for _ in range(3)] == [status, status, 200]
        said = ""

        def over() -> bool:
            nonlocal said
            said += capsys.readouterr().err
            return "again\n" in said.partition("\n")[2]

        wait_until(over)
    first, last = said.splitlines()
    assert str(status) in first
    assert last.endswith("/v1/metrics again")


def test_a_collector_that_never_answers() -> None:
    """The end of the service does not wait for it."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        pusher = Pusher(f"http://127.0.0.1:{deaf.getsockname()[1]}", {}, 0.05, picture)
        pusher.start()
        with deaf.accept()[0]:
            begin = time.monotonic()
            pusher.stop()
        assert time.monotonic() - begin < 9.0  # the library alone would wait ten seconds for an answer


def test_hostile_answers_stay_off_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """The reason comes from the network: no control characters, no novels."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        with pushing(f"http://127.0.0.1:{server.getsockname()[1]}", picture(), interval_s=3600.0):
            other, _ = server.accept()
            with other:
                other.recv(65536)
                other.sendall(b"HTTP/1.1 418 \x1b[2J\x9b" + b"a" * 5000 + b"\r\nContent-Length: 0\r\n\r\n")
            said = ""

            def complete() -> bool:
                nonlocal said
                said += capsys.readouterr().err
                return said.endswith("\n")

            wait_until(complete)
    assert re.fullmatch(r"[ -~…?\ufffd]+\n", said), said
    assert len(said) < 400


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
        "try: Pusher('http://127.0.0.1:4318', {}, 1.0, lambda: None)\n"
        "except TcpwatchError as error: print(error.what, error.cure, sep='|')"
    )
    what, cure = subprocess.check_output([sys.executable, "-c", code], text=True).strip().split("|")
    assert "OpenTelemetry" in what
    assert cure == "pip install tcpwatch-ebpf[otlp]"


def test_nothing_of_it_is_loaded_until_it_is_asked_for() -> None:
    """A service that does not push neither needs nor pays for the library."""
    code = "import sys, tcpwatch.serve.otlp; print('opentelemetry' in sys.modules, 'requests' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).split() == ["False", "False"]


def test_the_service_pushes() -> None:
    """`tcpwatch serve --otlp`: what is counted reaches the collector while it is scraped, and once more at the end."""
    with Collector() as collector, serving("--otlp", collector.url, "--otlp-interval", "1") as (process, said):
        assert "tcpwatch_build_info" in metrics_of(collector.next())
        with urlopen(url_in(said), timeout=DEADLINE_S) as answer:
            assert b"tcpwatch_build_info" in answer.read()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=DEADLINE_S)
        assert process.returncode == 0


def test_the_service_goes_on_without_a_collector() -> None:
    """One line on stderr; scrapes are answered as ever, and the end is an orderly one."""
    with serving("--otlp", "http://127.0.0.1:9", "--otlp-interval", "1") as (process, said):
        assert process.stderr
        while "cannot push" not in said[-1]:
            said.append(process.stderr.readline())
            assert said[-1], said
        with urlopen(url_in(said), timeout=DEADLINE_S) as answer:
            assert b"tcpwatch_build_info" in answer.read()
        process.send_signal(signal.SIGINT)
        _, rest = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0
    assert "".join([*said, rest]).count("push") == 1


@contextmanager
def serving(*more: str) -> Iterator[tuple["subprocess.Popen[str]", list[str]]]:
    """`tcpwatch serve` on a recording, and the lines it said until it served."""
    command = ["serve", "--from", str(DEMO), "--web.listen-address", "127.0.0.1:0", *more]
    with subprocess.Popen(
        [sys.executable, "-m", "tcpwatch", *command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stderr
            said = [process.stderr.readline()]
            while "serving" not in said[-1]:
                assert said[-1], said
                said.append(process.stderr.readline())
            yield process, said
        finally:
            process.kill()


def url_in(said: list[str]) -> str:
    (url,) = re.findall(r"serving (\S+)", "".join(said))
    return str(url)


def wait_until(done: Callable[[], bool]) -> None:
    give_up = time.monotonic() + DEADLINE_S
    while not done():
        assert time.monotonic() < give_up
        time.sleep(0.02)
