"""How is a picture written down for Prometheus? In its text format and in OpenMetrics, which differ in the heads of
metrics alone. prometheus_client needs some 10 microseconds for a sample; here it is a twentieth of that, as the lines
of a series are made once, when it comes, and only numbers are put into them later."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import compress

import numpy as np

from tcpwatch.metrics.picture import Family, Picture

_INF = float("inf")
_EXACT = 2.0**53
_Values = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Known:
    """forms: of each label set its lines, with `%s` in place of each number."""

    labels: _Values
    values: tuple[_Values, ...]
    forms: list[str]


@dataclass(frozen=True, slots=True)
class _Written:
    family: Family
    samples: bytes


class Exposition:
    """Remembers the label sets of the newest picture, and the picture last written."""

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}
        self._written: dict[str, _Written] = {}

    def learn(self, picture: Picture) -> None:
        """So that to write it, or one with nearly the same label sets, is quick."""
        for family in picture.families:
            self._forms(family)

    def write(self, picture: Picture) -> "Lines":
        self._written = {one.name: self._write(one) for one in picture.families}
        return Lines(tuple(self._written.values()))

    def _forms(self, family: Family) -> list[str]:
        before = self._known.get(family.name)
        if before is None or before.labels != family.labels:
            forms = list(_forms(family, family.values))
        elif before.values is family.values or before.values == family.values:
            return before.forms
        else:
            known = dict(zip(before.values, before.forms))
            new = [values for values in family.values if values not in known]
            known.update(zip(new, _forms(family, new)))
            forms = [known[values] for values in family.values]
        self._known[family.name] = _Known(family.labels, family.values, forms)
        return forms

    def _write(self, family: Family) -> _Written:
        before = self._written.get(family.name)
        if before is not None and _is_same(before.family, family):
            return before
        return _Written(family, _samples(family, self._forms(family)))


@dataclass(frozen=True, slots=True)
class Lines:
    """A picture's, in either format, in parts; metrics without a series are left out."""

    written: tuple[_Written, ...]

    def text(self) -> Iterator[bytes]:
        """Version 0.0.4."""
        return (part for one in self.written if one.samples for part in (_text_head(one.family), one.samples))

    def openmetrics(self) -> Iterator[bytes]:
        """Version 1.0.0, without its last line."""
        return (part for one in self.written if one.samples for part in (_openmetrics_head(one.family), one.samples))


def _text_head(family: Family) -> bytes:
    help_ = family.help.replace("\\", r"\\").replace("\n", r"\n")
    kind = "gauge" if family.kind == "info" else family.kind
    return f"# HELP {family.exposed} {help_}\n# TYPE {family.exposed} {kind}\n".encode()


def _openmetrics_head(family: Family) -> bytes:
    unit = f"# UNIT {family.name} {family.unit}\n" if family.unit else ""
    return f"# HELP {family.name} {_escaped(family.help)}\n# TYPE {family.name} {family.kind}\n{unit}".encode()


def _is_same(one: Family, other: Family) -> bool:
    pairs = ((one.numbers, other.numbers), (one.buckets, other.buckets), (one.sums, other.sums))
    said = one.labels == other.labels and one.values == other.values
    return said and all(np.array_equal(a, b, equal_nan=True) for a, b in pairs)


def _samples(family: Family, forms: list[str]) -> bytes:
    numbers = family.numbers[:, None]
    if family.kind == "histogram":
        numbers = np.column_stack((family.buckets, family.sums, family.numbers))
    known = ~np.isnan(numbers).any(axis=1)
    if not known.all():
        forms, numbers = list(compress(forms, known.tolist())), numbers[known]
    return ("".join(forms) % tuple(_told(numbers.ravel()))).encode()


def _forms(family: Family, wanted: Sequence[_Values]) -> Iterator[str]:
    """Of each of these label sets; numbers come in the order of _samples."""
    name, labels, exposed = family.name, family.labels, family.exposed
    if family.kind != "histogram":
        return (f"{exposed}{_said(labels, values)} %s\n" for values in wanted)
    tails = [f'le="{_bound(bound)}"}} %s\n' for bound in family.bounds.tolist()]
    return (_form(name, _said(labels, values), tails) for values in wanted)


def _form(name: str, said: str, tails: list[str]) -> str:
    """Of a histogram's series."""
    begun = f"{name}_bucket{said[:-1]}," if said else f"{name}_bucket{{"
    return f"{begun}{begun.join(tails)}{name}_sum{said} %s\n{name}_count{said} %s\n"


@lru_cache(maxsize=1 << 13)  # many metrics have the same ones
def _said(labels: _Values, values: _Values) -> str:
    """In braces; "" without labels. Its percent signs are doubled: numbers are put in by %."""
    pairs = ",".join([f'{name}="{_escaped(value)}"' for name, value in zip(labels, values)]).replace("%", "%%")
    return f"{{{pairs}}}" if pairs else ""


def _bound(bound: float) -> str:
    return "+Inf" if bound == _INF else repr(bound)  # OpenMetrics wants 1.0, not 1


def _told(numbers: np.ndarray) -> list[int | float | str]:
    """As they are to be written: 23, and not 23.0."""
    if (np.abs(numbers) < _EXACT).all():
        whole = numbers.astype(np.int64)
        if (whole == numbers).all():
            told: list[int | float | str] = whole.tolist()
            return told
    return [_number(number) for number in numbers.tolist()]


def _number(number: float) -> int | float | str:
    if number.is_integer():
        return int(number)
    return {_INF: "+Inf", -_INF: "-Inf"}.get(number, number)


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
