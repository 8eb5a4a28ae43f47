"""How is a picture written down for Prometheus? In its text format and in OpenMetrics, which differ in the heads of
metrics alone. prometheus_client needs some 10 microseconds for a sample; here it is a tenth of that, as from one
picture to the next the labels stay, and most numbers, too."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain

import numpy as np

from tcpwatch.metrics.picture import Family, Picture

_END = "# EOF\n"


@dataclass(frozen=True, slots=True)
class _Written:
    """prefixes: of each sample of each series, all but its number."""

    family: Family
    prefixes: list[list[str]]
    samples: bytes


class Exposition:
    """Remembers the picture last written."""

    def __init__(self) -> None:
        self._written: dict[str, _Written] = {}

    def write(self, picture: Picture) -> "Lines":
        self._written = {one.name: self._write(one) for one in picture.families}
        return Lines(tuple(self._written.values()))

    def _write(self, family: Family) -> _Written:
        before = self._written.get(family.name)
        if before is None or before.family.labels != family.labels:
            prefixes = _prefixes(family, family.values)
        elif before.family.values == family.values:
            if _same_numbers(before.family, family):
                return before
            prefixes = before.prefixes
        else:
            known = dict(zip(before.family.values, before.prefixes))
            new = [values for values in family.values if values not in known]
            known.update(zip(new, _prefixes(family, new)))
            prefixes = [known[values] for values in family.values]
        return _Written(family, prefixes, _samples(family, prefixes))


@dataclass(frozen=True, slots=True)
class Lines:
    """A picture's, in either format; metrics without a series are left out."""

    written: tuple[_Written, ...]

    def text(self) -> bytes:
        """Version 0.0.4."""
        return b"".join(chain.from_iterable((_text_head(one.family), one.samples) for one in self._there()))

    def openmetrics(self) -> bytes:
        """Version 1.0.0, without its last line."""
        return b"".join(chain.from_iterable((_openmetrics_head(one.family), one.samples) for one in self._there()))

    def _there(self) -> Iterator[_Written]:
        return (one for one in self.written if one.samples)


def _text_head(family: Family) -> bytes:
    help_ = family.help.replace("\\", r"\\").replace("\n", r"\n")
    kind = "gauge" if family.kind == "info" else family.kind
    return f"# HELP {family.exposed} {help_}\n# TYPE {family.exposed} {kind}\n".encode()


def _openmetrics_head(family: Family) -> bytes:
    unit = f"# UNIT {family.name} {family.unit}\n" if family.unit else ""
    return f"# HELP {family.name} {_escaped(family.help)}\n# TYPE {family.name} {family.kind}\n{unit}".encode()


def _same_numbers(one: Family, other: Family) -> bool:
    return all(
        np.array_equal(a, b, equal_nan=True)
        for a, b in ((one.numbers, other.numbers), (one.buckets, other.buckets), (one.sums, other.sums))
    )


def _samples(family: Family, prefixes: list[list[str]]) -> bytes:
    numbers = family.numbers
    if family.kind == "histogram":
        numbers = np.column_stack((family.buckets, family.sums, family.numbers))
    known = ~np.isnan(numbers) if numbers.ndim == 1 else ~np.isnan(numbers).any(axis=1)
    told = list(map(_number, numbers[known].ravel().tolist()))
    kept = chain.from_iterable(prefix for prefix, keep in zip(prefixes, known.tolist()) if keep)
    return "".join([f"{prefix} {number}\n" for prefix, number in zip(kept, told)]).encode()


def _prefixes(family: Family, wanted: Sequence[tuple[str, ...]]) -> list[list[str]]:
    """Of each of these label sets, in the order of _samples' numbers."""
    name, labels = family.name, family.labels
    if family.kind != "histogram":
        return [[f"{family.exposed}{{{_said(labels, values)}}}" if labels else family.exposed] for values in wanted]
    buckets = [f'le="{_bound(bound)}"}}' for bound in family.bounds.tolist()]
    prefixes = []
    for values in wanted:
        said = _said(labels, values)
        begun, whole = (f"{name}_bucket{{{said},", f"{{{said}}}") if labels else (f"{name}_bucket{{", "")
        prefixes.append([*(begun + bucket for bucket in buckets), f"{name}_sum{whole}", f"{name}_count{whole}"])
    return prefixes


@lru_cache(maxsize=1 << 13)  # many metrics have the same ones
def _said(labels: tuple[str, ...], values: tuple[str, ...]) -> str:
    return ",".join([f'{name}="{_escaped(value)}"' for name, value in zip(labels, values)])


def _bound(bound: float) -> str:
    return "+Inf" if bound == float("inf") else repr(bound)  # OpenMetrics wants 1.0, not 1


def _number(number: float) -> str:
    if number.is_integer():
        return str(int(number))
    return {"inf": "+Inf", "-inf": "-Inf"}.get(told := repr(number), told)


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
