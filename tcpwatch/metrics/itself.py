"""What tcpwatch says of itself and of what is wrong: events and their loss, probes, snapshots, findings, how full its
metrics are. A few series each, with labels of their own."""

from collections.abc import Mapping

import numpy as np

from tcpwatch import wire
from tcpwatch.metrics import catalogue
from tcpwatch.metrics.metric import OTHER, SECONDS
from tcpwatch.metrics.names import label
from tcpwatch.metrics.picture import Family
from tcpwatch.metrics.space import Values
from tcpwatch.tracker.step import Step
from tcpwatch.tracker.view import View
from tcpwatch.verdicts import HARMS, NONE

_MOST = 1000  # series of a metric; there are some tens
_HOOKED = wire.COOKIE_SENT  # kinds from here on are told by counters, not by hooks


class Itself:
    """version, loader: of the build, for whom it may concern."""

    def __init__(self, version: str, loader: str) -> None:
        self._build = version, loader
        self._tally: np.ndarray | None = None  # the newest
        self._seen = np.zeros(len(wire.KINDS))
        self._lost = np.zeros(len(wire.KINDS))
        self._ring_fill = 0.0
        self._frames = np.zeros(len(SECONDS))
        self._frames_s = 0.0

    def follow(self, step: Step) -> None:
        frame = step.frame
        before = self._tally if self._tally is not None else np.zeros(len(wire.KINDS), wire.TALLY)
        self._tally = frame.tally.copy()
        if not frame.joins:  # else that much was counted before this session
            seen = _more(frame.tally["seen"], before["seen"])
            self._seen += seen
            self._lost += np.minimum(_more(frame.tally["lost"], before["lost"]), seen)
        self._ring_fill = frame.ring_fill

    def took(self, seconds: float) -> None:
        self._frames[np.searchsorted(SECONDS[:-1], seconds)] += 1
        self._frames_s += seconds

    def families(self, view: View, series: Mapping[str, Family], overflows: Mapping[str, int]) -> dict[str, Family]:
        """series: of the other metrics."""
        snapshot = view.snapshot
        exact: dict[str, dict[Values, float]] = {
            **self._events(),
            "probe_attached": {(label(one.name), label(one.kind)): float(one.attached) for one in view.probes},
            "ring_fill_ratio": {(): self._ring_fill},
            "snapshot_duration_seconds": {
                (): np.nan if snapshot is None else _seconds(snapshot.end_ns, snapshot.begin_ns)
            },
            "snapshot_sockets": {(): np.nan if snapshot is None else len(snapshot.sockets)},
            "series": {(_exposed(name),): float(_width(name, one)) for name, one in series.items()},
            "series_overflows": {(_exposed(name),): float(count) for name, count in overflows.items()},
            "build": {(label(self._build[0]), label(view.host.kernel), label(self._build[1])): 1.0},
            **_findings(view),
        }
        return {
            **{name: _family(name, numbers) for name, numbers in exact.items()},
            "frame_duration_seconds": self._durations(),
        }

    def _events(self) -> dict[str, dict[Values, float]]:
        kinds: list[Values] = [(name,) for name in wire.KINDS[:_HOOKED]]
        seen, lost = self._seen, self._lost
        return {
            "events_seen": dict(zip(kinds, seen.tolist())),
            "events_delivered": dict(zip(kinds, (seen - lost).tolist())),
            "events_lost": dict(zip(kinds, lost.tolist())),
        }

    def _durations(self) -> Family:
        metric = catalogue.metric("frame_duration_seconds")
        buckets = self._frames.cumsum()[None]
        return Family(
            metric.full_name,
            metric.kind,
            metric.help,
            metric.unit,
            (),
            ((),),
            buckets[:, -1].copy(),
            buckets,
            np.array(metric.bounds),
            np.array([self._frames_s]),
        )


def _findings(view: View) -> dict[str, dict[Values, float]]:
    concerned: dict[Values, float] = {}
    active: dict[Values, float] = {(name,): 0.0 for harm, name in enumerate(HARMS) if harm != NONE}
    for finding in view.findings:
        severity = HARMS[finding.severity]
        key = severity, label(finding.code)
        concerned[key] = concerned.get(key, 0) + finding.count
        active[severity,] = active.get((severity,), 0) + 1
    return {"findings": concerned, "findings_active": active}


def _family(name: str, numbers: Mapping[Values, float]) -> Family:
    """What is beyond all reason is summed up, here too: a recording may say anything."""
    metric = catalogue.metric(name)
    named = sorted(numbers.items())
    if len(named) > _MOST:
        named, rest = named[: _MOST - 1], named[_MOST - 1 :]
        named.append(((OTHER,) * len(metric.own), sum(number for _, number in rest)))
    values = tuple(values for values, _ in named)
    counted = np.array([number for _, number in named], float)
    return Family(metric.full_name, metric.kind, metric.help, metric.unit, metric.own, values, counted)


def _exposed(name: str) -> str:
    return catalogue.metric(name).exposed


def _width(name: str, family: Family) -> int:
    """How many series it has."""
    return int(np.count_nonzero(~np.isnan(family.numbers))) * catalogue.metric(name).width


def _more(now: np.ndarray, before: np.ndarray) -> np.ndarray:
    """A counter that begins anew, as in a recording of several parts, brings what it has."""
    return np.where(now >= before, now - before, now).astype(np.float64)


def _seconds(end_ns: int, begin_ns: int) -> float:
    return (end_ns - begin_ns) / 1e9
