"""Which columns fit, how cells are cut, and how numbers are written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tcpwatch.tui import units
from tcpwatch.tui.columns import MARK_WIDTH, fit, gap_of, padded
from tcpwatch.tui.connections import CONNECTIONS
from tcpwatch.tui.happenings import EVENTS
from tcpwatch.tui.listeners import LISTENERS
from tcpwatch.tui.sheet import Sheet

SHEETS = [CONNECTIONS, LISTENERS, EVENTS]


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda s: s.noun)
def test_no_two_columns_of_a_table_share_name_or_priority(sheet: Sheet) -> None:
    """The order in which columns drop is declared without a tie."""
    assert len({c.name for c in sheet.columns}) == len({c.priority for c in sheet.columns}) == len(sheet.columns)


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda s: s.noun)
def test_each_title_fits_its_column_with_the_arrow_of_a_sort(sheet: Sheet) -> None:
    """A sorted column must say so, whatever the width."""
    assert [c.title for c in sheet.columns if len(c.title) + 1 > c.width] == []


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda s: s.noun)
@given(width=st.integers(79, 260))
def test_columns_never_exceed_the_width_and_drop_in_the_declared_order(sheet: Sheet, width: int) -> None:
    """What is kept is exactly the most important columns, in the table's order, within the width."""
    kept = fit(sheet.columns, width)
    total = MARK_WIDTH + sum(w for _, w in kept) + gap_of(width) * (len(kept) - 1)
    ranks = sorted(c.priority for c in sheet.columns)
    assert total <= width
    assert sorted(c.priority for c, _ in kept) == ranks[: len(kept)]
    assert [c for c, _ in kept] == [c for c in sheet.columns if c in {k for k, _ in kept}]


def test_eighty_columns_hold_who_in_which_state_and_how_it_fares() -> None:
    """The narrowest layout still leads to the guilty connection."""
    assert [c.name for c, _ in fit(CONNECTIONS.columns, 79)] == [
        "state",
        "local",
        "remote",
        "process",
        "rtt",
        "retrans",
    ]


@given(st.text(max_size=40), st.integers(2, 30), st.sampled_from(["left", "right"]))
def test_a_padded_cell_takes_exactly_its_width(text: str, width: int, align: str) -> None:
    """Wide and combining letters must not shift the columns after them."""
    assert cell_len(padded(text, width, align)) == width  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (units.compact(0), "0"),
        (units.compact(999), "999"),
        (units.compact(1000), "1.0 K"),
        (units.compact(64_000), "64 K"),
        (units.compact(1_234_567), "1.2 M"),
        (units.compact(999_600), "1.0 M"),
        (units.compact(float("nan")), "–"),
        (units.size(812), "812 B"),
        (units.size(1.2e6), "1.2 MB"),
        (units.latency(42_000), "42 ms"),
        (units.latency(312), "312 µs"),
        (units.latency(300), "300 µs"),
        (units.latency(4_200), "4.2 ms"),
        (units.latency(1_234_000), "1.2 s "),
        (units.latency(float("nan")), "–"),
        (units.duration(0.5), "500µs"),
        (units.duration(120), "120ms"),
        (units.duration(3_100), "3.1s"),
        (units.duration(41_000), "41s"),
        (units.duration(133_000), "2m13s"),
        (units.duration(7_440_000), "2h04m"),
        (units.duration(5.125 * 86_400_000), "5d03h"),
        (units.duration(float("nan")), "–"),
        (units.percent(0.008), "0.8 %"),
        (units.percent(0.71), "71 %"),
        (units.percent(float("nan")), "–"),
        (units.uptime(761 * 10**9), "00:12:41"),
        (units.whole(1284), "1,284"),
        (units.clock(0), "–"),
    ],
)
def test_numbers_carry_their_unit_and_unknown_is_a_dash(written: str, expected: str) -> None:
    """One way of writing for the whole screen."""
    assert written == expected


@given(st.floats(0, 1e15))
def test_a_duration_never_outgrows_its_column(milliseconds: float) -> None:
    """Six places up to 30,000 years."""
    assert len(units.duration(min(milliseconds, 8.6e12))) <= 6


@given(st.floats(0, 999e6))
def test_a_latency_never_outgrows_its_column(microseconds: float) -> None:
    """Seven places up to a thousand seconds."""
    assert len(units.latency(microseconds)) <= 7
