"""Folds the same frames with the tracker and with the naive model, and compares everything after each."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from tcpwatch.frame import Frame
from tcpwatch.tracker.tracker import Tracker

from .naive import Life, Naive, Record, records

PULSES = ("opened", "closed", "retransmits", "resets")


def agree(frames: Iterable[Frame], keep_closed: int = 0) -> Tracker:
    """Raises AssertionError at the first difference."""
    tracker, naive = Tracker(keep_closed=keep_closed), Naive(keep_closed)
    for frame in frames:
        step = tracker.fold(frame)
        named, told = naive.fold(frame)
        for line, life in zip(step.rows, named, strict=True):
            assert (line < 0) == (life is None)
            if life is not None:
                row = step.table[line]
                assert (row["netns"], row["cookie"], row["turn"]) == (life.netns, life.cookie, life.turn)
        expected = [{**of_life(life), "pid": owner[0], "comm": owner[1]} for life, owner in told]
        assert_same(step.lives, expected)
        table = tracker.table
        assert_same(table.rows[table.live()], list(map(of_life, naive.lives)))
        assert len(table) == len(naive.lives)
        see(tracker, naive)
    return tracker


def see(tracker: Tracker, naive: Naive) -> None:
    view = tracker.view()
    shown = [life for life in naive.lives if naive.shows(life)]
    assert view.states.tolist() == np.bincount([life.state for life in shown], minlength=13).tolist()
    for name in PULSES:
        seconds = getattr(view.pulse, name)
        assert [None if np.isnan(n) else n for n in seconds] == naive.picture(name), name


def assert_same(found: np.ndarray, expected: list[Record]) -> None:
    pairs = zip(in_order(map(comparable, records(found))), in_order(expected), strict=True)
    different = [
        (ours["netns"], ours["cookie"], ours["turn"], name, ours[name], right[name])
        for ours, right in pairs
        for name in right
        if ours[name] != right[name]
    ]
    assert not different, different


def in_order(lives: Iterable[Record]) -> list[Record]:
    """By key and age: a socket that comes again after it was forgotten is turn 0 once more."""
    names = ("netns", "cookie", "turn", "changed_ns", "seen_ns", "closed_ns")
    return sorted(lives, key=lambda life: [life[name] for name in names])


def comparable(row: Record) -> dict[str, Any]:
    """A rows.ROW without what stands behind the end of its path."""
    length = row["path_len"]
    kept = {name: value for name, value in row.items() if not name.startswith("path_")}
    return {**kept, "path": list(zip(row["path_state"][:length], row["path_ns"][:length]))}


def of_life(life: Life) -> dict[str, Any]:
    same = {name: value for name, value in vars(life).items() if name not in ("ends", "numbers", "owner")}
    return {**same, **life.ends, **life.numbers, "pid": life.owner[0], "comm": life.owner[1]}
