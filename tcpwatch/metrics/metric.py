"""What a metric is: name, kind, unit, labels and buckets, and which labels there are to choose from. Knows neither
which metrics there are nor how they are counted."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from tcpwatch.metrics.picture import SUFFIXES, Kind

PREFIX = "tcpwatch_"
SERVICE = ("netns", "port", "role", "family", "comm", "cgroup", "network")  # what `--labels` chooses from
LISTENER = ("netns", "port", "family", "comm", "cgroup")
NAMESPACE = ("netns",)
DESTINATION = ("netns", "port", "network")
OTHER = "other"  # every label of the series that takes in what came after the cap; and what no --group holds
UNKNOWN = "unknown"  # of a verdict, cause or reason. An unknown label of the service is ""
EPHEMERAL, LOOPBACK = "ephemeral", "loopback"

_INF = float("inf")
SECONDS = (
    *(50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 100e-3, 250e-3, 500e-3),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0, _INF),
)
LIFETIMES = (*SECONDS[:-1], 300.0, 3600.0, _INF)
RATIOS = (0.0, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, _INF)

_UNITS = ("seconds", "bytes", "ratio")

Maker = Literal["meters", "server"]


@dataclass(frozen=True, slots=True)
class Metric:
    """name: without prefix and suffix. shared: those of its labels that `--labels` may leave out; own: the others.
    bounds: of a histogram's buckets, in `unit`. maker: Meters, or the server, which alone knows of scrapes."""

    name: str
    kind: Kind
    help: str
    shared: tuple[str, ...] = ()
    own: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()
    maker: Maker = "meters"

    def labels(self, chosen: Collection[str] = SERVICE) -> tuple[str, ...]:
        """chosen: of SERVICE, as `--labels` has it."""
        return (*(label for label in self.shared if label in chosen), *self.own)

    @property
    def unit(self) -> str:
        """The name's last word, where that is one; else ""."""
        last = self.name.rpartition("_")[2]
        return last if last in _UNITS else ""

    @property
    def full_name(self) -> str:
        """As in picture.Family."""
        return PREFIX + self.name

    @property
    def exposed(self) -> str:
        """As Prometheus knows it; of a histogram without its three suffixes."""
        return self.full_name + SUFFIXES.get(self.kind, "")

    @property
    def width(self) -> int:
        """How many series one set of labels makes: a histogram's buckets, sum and count are one each."""
        return len(self.bounds) + 2 if self.bounds else 1


@dataclass(frozen=True, slots=True)
class Section:
    title: str
    about: str
    metrics: tuple[Metric, ...]
