"""Curves of dots and blocks, looked at dot by dot."""

import numpy as np

from tcpwatch.tui.plot import area, braille, envelope, letters, sparkline, step_rows

NAN = float("nan")


def test_a_sparkline_tells_zero_from_unknown() -> None:
    """Zero is the lowest block, unknown nothing, the highest value the full block."""
    assert sparkline(np.array([NAN, 0, 4, 8]), 4) == " ▁▅█"


def test_a_sparkline_keeps_the_newest_and_fills_its_width() -> None:
    """Old values leave on the left."""
    assert sparkline(np.array([9, 1.0, 1.0]), 2) == "██"
    assert sparkline(np.array([1.0]), 3) == "  █"
    assert sparkline(np.zeros(60), 3) == "▁▁▁"


def test_a_rising_line_rises_from_corner_to_corner() -> None:
    """The first dot is at the bottom left, the last at the top right."""
    lines = braille(np.linspace(0, 1, 64), np.linspace(0, 1, 64), 8, 2, 1.0)
    assert lines[1][0] != " "
    assert lines[0][-1] != " "
    assert (lines[0][0], lines[1][-1]) == (" ", " ")


def test_a_spike_between_dots_is_not_lost() -> None:
    """One sample of ten thousand reaches the top line."""
    values = np.full(10_000, 0.1)
    values[5_003] = 1.0
    top = braille(np.linspace(0, 1, 10_000), values, 20, 4, 1.0)[0]
    assert top.strip() != ""


def test_a_jump_is_drawn_through() -> None:
    """No gap between two neighbouring values far apart."""
    x = np.linspace(0, 1, 100)
    lines = braille(x, np.where(x < 0.5, 0.0, 1.0), 10, 4, 1.0)
    assert all(line.strip() for line in lines)


def test_unknown_is_not_drawn() -> None:
    """Before the first measurement there is nothing; without any the plot is empty."""
    x = np.linspace(0, 1, 100)
    half = braille(x, np.where(x < 0.5, NAN, 1.0), 10, 1, 1.0)[0]
    assert half[:4] == "    "
    assert braille(x, np.full(100, NAN), 10, 2, 1.0) == [" " * 10] * 2
    assert np.isnan(envelope(x, np.full(100, NAN), 20)[0]).all()


def test_a_step_holds_until_the_next() -> None:
    """ssthresh keeps its value between samples and is absent before the first."""
    rows = step_rows(np.array([0.5, 0.9]), np.array([1.0, 0.0]), 10, 5, 1.0)
    assert list(rows) == [-1] * 4 + [0] * 4 + [4] * 2


def test_an_area_is_half_full_under_its_curve() -> None:
    """Every other dot, up to the value; nothing where there is nothing, or nothing known."""
    x = np.linspace(0, 1, 100)
    upper, lower = area(x, np.where(x < 0.5, 0.4, 0.0), 10, 2, 1.0)
    assert not upper.any()
    assert [int(mask).bit_count() for mask in lower[:4]] == [4] * 4
    assert not lower[6:].any()
    assert not area(x, np.full(100, NAN), 10, 2, 1.0).any()
    assert not area(x, np.zeros(100), 10, 2, 0.0).any()


def test_letters_are_braille_or_blank() -> None:
    """No dots are a space, so that something else may be drawn there."""
    assert letters(np.array([[0, 0xFF], [1, 0]], np.uint8)) == [" ⣿", "⠁ "]
