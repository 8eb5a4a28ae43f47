"""The numbers of one metric: a place for each of its label sets up to the cap, first come first served, and one that
takes in all the rest, so that sums stay exact. Knows nothing of what is counted."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from tcpwatch.metrics.metric import OTHER, Metric
from tcpwatch.metrics.picture import Family
from tcpwatch.metrics.space import Space, Values

OWN = 64  # how many values a metric's own labels may have together


class Group:
    """Many things by their label sets. codes: (n,) of each; distinct: those there are, in order, and counts: how often
    each."""

    def __init__(self, codes: np.ndarray) -> None:
        self.codes = codes
        counts = np.bincount(codes)
        self.distinct = np.flatnonzero(counts)
        self.counts = counts[self.distinct]

    def take(self, at: np.ndarray) -> "Group":
        return self if len(at) == len(self.codes) else Group(self.codes[at])


class Series(ABC):
    """own: the values of the metric's own labels, by number; more may be appended, OWN at most. overflows: how often a
    label set found no place. most: places, the one for the rest included."""

    def __init__(self, metric: Metric, space: Space, most: int, own: Sequence[Values] = ((),)) -> None:
        self.metric = metric
        self.space = space
        self.own = list(own)
        self.overflows = 0
        self._step = 1 if self.own == [()] else OWN
        self._labels = (*space.labels, *metric.own)
        self._rest_called = (OTHER,) * len(self._labels)
        self._most = max(1, min(most // metric.width, space.most * self._step))
        self._place_of = np.full(space.most * self._step, -1, np.int32)
        self._place_of[: self._step] = 0
        self._taken: dict[int, int] = {}  # place -> number of the label set
        self._fresh = iter(range(1, self._most))
        self._free: list[int] = []  # that were taken before
        self._rest = False  # whether anything went into place 0
        self._drawn: tuple[tuple[Values, ...], np.ndarray] | None = None
        space.leaves.append(self._leave)

    def _summed(
        self, group: Group, amounts: np.ndarray | None, own: np.ndarray | None, zeros: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        """(places, sums), place 0 may repeat. zeros: those that sum up to nothing, too."""
        if own is None:
            sets = group.distinct
            totals = group.counts if amounts is None else np.bincount(group.codes, amounts)[sets]
        else:
            sets, totals = _by_both(group.codes * self._step + own, amounts)
        if not zeros and amounts is not None and not totals.all():
            sets, totals = sets[totals != 0], totals[totals != 0]
        return self._places(sets), totals

    def _places(self, sets: np.ndarray) -> np.ndarray:
        """sets: distinct."""
        self.space.touch(sets // self._step)
        places = self._place_of[sets]
        if len(places) and places.min() < 0:
            for one in sets[places < 0].tolist():
                self._settle(one)
            places = self._place_of[sets]
        if not self._rest and not places.all():
            self._rest, self._drawn = True, None
        return places

    def _settle(self, one: int) -> None:
        """Give it a place. One that is called like the rest, as a process may be, is part of it: series are told apart
        by their labels alone."""
        if self._called(one) == self._rest_called:
            self._place_of[one] = 0
            return
        place = self._place_of[one] = self._free.pop() if self._free else next(self._fresh, 0)
        if not place:
            self.overflows += 1
            return
        self._taken[place] = one
        self._drawn = None

    def _called(self, one: int) -> Values:
        code, own = divmod(one, self._step)
        return (*self.space.names[code], *self.own[own])

    def _leave(self, codes: np.ndarray) -> None:
        sets = (codes[:, None] * self._step + np.arange(self._step)).ravel()
        places = self._place_of[sets]
        gone = places[places > 0]
        for place in gone.tolist():
            del self._taken[place]
            self._free.append(place)
        self._place_of[sets] = -1
        if len(gone):
            self._wipe(gone)
            self._drawn = None
            refused = np.flatnonzero(self._place_of == 0)
            self._place_of[refused[refused >= self._step]] = -1  # there is room again

    @abstractmethod
    def family(self) -> Family:
        """All there are now."""

    @abstractmethod
    def _wipe(self, places: np.ndarray) -> None:
        """They belong to nobody any more."""

    def _drawing(self) -> tuple[tuple[Values, ...], np.ndarray]:
        """Label values in order, and the places they are at."""
        if self._drawn is None:
            named = [(self._called(one), place) for place, one in self._taken.items()]
            if self._rest:
                named.append((self._rest_called, 0))
            named.sort()
            places = np.array([place for _, place in named], np.intp)
            self._drawn = tuple(values for values, _ in named), places
        return self._drawn

    def _family(self, values: tuple[Values, ...], numbers: np.ndarray, **more: np.ndarray) -> Family:
        one = self.metric
        return Family(one.full_name, one.kind, one.help, one.unit, self._labels, values, numbers, **more)


class Counter(Series):
    def __init__(self, metric: Metric, space: Space, most: int, own: Sequence[Values] = ((),)) -> None:
        super().__init__(metric, space, most, own)
        self._numbers = np.zeros(self._most)

    def add(self, group: Group, amounts: np.ndarray | None = None, own: np.ndarray | None = None) -> None:
        """amounts: (n,), not negative, None: one each. own: (n,) numbers of own values."""
        if len(group.codes):
            _add(self._numbers, *self._summed(group, amounts, own))

    def know(self, group: Group, own: int = 0) -> None:
        """They are there, be it with 0: what grows from nothing can be told from what was not watched. own: number of
        own values."""
        self._places(group.distinct * self._step + own)

    def family(self) -> Family:
        values, places = self._drawing()
        return self._family(values, self._numbers[places])

    def _wipe(self, places: np.ndarray) -> None:
        self._numbers[places] = 0


class Gauge(Series):
    """absent: the number of a label set that was not among those that were last shown."""

    def __init__(
        self, metric: Metric, space: Space, most: int, own: Sequence[Values] = ((),), *, absent: float = np.nan
    ) -> None:
        super().__init__(metric, space, most, own)
        self._absent = absent
        self._numbers = np.full(self._most, absent)

    def show(self, group: Group, amounts: np.ndarray | None = None, own: np.ndarray | None = None) -> None:
        """Sums; NaN where one of them is unknown."""
        places, sums = self._summed(group, amounts, own, zeros=True)
        self._numbers.fill(self._absent)
        self._numbers[places] = 0
        _add(self._numbers, places, sums)

    def show_worst(self, group: Group, amounts: np.ndarray, worst: np.ufunc) -> None:
        """worst: np.fmin or np.fmax; of several in one place."""
        self._numbers.fill(self._absent)
        places = np.zeros(self.space.most, np.intp)
        places[group.distinct] = self._places(group.distinct)
        at = places[group.codes]
        self._numbers[at] = np.nan
        worst.at(self._numbers, at, amounts)

    def family(self) -> Family:
        values, places = self._drawing()
        return self._family(values, self._numbers[places])

    def _wipe(self, places: np.ndarray) -> None:
        self._numbers[places] = self._absent


class Histogram(Series):
    """scale: how many of the integers that are observed make one of the metric's unit."""

    def __init__(self, metric: Metric, space: Space, most: int, scale: float = 1.0) -> None:
        super().__init__(metric, space, most)
        self._bounds = np.array(metric.bounds)
        scaled = np.array(metric.bounds[:-1]) * scale
        self._edges = np.round(scaled).astype(np.int64) if scale != 1 else scaled
        self._scale = scale
        self._counts = np.zeros((self._most, len(metric.bounds)))
        self._sums = np.zeros(self._most)

    def observe(self, group: Group, amounts: np.ndarray) -> None:
        """amounts: (n,), integers where there is a scale."""
        if not len(group.codes):
            return
        width, some = len(self._bounds), group.distinct
        buckets = np.searchsorted(self._edges, amounts)
        buckets += group.codes * width
        counts = np.bincount(buckets, minlength=(int(some[-1]) + 1) * width).reshape(-1, width)
        places = self._places(some)
        _add(self._counts, places, counts[some])
        _add(self._sums, places, np.bincount(group.codes, amounts)[some] / self._scale)

    def observe_zeros(self, group: Group) -> None:
        """As many zeros as there are in the group."""
        if len(group.codes):
            _add(self._counts[:, 0], self._places(group.distinct), group.counts)

    def family(self) -> Family:
        values, places = self._drawing()
        buckets = self._counts[places].cumsum(axis=1)
        return self._family(
            values, buckets[:, -1].copy(), buckets=buckets, bounds=self._bounds.copy(), sums=self._sums[places]
        )

    def _wipe(self, places: np.ndarray) -> None:
        self._counts[places] = 0
        self._sums[places] = 0


def _add(numbers: np.ndarray, places: np.ndarray, amounts: np.ndarray) -> None:
    """places: each once, but for 0. np.add.at() would take several times as long."""
    rest = places == 0
    if rest.any():
        numbers[0] += amounts[rest].sum(axis=0)
        places, amounts = places[~rest], amounts[~rest]
    numbers[places] += amounts


def _by_both(sets: np.ndarray, amounts: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """(distinct sets, sums)."""
    if int(sets.max(initial=-1)) >= max(4096, 4 * len(sets)):
        distinct, which = np.unique(sets, return_inverse=True)
        return distinct, np.bincount(which, amounts, len(distinct))
    counts = np.bincount(sets)
    distinct = np.flatnonzero(counts)
    return distinct, (counts if amounts is None else np.bincount(sets, amounts))[distinct]
