"""Does a filter accept the rows it says, and no row of which it cannot be sure?"""

import numpy as np
from hypothesis import given

from tcpwatch.filter import Names, parse
from tcpwatch.rows import CONNECTION
from tests.filter.table import FILTERS, NAMES, ROWS, Row, Wanted, array


@given(wanted=FILTERS, rows=ROWS)
def test_mask_is_what_one_row_at_a_time_gives(wanted: Wanted, rows: list[Row]) -> None:
    """A random filter accepts exactly the rows for which a plain evaluation of it is certainly true."""
    expected = [wanted.judge(row) is True for row in rows]
    assert parse(wanted.text).mask(array(rows), NAMES).tolist() == expected


@given(wanted=FILTERS, rows=ROWS)
def test_not_accepts_what_is_certainly_false(wanted: Wanted, rows: list[Row]) -> None:
    """What is unknown passes neither a filter nor its `not`."""
    expected = [wanted.judge(row) is False for row in rows]
    assert parse(f"not ( {wanted.text} )").mask(array(rows), NAMES).tolist() == expected


@given(wanted=FILTERS, rows=ROWS)
def test_kernel_filter_holds_every_accepted_row(wanted: Wanted, rows: list[Row]) -> None:
    """The kernel's part may let more through than the mask, never less."""
    read = parse(wanted.text)
    table = array(rows)
    box = read.kernel
    held = (table["lport"] >= box.lport_min) & (table["lport"] <= box.lport_max)
    held &= (table["rport"] >= box.rport_min) & (table["rport"] <= box.rport_max)
    held &= (box.family == 0) | (table["family"] == box.family)
    held &= (box.netns == 0) | (table["netns"] == box.netns)
    assert not (read.mask(table, NAMES) & ~held).any()


@given(wanted=FILTERS, rows=ROWS)
def test_fields_are_all_that_is_looked_at(wanted: Wanted, rows: list[Row]) -> None:
    """A dictionary of no more than Filter.fields gives what the whole table gives."""
    read = parse(wanted.text)
    table = array(rows)
    few = {name: table[name] for name in read.fields}
    if few:
        assert read.mask(few, NAMES).tolist() == read.mask(table, NAMES).tolist()


@given(wanted=FILTERS, rows=ROWS)
def test_an_absent_column_lets_nothing_more_through(wanted: Wanted, rows: list[Row]) -> None:
    """Taking columns away can only make conditions unknown, so no row comes in by it."""
    read = parse(wanted.text)
    table = array(rows)
    whole = read.mask(table, NAMES)
    for absent in read.fields:
        columns = {name: table[name] for name in CONNECTION.names or () if name != absent}
        assert not (read.mask(columns, NAMES) & ~whole).any()


def test_absent_columns_are_unknown() -> None:
    """Neither a condition on a column that is not there nor its `not` is true of any row."""
    columns = {"lport": np.array([80, 443], np.uint16)}
    for text in (
        "verdict = refused",
        "verdict != refused",
        "rtt > 1",
        "not rtt > 1",
        "dst 10.0.0.1",
        "dst != 10.0.0.1",
    ):
        assert parse(text).mask(columns, Names()).tolist() == [False, False], text
    assert parse("sport = 80 or verdict = refused").mask(columns, Names()).tolist() == [True, False]


def test_empty_filter_accepts_everything() -> None:
    """Nothing asked, nothing left out, whatever the rows are made of."""
    for text in ("", "  \t"):
        read = parse(text)
        assert read.mask(np.zeros(23, CONNECTION), Names()).tolist() == [True] * 23
        assert read.mask({"lport": np.zeros(23, np.uint16)}, Names()).tolist() == [True] * 23
        assert read.mask({}, Names()).tolist() == []
        assert read.fields == frozenset()
        assert read.kernel == type(read.kernel)()


def test_a_long_chain_needs_no_deep_stack() -> None:
    """As many conditions as fit a filter, alternating, are evaluated."""
    text = "inet" + " or inet6 and inet" * 220
    table = array([{"laddr": "::", "raddr": "::", "family": 2}, {"laddr": "::", "raddr": "::", "family": 10}])
    assert parse(text).mask(table, Names()).tolist() == [True, False]
    assert parse(f"not ({text})").mask(table, Names()).tolist() == [False, True]
