"""What an exporter writes down: families of series, all of one moment. Immutable; only shapes live here."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

Kind = Literal["counter", "gauge", "histogram", "info"]

SUFFIXES = {"counter": "_total", "info": "_info"}  # of what is exposed; a histogram's are _bucket, _sum and _count


@dataclass(frozen=True, slots=True)
class Family:
    """One metric and all its series. name: with the prefix `tcpwatch_` and without the suffix that formats add. unit:
    "seconds", "bytes", "ratio" or "", the name's last word. values: of each series, in the order of `labels`; sorted,
    no two the same. numbers: (n,) float64; NaN = unknown, that series is to be left out; of a histogram how many were
    observed, of an info 1.
    Histograms only: buckets (n, b) float64, how many were observed at or below each bound (cumulative, as Prometheus
    has it, so the last column equals `numbers`); bounds (b,) in `unit`, the last +Inf; sums (n,) in `unit`."""

    name: str
    kind: Kind
    help: str
    unit: str
    labels: tuple[str, ...]
    values: tuple[tuple[str, ...], ...]
    numbers: np.ndarray
    buckets: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))
    bounds: np.ndarray = field(default_factory=lambda: np.empty(0))
    sums: np.ndarray = field(default_factory=lambda: np.empty(0))

    def __post_init__(self) -> None:
        for array in (self.numbers, self.buckets, self.bounds, self.sums):
            array.setflags(write=False)

    @property
    def exposed(self) -> str:
        """The name that Prometheus knows; of a histogram without its three suffixes."""
        return self.name + SUFFIXES.get(self.kind, "")


@dataclass(frozen=True, slots=True)
class Picture:
    """time_ns: Unix. families: in the catalogue's order, one of each that Meters makes, also where it has no series."""

    time_ns: int
    families: tuple[Family, ...]

    def family(self, name: str) -> Family:
        """name: with or without the prefix. Raises KeyError."""
        for family in self.families:
            if name in (family.name, family.name.removeprefix("tcpwatch_")):
                return family
        raise KeyError(name)
