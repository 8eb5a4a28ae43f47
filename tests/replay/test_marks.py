"""Marks: what is unusual against the rest of the recording, the worst in a cell, and where the keys lead."""

import numpy as np

from tcpwatch.recording.format import SECOND as LINE
from tcpwatch.replay import marks
from tcpwatch.replay.marks import ALARM, FINDING, LOST, REMARK, RESETS, RETRANSMITS
from tcpwatch.verdicts import HIGH, LOW, MEDIUM

S = 1_000_000_000


def timeline(seconds: int, **counts: dict[int, int]) -> np.ndarray:
    lines = np.zeros(seconds, LINE)
    lines["time_ns"] = np.arange(seconds) * S
    for name, at in counts.items():
        for second, count in at.items():
            lines[name][second] = count
    return lines


def found(lines: np.ndarray) -> list[tuple[int, int, int]]:
    """(second, kind, how many)"""
    of = marks.of_timeline(lines, len(lines) * S)
    return [(int(m["time_ns"]) // S, int(m["kind"]), int(m["count"])) for m in of]


def test_what_is_rare_is_a_mark_however_little_it_is() -> None:
    """One reset in a minute; shown when its second is over."""
    assert found(timeline(60, resets={23: 1})) == [(24, RESETS, 1)]


def test_seconds_close_together_are_one_mark() -> None:
    """The first of them is gone to, and all are counted."""
    lines = timeline(60, resets={10: 2, 12: 3, 16: 1, 30: 7}, lost={40: 23})
    assert found(lines) == [(11, RESETS, 6), (31, RESETS, 7), (41, LOST, 23)]


def test_what_goes_on_all_the_time_is_no_mark() -> None:
    """A machine that resets ten a second; only the second with fifty stands out."""
    lines = timeline(60, resets=dict.fromkeys(range(60), 10))
    assert found(lines) == []
    lines["resets"][23] = 50
    assert found(lines) == [(24, RESETS, 50)]


def test_a_few_retransmits_are_no_burst() -> None:
    """Every path loses something."""
    assert found(timeline(60, retransmits={5: 9, 40: 10})) == [(41, RETRANSMITS, 10)]


def test_an_empty_time_line_has_no_marks() -> None:
    """Nor does it divide by nothing."""
    assert found(timeline(0)) == []
    assert marks.joined(timeline(0), 0, marks.Marks()).cells(0, 0, 10).tolist() == [0] * 10


def test_the_worst_in_a_cell_is_drawn() -> None:
    """Seconds where they are, findings where they appeared, the worst on top."""
    lines = timeline(100, retransmits={10: 50, 11: 50, 12: 50, 55: 99}, resets={55: 1})
    findings = marks.of_findings([(11 * S, LOW, "a remark"), (80 * S, MEDIUM, "one"), (80 * S, HIGH, "worse")])
    cells = marks.joined(lines, 100 * S, findings).cells(0, 100 * S, 50).tolist()
    assert {at: kind for at, kind in enumerate(cells) if kind} == {
        5: RETRANSMITS,
        6: RETRANSMITS,
        28: RESETS,
        40: ALARM,
    }


def test_what_lies_outside_is_in_the_first_cell_or_the_last() -> None:
    """A mark at the very end, as the recording's last moment is."""
    findings = marks.of_findings([(0, MEDIUM, "first"), (100 * S, LOW, "last")])
    cells = marks.joined(timeline(0), 0, findings).cells(10 * S, 100 * S, 9).tolist()
    assert cells == [FINDING, 0, 0, 0, 0, 0, 0, 0, REMARK]


def test_the_keys_lead_from_mark_to_mark() -> None:
    """Strictly after, strictly before; None beyond the last."""
    all_of_them = marks.joined(timeline(60, resets={10: 1, 30: 12}), 60 * S, marks.Marks())
    first = all_of_them.after(0)
    assert first is not None
    assert all_of_them.told(first) == "1 reset"
    second = all_of_them.after(11 * S)
    assert second is not None
    assert all_of_them.told(second) == "12 resets"
    assert all_of_them.after(31 * S) is None
    assert all_of_them.before(31 * S) == first
    assert all_of_them.before(11 * S) is None


def test_a_mark_says_what_it_is() -> None:
    """Numbers with their noun; a finding its sentence; a loss what it means."""
    findings = marks.of_findings([(50 * S, HIGH, "the queue is full")])
    all_of_them = marks.joined(timeline(60, lost={5: 2300}, retransmits={20: 40}), 60 * S, findings)
    assert [all_of_them.told(mark) for mark in all_of_them.marks] == [
        "2,300 events lost: numbers here are too low",
        "40 retransmitted segments",
        "the queue is full",
    ]
