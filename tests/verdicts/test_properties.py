"""Whatever a row holds: is it judged alike in any company, and are there words for it?"""

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tcpwatch import rows as shape
from tcpwatch import verdicts, wire
from tcpwatch.rows import ROW
from tcpwatch.verdicts.judge import judge_by_rules

from .build import REASONS, START, S

# Numbers near to what rules ask for, and all the others
_TIMES = st.sampled_from((0, START, START + 1, START + S // 2, START + S, START + 61 * S, START + 200 * S, 2**64 - 1))
_COUNTS = st.sampled_from((0, 1, 2, 3, 5, 100, 250, 1000, 65535))
_ERRORS = st.sampled_from((0, 13, 32, 103, 104, 110, 111, 113, 5, 65535))
_STATES = st.sampled_from((*range(1, 13), 0, 200))
_FLAGS = st.sampled_from((0, 1, 1, 1 | 8, 1 | 8, 3, 1 | 8 | 64, 8, 255))
_SPECIAL = {
    "error": _ERRORS,
    "flags": _FLAGS,
    "state": _STATES,
    "path_len": st.integers(0, 12),
    "role": st.integers(0, 2),
}
_PLAIN = [
    name for name in (ROW.names or ()) if name not in ("laddr", "raddr", "path_state", "path_ns", "causes", "comm")
]


def _numbers(name: str) -> st.SearchStrategy[int]:
    most = np.iinfo(ROW[name]).max
    usual = _TIMES if name.endswith("_ns") else _COUNTS
    return _SPECIAL.get(name, usual).map(lambda number: min(number, most))


@st.composite
def _rows(draw: st.DrawFn) -> np.ndarray:
    made = np.zeros(1, ROW)
    calm = draw(st.booleans())
    for name in _PLAIN:
        if name in _SPECIAL or not calm or draw(st.integers(0, 9)) == 0:
            made[name] = draw(_numbers(name))
    if calm:
        made["error"] = draw(st.sampled_from((0, 0, 0, 110)))
        made["opened_ns"], made["closed_ns"] = START, START + draw(st.sampled_from((S // 2, 2 * S, 99 * S)))
    made["path_state"] = draw(st.lists(_STATES, min_size=shape.PATH, max_size=shape.PATH))
    made["path_ns"] = draw(st.lists(_TIMES, min_size=shape.PATH, max_size=shape.PATH))
    if draw(st.booleans()):
        made["causes"] = draw(st.lists(_COUNTS, min_size=len(wire.CAUSES), max_size=len(wire.CAUSES)))
    return made


_NOW = st.sampled_from((0, START, START + 5 * S, START + 100 * S, 2**63))
_HZ = st.sampled_from((0, 100, 250, 1000))
_NAMES = st.sampled_from(((), REASONS, ("NOT_SPECIFIED",)))
_RAW = arrays.arrays(np.uint8, (3, ROW.itemsize)).map(lambda raw: raw.view(ROW).reshape(-1))
_BATCHES = st.lists(_rows(), min_size=1, max_size=6).map(np.concatenate) | _RAW


@settings(max_examples=150, deadline=None)
@given(_BATCHES, _NOW, _HZ, _NAMES)
def test_a_batch_is_judged_as_its_rows_are(rows: np.ndarray, now: int, hz: int, reasons: tuple[str, ...]) -> None:
    """One by one, by the short cuts or by the rules alone."""
    together = verdicts.judge(rows, now, hz, reasons)
    assert together.dtype == np.uint8
    assert together.tolist() == [int(verdicts.judge(rows[i : i + 1], now, hz, reasons)[0]) for i in range(len(rows))]
    assert together.tolist() == judge_by_rules(rows, now, hz, reasons).tolist()


@settings(max_examples=150, deadline=None)
@given(_BATCHES, _NOW, _HZ, _NAMES)
def test_every_verdict_can_be_explained(rows: np.ndarray, now: int, hz: int, reasons: tuple[str, ...]) -> None:
    """A sentence with a full stop, evidence in order and nothing that a terminal could take amiss."""
    rows = rows.copy()
    rows["verdict"] = verdicts.judge(rows, now, hz, reasons)
    told = verdicts.explain(rows, now, hz, reasons)
    assert len(told) == len(rows)
    for at, one in enumerate(told):
        _check(one, int(rows["verdict"][at]))
        assert verdicts.explain(rows[at : at + 1], now, hz, reasons) == [one]


@settings(max_examples=60, deadline=None)
@given(_BATCHES, st.integers(0, 255))
def test_a_verdict_of_another_time_can_be_explained(rows: np.ndarray, verdict: int) -> None:
    """The row may have changed since it was judged: an answer came, a window opened."""
    rows = rows.copy()
    rows["verdict"] = verdict
    for one in verdicts.explain(rows, START, 250, REASONS):
        _check(one, verdict)


def _check(told: verdicts.Explanation, number: int) -> None:
    assert told.code == (verdicts.CODES[number] if number < len(verdicts.CODES) else None)
    texts: list[Any] = [told.sentence, told.advice, *(text for _, text in told.evidence)]
    assert all(isinstance(text, str) and "\x1b" not in text and "  " not in text for text in texts)
    assert told.sentence.endswith(".")
    assert told.sentence[0] == told.sentence[0].upper() or told.sentence.startswith("connect()") or "(" in told.sentence
    times = [time_ns for time_ns, _ in told.evidence]
    known = [time_ns for time_ns in times if time_ns is not None]
    assert times == sorted(known) + [None] * (len(times) - len(known))
    assert 0 not in known


def test_no_rows() -> None:
    """A frame in which nothing ended."""
    assert verdicts.judge(np.zeros(0, ROW), 0, 250, ()).tolist() == []
