"""Does the index find what a dict would find?"""

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tcpwatch.rows import ROW
from tcpwatch.tracker.index import distinct
from tcpwatch.tracker.table import Table

KEYS = st.tuples(st.integers(1, 300), st.integers(1, 2))


class AgainstDict(RuleBasedStateMachine):
    """Keys come and go, many at once; small cookies so that they meet in the same slots."""

    def __init__(self) -> None:
        super().__init__()
        self.table = Table()
        self.expected: dict[tuple[int, int], int] = {}

    def _find(self, keys: list[tuple[int, int]]) -> list[int]:
        cookies, netns = (np.array([key[i] for key in keys], dtype) for i, dtype in enumerate((np.uint64, np.uint32)))
        return list(self.table.index.find(cookies, netns).tolist())

    @rule(keys=st.lists(KEYS, max_size=60))
    def add(self, keys: list[tuple[int, int]]) -> None:
        cookies, netns = (np.array([key[i] for key in keys], dtype) for i, dtype in enumerate((np.uint64, np.uint32)))
        for key, line in zip(keys, self.table.find_or_add(cookies, netns).tolist()):
            assert self.expected.setdefault(key, line) == line

    @rule(keys=st.sets(KEYS, max_size=60))
    def remove(self, keys: set[tuple[int, int]]) -> None:
        lines = [self.expected.pop(key) for key in keys if key in self.expected]
        self.table.release(np.array(lines, np.int32))

    @rule(keys=st.sets(KEYS, max_size=5))
    def succeed(self, keys: set[tuple[int, int]]) -> None:
        lines = [self.expected[key] for key in keys if key in self.expected]
        for line, fresh in zip(lines, self.table.succeed(np.array(lines, np.int32)).tolist()):
            row = self.table.rows[fresh]
            self.expected[int(row["cookie"]), int(row["netns"])] = fresh
            self.table.release(np.array([line], np.int32))

    @invariant()
    def agrees(self) -> None:
        keys = [(cookie, netns) for cookie in range(1, 301) for netns in (1, 2)]
        assert self._find(keys) == [self.expected.get(key, -1) for key in keys]
        assert sorted(self.table.live().tolist()) == sorted(self.expected.values())
        assert len(self.table) == len(self.expected)


TestAgainstDict = AgainstDict.TestCase
TestAgainstDict.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)


def test_it_grows_and_is_rid_of_the_dead() -> None:
    """A hundred thousand keys, half of them removed, then all of them: each found while it is there."""
    table = Table()
    cookies, netns = np.arange(1, 100_001, dtype=np.uint64), np.ones(100_000, np.uint32)
    lines = table.find_or_add(cookies, netns)
    assert len(np.unique(lines)) == 100_000
    table.release(lines[::2])
    assert (table.index.find(cookies, netns)[1::2] == lines[1::2]).all()
    assert (table.index.find(cookies, netns)[::2] == -1).all()
    table.release(lines[1::2])
    assert len(table) == 0


def test_a_line_given_back_is_empty() -> None:
    """Nothing of a connection passes on to the next that gets its line."""
    table = Table()
    lines = table.find_or_add(np.array([5], np.uint64), np.array([1], np.uint32))
    table.rows[lines] = np.ones(1, ROW)
    table.rows["cookie"][lines], table.rows["netns"][lines] = 5, 1
    table.release(lines)
    (fresh,) = table.allocate(1)
    blank = np.zeros(1, ROW)
    blank["snap"] = -1
    assert table.rows[fresh] == blank[0]


def test_unknown_keys_are_added_only_from_where_they_may_be() -> None:
    """Of one key's records those before the first that may add it have no line, the later ones have."""
    table = Table()
    cookies, netns = np.array([7, 7, 7, 8], np.uint64), np.ones(4, np.uint32)
    lines = table.find_or_add(cookies, netns, np.array([False, True, False, False]))
    assert lines[0] == lines[3] == -1
    assert lines[1] == lines[2] >= 0
    assert len(table) == 1


def test_the_newest_of_each() -> None:
    """Positions of last occurrences, and groups in their old order."""
    table = Table()
    lines = np.array([3, 1, 3, 2, 1, 3], np.int32)
    assert sorted(table.last_of_each(lines).tolist()) == [3, 4, 5]
    order, starts = table.grouped(lines)
    groups = [group.tolist() for group in np.split(order, starts[1:])]
    assert sorted(groups) == [[0, 2, 5], [1, 4], [3]]


def test_keys_are_numbered_without_sorting() -> None:
    """Equal keys have one number, others another, each with its last place; those that meet in a slot, too."""
    chance = np.random.default_rng(23)
    for spread in (3, 300, 1 << 62):
        cookies = chance.integers(1, spread + 1, 5000).astype(np.uint64) * np.uint64(chance.integers(1, 4))
        netns = chance.integers(1, 3, 5000).astype(np.uint32)
        which, last = distinct(cookies, netns)
        keys = list(zip(cookies.tolist(), netns.tolist()))
        expected = {key: place for place, key in enumerate(keys)}
        assert last.tolist() == sorted(expected.values())
        assert [int(last[number]) for number in which] == [expected[key] for key in keys]


def test_free_lines_are_in_no_snapshot() -> None:
    """Nobody who looks for the lines of a snapshot's sockets finds one that is free."""
    table = Table()
    lines = table.find_or_add(np.arange(1, 24, dtype=np.uint64), np.ones(23, np.uint32))
    table.rows["snap"][lines] = np.arange(23)
    table.release(lines[::2])
    assert (table.rows["snap"][: table.top] >= 0).sum() == 11
    table.find_or_add(np.arange(100, 10_100, dtype=np.uint64), np.ones(10_000, np.uint32))
    assert (table.rows["snap"][: table.top] >= 0).sum() == 11
    assert table.top <= len(table.rows)
    assert not table.rows["cookie"][table.top :].any()
