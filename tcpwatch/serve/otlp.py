"""Who gets the numbers where nobody comes to fetch them? Pushes the latest picture to an OpenTelemetry collector now
and then. One that cannot be reached is said once and tried again, ever more seldom; the service goes on. The only
module that imports OpenTelemetry, which is an extra (`otlp`)."""

import logging
import math
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

import numpy as np

from tcpwatch import __version__, words
from tcpwatch.errors import TcpwatchError, UsageError
from tcpwatch.metrics.picture import Family, Picture
from tcpwatch.narration import say

if TYPE_CHECKING:
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.sdk.metrics.export import HistogramDataPoint, Metric, MetricsData, NumberDataPoint
    from opentelemetry.sdk.resources import Resource

PATH = "/v1/metrics"
_TIMEOUT_S = 10.0  # of one push with all its attempts
_SELDOM_S = 300.0
_GRACE_S = 2.0
_REASON_LENGTH = 200
_ERRNO = re.compile(r"\[Errno -?\d+\] ([^\'\")(]+)")
_UNITS = {"seconds": "s", "bytes": "By", "ratio": "1", "": ""}  # as UCUM writes them


def endpoint(url: str) -> str:
    """Where to post to: `http://host:4318` alone means its /v1/metrics, another path is taken as it is. Raises
    UsageError."""
    try:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
            raise ValueError
    except ValueError:
        raise UsageError(
            f"--otlp {words.clean(url)!r} is no URL of a collector", "write it like http://127.0.0.1:4318"
        ) from None
    return urlunsplit(parts._replace(path=PATH)) if parts.path in ("", "/") else url


class Pusher:
    """One thread, that tells every `interval_s` seconds what is new; counts are totals since the start (cumulative
    temporality), so a push that failed costs nothing but its moment.

    url: see endpoint(). latest: what is to be pushed, None before there is anything; called on the pusher's thread.
    Raises UsageError, and TcpwatchError without the extra."""

    def __init__(self, url: str, interval_s: float, latest: Callable[[], Picture | None]) -> None:
        target = endpoint(url)
        self._shown = words.clean(_without_password(target))
        self._exporter = _exporter(target)
        self._complaints = _Complaints()
        self._latest, self._interval_s = latest, interval_s
        self._resource = _resource()
        self._starts = Starts(time.time_ns())
        self._pushed_ns = 0
        self._failures = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="otlp", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """What is newest is pushed once more, unless the collector was out of reach anyway. Takes some seconds at
        most."""
        self._ended.set()
        if not self._failures:
            self._await()
        self._exporter.shutdown()  # whatever it waits for is over
        self._await()

    def _await(self) -> None:
        if self._thread.is_alive():
            self._thread.join(_GRACE_S)

    def _run(self) -> None:
        while not self._ended.wait(self._push()):
            pass
        if not self._failures:
            self._push()

    def _push(self) -> float:
        """Seconds until the next time."""
        picture = self._latest()
        if picture is None:
            return min(self._interval_s, 1.0)
        if picture.time_ns != self._pushed_ns:
            failure = self._send(_data(picture, self._starts, self._resource))
            self._note(failure)
            if not failure:
                self._pushed_ns = picture.time_ns
        return max(self._interval_s, min(_SELDOM_S, self._interval_s * 2.0 ** min(self._failures, 16)))

    def _send(self, data: "MetricsData") -> str:
        """Why it failed; "" if it did not."""
        self._complaints.first = ""
        try:
            if self._exporter.export(data).name == "SUCCESS":
                return ""
        except Exception as error:  # noqa: BLE001 - whatever the library meets must not end the service
            return _reason(str(error))
        return _reason(self._complaints.first or "it does not take them")

    def _note(self, failure: str) -> None:
        before, self._failures = self._failures, self._failures + 1 if failure else 0
        if self._ended.is_set():  # nobody waits for it any more
            return
        if failure and not before:
            say(f"tcpwatch: cannot push to {self._shown}: {failure}; trying again, ever more seldom")
        elif before and not failure:
            say(f"tcpwatch: pushing to {self._shown} again")


