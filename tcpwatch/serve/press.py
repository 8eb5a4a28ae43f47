"""What does a scrape get? A picture is encoded once for each format, however many ask for it, and its new label sets
before anybody asks; what is true only at the moment of the scrape (its age, the process's own CPU time and memory) is
appended each time."""

import threading
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from prometheus_client import CollectorRegistry, Gauge, Histogram, ProcessCollector, disable_created_metrics
from prometheus_client.exposition import generate_latest as as_text
from prometheus_client.openmetrics.exposition import generate_latest as as_openmetrics

from tcpwatch.metrics.catalogue import metric
from tcpwatch.metrics.picture import Picture
from tcpwatch.serve.exposition import Exposition, Lines
from tcpwatch.serve.negotiation import OPENMETRICS
from tcpwatch.serve.shelf import Shelf

_GZIP = 16 + zlib.MAX_WBITS
_LEVEL = 1  # of such text it leaves a twentieth already, in a third of the time


@dataclass(slots=True)
class _Encoded:
    """packed: begun gzip streams and what they gave so far, by content type."""

    picture: Picture
    lines: Lines
    plain: dict[str, bytes] = field(default_factory=dict)
    packed: dict[str, tuple[bytes, Any]] = field(default_factory=dict)


class Press:
    """To be used by any number of threads at once. shelf: where the pictures come from."""

    def __init__(self, shelf: Shelf) -> None:
        shelf.heed = self._learn
        self._exposition = Exposition()
        self._lock = threading.Lock()
        self._encoded: _Encoded | None = None
        # a second series for each of a histogram, which nobody asks for
        disable_created_metrics()  # type: ignore[no-untyped-call]
        own = self._registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=own)
        age, duration = metric("view_age_seconds"), metric("scrape_duration_seconds")
        Gauge(age.full_name, age.help, unit=age.unit, registry=own).set_function(lambda: shelf.age_s)
        self._durations = Histogram(
            duration.full_name, duration.help, unit=duration.unit, buckets=duration.bounds, registry=own
        )
        self.scrapes = 0  # that were answered

    def observe(self, since: float) -> None:
        """A scrape that began then (time.monotonic()) is over."""
        self._durations.observe(time.monotonic() - since)
        with self._lock:
            self.scrapes += 1

    def print(self, picture: Picture, content_type: str, gzip: bool) -> tuple[bytes, bytes]:
        """The body in two parts, to be sent one after the other."""
        last = self._last(content_type)
        with self._lock:
            encoded = self._encode(picture)
            if not gzip:
                return self._plain(encoded, content_type), last
            begun, stream = self._packed(encoded, content_type)
            stream = stream.copy()
        return begun, stream.compress(last) + stream.flush()

    def _learn(self, picture: Picture) -> None:
        """What takes longest is done before a scrape waits for it. Who makes pictures never waits for scrapes."""
        if self._lock.acquire(blocking=False):
            try:
                self._exposition.learn(picture)
            finally:
                self._lock.release()

    def _last(self, content_type: str) -> bytes:
        if content_type == OPENMETRICS:
            return bytes(as_openmetrics(self._registry))  # type: ignore[no-untyped-call]
        return as_text(self._registry)

    def _encode(self, picture: Picture) -> _Encoded:
        if self._encoded is None or self._encoded.picture is not picture:
            self._encoded = _Encoded(picture, self._exposition.write(picture))
        return self._encoded

    def _plain(self, encoded: _Encoded, content_type: str) -> bytes:
        if content_type not in encoded.plain:
            encoded.plain[content_type] = b"".join(_parts(encoded.lines, content_type))
        return encoded.plain[content_type]

    def _packed(self, encoded: _Encoded, content_type: str) -> tuple[bytes, Any]:
        if content_type not in encoded.packed:
            stream = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
            begun = [*map(stream.compress, _parts(encoded.lines, content_type)), stream.flush(zlib.Z_SYNC_FLUSH)]
            encoded.packed[content_type] = b"".join(begun), stream
        return encoded.packed[content_type]


def _parts(lines: Lines, content_type: str) -> Iterator[bytes]:
    return lines.openmetrics() if content_type == OPENMETRICS else lines.text()
