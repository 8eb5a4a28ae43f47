"""What on the time line is worth going to: resets, bursts of retransmits, losses of events, findings. Pure; knows
neither files nor players."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from tcpwatch.verdicts import HIGH, LOW

# The kinds, the worst last
NOTHING, REMARK, RETRANSMITS, LOST, FINDING, RESETS, ALARM = range(7)
FINDINGS = (REMARK, FINDING, ALARM)  # by their severity

MARK = np.dtype([("time_ns", "u8"), ("until_ns", "u8"), ("kind", "u1"), ("count", "u8")])
"""time_ns: the first moment whose picture shows it. until_ns: it lasts so long. CLOCK_MONOTONIC. count: how many; of a
finding, which of the sentences is its."""

_SECOND_NS = 1_000_000_000
_TOGETHER_S = 5  # apart at most are those that one mark stands for
_UNUSUAL = 3.0  # times the median second
_COUNTED = (("resets", RESETS, 1), ("retransmits", RETRANSMITS, 10), ("lost", LOST, 1))  # field, kind, least a second


@dataclass(frozen=True, eq=False)
class Marks:
    """marks: MARK, by time, to go to. counted: MARK of seconds side by side, to be drawn besides those of findings."""

    marks: np.ndarray = field(default_factory=lambda: np.empty(0, MARK))
    counted: np.ndarray = field(default_factory=lambda: np.empty(0, MARK))
    sentences: tuple[str, ...] = ()

    def after(self, time_ns: int) -> np.void | None:
        at = int(np.searchsorted(self.marks["time_ns"], np.uint64(max(0, time_ns)), "right"))
        return self.marks[at] if at < len(self.marks) else None

    def before(self, time_ns: int) -> np.void | None:
        at = int(np.searchsorted(self.marks["time_ns"], np.uint64(max(0, time_ns)), "left"))
        return self.marks[at - 1] if at else None

    def told(self, mark: np.void) -> str:
        """`12 resets`, `a finding's sentence`."""
        kind, count = int(mark["kind"]), int(mark["count"])
        if kind in FINDINGS:
            return self.sentences[count]
        what = {RESETS: "reset", RETRANSMITS: "retransmitted segment", LOST: "event"}[kind]
        said = f"{count:,} {what}{'' if count == 1 else 's'}"
        return f"{said} lost: numbers here are too low" if kind == LOST else said

    def cells(self, begin_ns: int, end_ns: int, width: int) -> np.ndarray:
        """(width,) u1: the worst kind in each equal part of that time."""
        worst = np.zeros(width, np.uint8)
        findings = self.marks[np.isin(self.marks["kind"], FINDINGS)]
        extents = np.concatenate([self.counted, findings])
        for kind in range(1, ALARM + 1):
            chosen = extents[extents["kind"] == kind]
            edges = np.zeros(width + 1, np.int64)
            np.add.at(edges, place(chosen["time_ns"], begin_ns, end_ns, width), 1)
            np.add.at(edges, place(chosen["until_ns"], begin_ns, end_ns, width) + 1, -1)
            worst[np.cumsum(edges[:-1]) > 0] = kind
        return worst


def place(times_ns: np.ndarray, begin_ns: int, end_ns: int, width: int) -> np.ndarray:
    """Which of `width` cells stands for each time; what is outside is in the first or the last."""
    share = (times_ns.astype(np.int64) - begin_ns) / max(1, end_ns - begin_ns)
    return np.clip((share * width).astype(np.int64), 0, max(0, width - 1))


def of_timeline(timeline: np.ndarray, end_ns: int, apart_s: int = _TOGETHER_S) -> np.ndarray:
    """MARK of what is unusual in a recording. timeline: a line per second: time_ns, resets, retransmits, lost.
    apart_s: seconds so close to each other have one mark."""
    found = [_episodes(timeline, what, end_ns, apart_s) for what in _COUNTED]
    return in_order(np.concatenate([np.empty(0, MARK), *found]))


def _episodes(timeline: np.ndarray, what: tuple[str, int, int], end_ns: int, apart_s: int) -> np.ndarray:
    """Seconds with many of them. Against the median, so that what goes on all the time
    is no mark, and what is rare is one however little it is."""
    name, kind, least = what
    counts = timeline[name].astype(np.float64)
    usual = _UNUSUAL * float(np.sort(counts)[len(counts) // 2]) if len(counts) else 0.0
    at = np.flatnonzero(counts >= max(least, usual))
    if not len(at):
        return np.empty(0, MARK)
    times_ns = timeline["time_ns"][at].astype(np.int64)
    first = np.flatnonzero(np.diff(times_ns, prepend=np.int64(-(1 << 62))) > apart_s * _SECOND_NS)
    last = np.append(first[1:], len(at)) - 1
    marks = np.zeros(len(first), MARK)
    marks["time_ns"] = np.minimum(times_ns[first] + _SECOND_NS, end_ns)  # when that second is over it is all to be seen
    marks["until_ns"] = np.minimum(times_ns[last] + _SECOND_NS, end_ns)
    marks["kind"], marks["count"] = kind, np.add.reduceat(counts[at], first)
    return marks


def of_findings(found: Sequence[tuple[int, int, str]]) -> Marks:
    """found: (when it was first seen, CLOCK_MONOTONIC; severity; sentence)."""
    marks = np.zeros(len(found), MARK)
    marks["time_ns"] = marks["until_ns"] = [time_ns for time_ns, _, _ in found]
    marks["kind"] = [ALARM if s == HIGH else REMARK if s == LOW else FINDING for _, s, _ in found]
    marks["count"] = np.arange(len(found))
    return Marks(in_order(marks), sentences=tuple(sentence for _, _, sentence in found))


def in_order(marks: np.ndarray) -> np.ndarray:
    """By time; of those at the same moment the worst first."""
    return marks[np.lexsort((-marks["kind"].astype(np.int64), marks["time_ns"]))]


def joined(timeline: np.ndarray, end_ns: int, findings: Marks) -> Marks:
    """timeline: as of of_timeline."""
    marks = np.concatenate([of_timeline(timeline, end_ns), findings.marks])
    return Marks(in_order(marks), of_timeline(timeline, end_ns, 1), findings.sentences)
