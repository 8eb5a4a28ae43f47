"""What a measure yields: figures with one value per round, held against a target. Knows nothing of how they came
about or how they are shown."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal


@dataclass(frozen=True, slots=True)
class Target:
    """`sign` is the side of `limit` on which the median has to be."""

    sign: Literal[">=", "<="]
    limit: float

    def met_by(self, value: float) -> bool:
        return value >= self.limit if self.sign == ">=" else value <= self.limit


@dataclass(frozen=True, slots=True)
class Figure:
    """unit: "" for a ratio, "%" for a share, else as it is written after the number."""

    name: str
    values: Sequence[float]
    unit: str = ""
    target: Target | None = None

    @property
    def median(self) -> float:
        return median(self.values)

    @property
    def met(self) -> bool | None:
        """None where there is no target."""
        return None if self.target is None else self.target.met_by(self.median)


@dataclass(frozen=True, slots=True)
class Result:
    """One measure's outcome. how: what was done, for someone who wants to do it again. taken: when, of which commit, in
    how many rounds."""

    name: str
    title: str
    how: str
    figures: Sequence[Figure]
    taken: str = ""


def at_least(limit: float) -> Target:
    return Target(">=", limit)


def at_most(limit: float) -> Target:
    return Target("<=", limit)


def ratios(values: Sequence[float], base: Sequence[float]) -> list[float]:
    """Round by round: what drifts from round to round (clock speed, neighbours) drops out of each pair."""
    return [value / against for value, against in zip(values, base, strict=True)]