class Starts:
    """Since when does a total count? A series that went away and comes back begins anew, as one does whose number fell;
    a receiver that is not told would take it for a total that was never seen."""

    def __init__(self, began_ns: int) -> None:
        """began_ns: before that nothing was counted."""
        self._known: dict[str, dict[tuple[str, ...], tuple[int, float]]] = {}
        self._before_ns = began_ns

    def of(self, family: Family, time_ns: int) -> list[int]:
        """Of each series, and all are Unix ns. time_ns: the picture's, which may be a recording's."""
        known, new_ns = self._known.get(family.name, {}), min(self._before_ns, time_ns)
        present: dict[tuple[str, ...], tuple[int, float]] = {}
        for values, number in zip(family.values, family.numbers.tolist()):
            start_ns, last = known.get(values, (new_ns, 0.0))
            present[values] = (new_ns if number < last else start_ns, last if math.isnan(number) else number)
        self._known[family.name] = present
        return [start_ns for start_ns, _ in present.values()]

    def end(self, time_ns: int) -> None:
        """The picture is told; what the next one adds began after it."""
        self._before_ns = time_ns


class _Complaints(logging.Handler):
    """What the library says, for us to say once; nothing of it reaches the terminal by itself."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.first = ""  # the cause; that it then gave up says less
        log = logging.getLogger("opentelemetry")
        log.propagate = False
        log.handlers = [self]

    def emit(self, record: logging.LogRecord) -> None:
        self.first = self.first or record.getMessage()


def _exporter(target: str) -> "OTLPMetricExporter":
    try:
        from opentelemetry.exporter.otlp.proto.http import Compression
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    except ImportError as error:
        raise TcpwatchError(
            f"pushing needs OpenTelemetry's exporter: {error}", "pip install tcpwatch-ebpf[otlp]"
        ) from error
    return OTLPMetricExporter(endpoint=target, timeout=_TIMEOUT_S, compression=Compression.Gzip)


def _resource() -> "Resource":
    """This machine's tcpwatch; OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME add to it and win."""
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource

    host = socket.gethostname()
    ours = {
        "service.name": "tcpwatch",
        "service.version": __version__,
        "service.instance.id": host,  # not a random one: a restart is no new machine
        "host.name": host,
        "os.type": "linux",
    }
    return Resource(ours).merge(OTELResourceDetector().detect())


def _data(picture: Picture, starts: Starts, resource: "Resource") -> "MetricsData":
    from opentelemetry.sdk.metrics.export import MetricsData, ResourceMetrics, ScopeMetrics
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

    known = (family for family in picture.families if not np.isnan(family.numbers).all())
    metrics = [_metric(family, picture.time_ns, starts) for family in known]
    starts.end(picture.time_ns)
    scope = ScopeMetrics(InstrumentationScope("tcpwatch", __version__), metrics, "")
    return MetricsData([ResourceMetrics(resource, [scope], "")])


def _metric(family: Family, time_ns: int, starts: Starts) -> "Metric":
    from opentelemetry.sdk.metrics import export as sdk

    cumulative = sdk.AggregationTemporality.CUMULATIVE
    points: sdk.DataT
    if family.kind == "histogram":
        points = sdk.Histogram(list(_histograms(family, time_ns, starts)), cumulative)
    elif family.kind == "counter":
        points = sdk.Sum(list(_numbers(family, time_ns, starts.of(family, time_ns))), cumulative, is_monotonic=True)
    else:
        points = sdk.Gauge(list(_numbers(family, time_ns, [0] * len(family.values))))  # 0: no start
    name = family.exposed if family.kind == "info" else family.name  # receivers add a counter's _total themselves
    return sdk.Metric(name, family.help, _UNITS[family.unit], points)


def _numbers(family: Family, time_ns: int, starts: list[int]) -> Iterator["NumberDataPoint"]:
    from opentelemetry.sdk.metrics.export import NumberDataPoint

    for values, number, start_ns in zip(family.values, family.numbers.tolist(), starts):
        if not math.isnan(number):
            yield NumberDataPoint(dict(zip(family.labels, values)), start_ns, time_ns, number)


def _histograms(family: Family, time_ns: int, starts: Starts) -> Iterator["HistogramDataPoint"]:
    """OTLP counts each bucket for itself, and its last one has no bound."""
    from opentelemetry.sdk.metrics.export import HistogramDataPoint

    counts = np.diff(family.buckets, axis=1, prepend=0.0).astype(np.int64).tolist()
    bounds, sums = family.bounds[:-1].tolist(), family.sums.tolist()
    for place, (values, start_ns) in enumerate(zip(family.values, starts.of(family, time_ns))):
        labels, of_each = dict(zip(family.labels, values)), counts[place]
        extremes: Any = {"min": None, "max": None}  # unknown, which the encoder takes, whatever the class declares
        yield HistogramDataPoint(labels, start_ns, time_ns, sum(of_each), sums[place], of_each, bounds, **extremes)


def _reason(said: str) -> str:
    """What the system said, without the library's layers around it; else all of it."""
    found = _ERRNO.search(said)
    return words.clean(found[1] if found else said)[:_REASON_LENGTH]


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
