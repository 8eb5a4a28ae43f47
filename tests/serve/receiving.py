"""A collector to push to, and pictures to push."""

import json
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import numpy as np

import tcpwatch
from tcpwatch.metrics.picture import Family, Picture
from tcpwatch.serve.otlp import Pusher

from .stand import DEADLINE_S

COLLECTOR = Path(__file__).with_name("collector.py")
INF = float("inf")
SECOND = 1_000_000_000


class Collector:
    """The receiver's process. port: 0: any. statuses: of its first answers; all others are 200."""

    def __init__(self, port: int = 0, *statuses: int) -> None:
        command = [sys.executable, str(COLLECTOR), str(port), *map(str, statuses)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self._lines: queue.Queue[str] = queue.Queue()
        self._ear = threading.Thread(target=self._hear, daemon=True)
        self._ear.start()

    def __enter__(self) -> Self:
        self.url = f"http://127.0.0.1:{int(self._lines.get(timeout=DEADLINE_S))}"
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._ear.join()
        assert self._process.stdout
        self._process.stdout.close()

    def next(self) -> dict[str, Any]:
        """What it was sent, request by request."""
        heard: dict[str, Any] = json.loads(self._lines.get(timeout=DEADLINE_S))
        return heard

    def is_silent_for(self, seconds: float) -> bool:
        try:
            self._lines.get(timeout=seconds)
        except queue.Empty:
            return True
        return False

    def _hear(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self._lines.put(line)


@contextmanager
def pushing(url: str, *pictures: Picture, interval_s: float = 0.05) -> Iterator[Pusher]:
    """The pictures one after the other, then the last one for ever."""
    left = list(pictures)
    pusher = Pusher(url, interval_s, lambda: left.pop(0) if len(left) > 1 else left[0])
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
    """By name, as OTLP's JSON has them."""
    (resource,) = heard["resourceMetrics"]
    (scope,) = resource["scopeMetrics"]
    assert scope["scope"] == {"name": "tcpwatch", "version": tcpwatch.__version__}
    return {metric["name"]: metric for metric in scope["metrics"]}


def plain(attributes: list[dict[str, Any]]) -> dict[str, str]:
    return {one["key"]: one["value"]["stringValue"] for one in attributes}
