"""What comes from outside is drawn, never obeyed; and colour is never the only sign."""

import re

import numpy as np
import pytest
from textual import events

from tcpwatch import rows as shapes
from tcpwatch import wire

from . import picture
from .hand import hand

pytestmark = pytest.mark.asyncio
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def _named(*names: bytes) -> np.ndarray:
    rows = picture.connections(len(names) * 11)
    rows["comm"], rows["pid"], rows["state"], rows["flags"] = np.resize(np.array(names, "S16"), len(rows)), 7, 1, 0
    return rows


@pytest.mark.parametrize("keys", [(), ("1",), ("3",), ("6",), ("enter",), ("question_mark",), ("t", "G")])
async def test_no_control_character_reaches_a_strip(keys: tuple[str, ...]) -> None:
    """Hostile process names and command lines, on every screen."""
    async with hand(picture.connections(997), size=(250, 70)) as h:
        await h.press(*keys)
        segments = [segment for strip in h.strips() for segment in strip]
        assert [s.text for s in segments if CONTROL.search(s.text)] == []
        assert [s for s in segments if s.control] == []


async def test_names_that_look_like_markup_are_drawn_literally() -> None:
    """`[/foo]` would crash a markup parser, `[kworker/0:1]` would vanish in it."""
    async with hand(_named(b"[/foo]", b"[kworker/0:1]", b"[bold]x", b"\\[x")) as h:
        text = h.text()
        assert all(f"{name} 7" in text for name in ("[/foo]", "[kworker/0:1]", "[bold]x", "\\[x"))
        await h.press("enter")
        assert "[/red]" in h.text()


async def test_escapes_and_wide_letters_in_names_keep_the_columns_in_line() -> None:
    """The age is where it is in every other line."""
    async with hand(_named(b"\x1b[2J", b"\x9b31m", "數據庫".encode(), b"plain")) as h:
        cells = [strip.crop(0, 120) for strip in h.strips()[4:-1]]
        assert {strip.cell_length for strip in cells} == {120}
        assert "?[2J 7" in h.text()


async def test_a_hostile_filter_is_shown_harmlessly() -> None:
    """An expression given on the command line may hold anything."""
    async with hand(picture.connections(23)) as h:
        await h.press("slash")
        await h.type("[/red]")
        assert "[/red]" in h.text()
        assert CONTROL.search(h.text().replace("\n", "")) is None


async def test_what_is_pasted_cannot_turn_the_line_around() -> None:
    """It is shown as a question mark, also in the message, and the caret stays under the fault."""
    async with hand(picture.connections(23)) as h:
        await h.press("slash")
        h.app.post_message(events.Paste("comm = a\u202eb\u2066\u200f and r\u202dttx > 5"))
        await h.settle()
        assert CONTROL.search(h.text().replace("\n", "")) is None
        lines = h.lines()
        at = next(i for i, line in enumerate(lines) if "comm = a?b??" in line)
        assert lines[at + 1].index("^") == lines[at].index("r?ttx")
        assert "`r?ttx`" in lines[at + 2]


async def test_an_error_message_cannot_write_escapes() -> None:
    """The source's last words are somebody else's text."""
    async with hand(picture.connections(23)) as h:
        h.feed.die(ValueError("\x1b[31mboom [/x]"))
        await h.settle()
        assert "ValueError: ?[31mboom [/x]" in h.text()


async def test_without_colour_nothing_is_coloured_and_everything_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """NO_COLOR: only attributes are left, and the cursor is seen by them."""
    monkeypatch.setenv("NO_COLOR", "1")
    async with hand(picture.connections(997), theme=None) as h:
        await h.press("j", "t")
        segments = [s for strip in h.strips() for s in strip if s.style]
        coloured = [s for s in segments if not _uncoloured(s.style.color) or not _uncoloured(s.style.bgcolor)]  # type: ignore[union-attr]
        assert coloured == []
        cursor = h.strips()[5]
        assert any(s.style and s.style.reverse for s in cursor)
        assert cursor.text.startswith("▌")


def _uncoloured(color: object) -> bool:
    return color is None or getattr(color, "is_default", False)


@pytest.mark.parametrize(("system", "theme"), [("standard", "ansi-dark"), ("256", "tcpwatch-dark")])
async def test_sixteen_colours_are_the_terminals_own(system: str, theme: str) -> None:
    """Where there are few colours, no shade is invented."""
    from rich.console import Console

    from tcpwatch.tui.palette import default_theme

    found = Console(color_system=system, force_terminal=True).color_system  # type: ignore[arg-type]
    assert default_theme(found, True) == theme


@pytest.mark.parametrize("theme", ["tcpwatch-dark", "tcpwatch-light", "ansi-dark", "ansi-light", "nord"])
async def test_every_theme_can_be_chosen_while_it_runs(theme: str) -> None:
    """And the light one is light."""
    async with hand(picture.connections(997)) as h:
        h.app.theme = theme
        await h.settle()
        assert "ESTABLISHED" in h.text()
        if theme == "tcpwatch-light":
            background = h.strips()[6]._segments[0].style
            assert background is not None
            assert background.bgcolor is not None
            assert sum(background.bgcolor.get_truecolor()) > 600


async def test_what_changed_lately_is_brighter_than_what_is_old() -> None:
    """And says so by a sign."""
    rows = picture.connections(3)
    rows["state"], rows["flags"], rows["comm"], rows["pid"] = wire.ESTABLISHED, shapes.HAS_COUNTERS, b"x", 1
    rows["changed_ns"] = [picture.NOW_NS - 1, picture.NOW_NS - 30 * 10**9, picture.NOW_NS - 900 * 10**9]
    rows["idle_ms"] = [0, 30_000, 900_000]
    rows["opened_ns"] = [3, 2, 1]
    async with hand(rows) as h:
        await h.press("G", "k")
        lines = h.strips()[4:7]
        shades = []
        for strip in lines:
            style = next(s.style for s in strip if "x 1" in s.text)
            assert style is not None
            assert style.color is not None
            shades.append(sum(style.color.get_truecolor()))
        assert lines[0].text[1] == "•"
        assert shades[0] > shades[2]
        assert shades == sorted(shades, reverse=True)


async def test_the_command_palette_offers_themes() -> None:
    """Light and dark are found there."""
    async with hand(picture.connections(3)) as h:
        commands = {c.title: c.callback for c in h.app.get_system_commands(h.app.screen)}
        assert {"Theme", "Light or dark"} <= set(commands)
        commands["Light or dark"]()
        assert h.app.theme == "tcpwatch-light"
