"""The layout from the smallest terminal to the largest."""

import pytest
from rich.cells import cell_len

from . import picture
from .hand import hand

pytestmark = pytest.mark.asyncio
ROWS = picture.connections(997)


@pytest.mark.parametrize("size", [(80, 24), (109, 30), (137, 40), (250, 70)])
@pytest.mark.parametrize(
    "keys", [(), ("1",), ("3",), ("4",), ("5",), ("6",), ("enter",), ("question_mark",), ("slash", "x")]
)
async def test_each_screen_fills_each_size_exactly(size: tuple[int, int], keys: tuple[str, ...]) -> None:
    """Every line is as wide as the terminal, and the last line is the last."""
    async with hand(ROWS, size=size) as h:
        await h.press(*keys)
        assert [cell_len(line) for line in h.lines()] == [size[0]] * size[1]


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (250, 70)])
async def test_titles_stand_over_their_columns(size: tuple[int, int]) -> None:
    """The remote address begins where REMOTE begins, RETR ends where its numbers end."""
    async with hand(ROWS, size=size) as h:
        titles, *lines = h.strips()[3:-1]
        at, end = titles.text.index("REMOTE"), titles.text.index("RETR") + 4
        assert all(line.crop(at - 1, at).text == " " != line.crop(at, at + 1).text for line in lines)
        assert all(line.crop(end - 1, end).text in set("0123456789–") for line in lines)


async def test_eighty_by_twenty_four_shows_all_that_matters() -> None:
    """Nineteen connections, the pulse folded, the last line."""
    async with hand(ROWS, size=(80, 24)) as h:
        lines = h.lines()
    assert all(word in lines[1] for word in ("ESTABLISHED", "SYN", "TIME_WAIT", "CLOSE_WAIT"))
    assert all(word in lines[2] for word in ("new", "closed", "retrans", "resets", "lost 0"))
    assert all(word in lines[0] for word in ("web-7", "probes", "1 Health", "2 Conns", "3 Listen", "6 Events"))
    assert "q quit" in lines[-1]
    assert "connections" in lines[-1]
    assert sum(":" in line for line in lines[4:-1]) == 19


async def test_paused_is_seen_at_every_width() -> None:
    """It goes before the host's name does."""
    async with hand(ROWS, size=(80, 24)) as h:
        await h.press("space")
        assert "PAUSED" in h.lines()[0]


@pytest.mark.parametrize("size", [(79, 24), (80, 23), (40, 10), (7, 2)])
async def test_too_small_a_terminal_gets_one_clear_message(size: tuple[int, int]) -> None:
    """The size needed and the size there is; on growing the table is back, with its cursor."""
    async with hand(ROWS) as h:
        await h.press("j", "j")
        await h.resize(*size)
        if size[0] >= 40:
            assert "terminal too small" in h.text()
            assert f"needs 80x24, has {size[0]}x{size[1]}" in h.text()
        assert "REMOTE" not in h.text()
        await h.resize(80, 24)
        assert "too small" not in h.text()
        assert "REMOTE" in h.text()
        assert h.table.cursor == 2
        await h.press("j")
        assert h.table.cursor == 3


async def test_details_say_so_too_when_there_is_no_room() -> None:
    """All screens share the rule."""
    async with hand(ROWS) as h:
        await h.press("enter")
        await h.resize(60, 20)
        assert "needs 80x24" in h.text()
        assert "verdict" not in h.text()
