"""The transport of a replay on the screen: its line, its keys, the prompt for a time, and what it leaves alone."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from math import inf
from pathlib import Path

import numpy as np
import pytest
from rich.cells import cell_len
from textual.pilot import Pilot
from textual.widgets import Input

from tcpwatch.replay import marks
from tcpwatch.replay.player import Player
from tcpwatch.replay.transport import SPEEDS, Transport
from tcpwatch.tui import transport
from tcpwatch.tui.app import TcpwatchApp
from tcpwatch.tui.detail import Detail
from tcpwatch.tui.page import TablePage
from tests.replay import town
from tests.replay.town import unix

from . import picture
from .hand import DEADLINE_S, hand, settled

pytestmark = pytest.mark.asyncio


class Replayed:
    """The app over a recording, and a hand on its keys."""

    def __init__(self, app: TcpwatchApp, player: Player, pilot: Pilot[None]) -> None:
        self.app, self.player, self.pilot = app, player, pilot

    async def press(self, *keys: str) -> None:
        for key in keys:
            await self.pilot.press(key)
            await settled(self.pilot)

    async def until(self, seen: Callable[[], bool]) -> None:
        ends = time.monotonic() + DEADLINE_S
        while not seen():
            assert time.monotonic() < ends, self.text()
            await self.pilot.pause(0.02)
        await settled(self.pilot)

    async def settled(self) -> None:
        """What the player shows is on the screen."""
        await self.until(lambda: not self.player.transport().busy and self.app.view is self.player.latest())

    async def go(self, second: float) -> None:
        self.player.seek(unix(second))
        await self.settled()

    def second(self) -> float:
        assert self.app.view is not None
        return (self.app.view.time_ns - unix(0)) / town.SECOND

    def lines(self) -> list[str]:
        return [strip.text for strip in self.app.screen._compositor.render_strips()]

    def text(self) -> str:
        return "\n".join(self.lines())

    def bar(self) -> str:
        return self.lines()[-1]


@asynccontextmanager
async def replayed(
    path: Path, *, size: tuple[int, int] = (120, 40), scan: bool = False, plays: bool = False
) -> AsyncIterator[Replayed]:
    player = town.player(path, scan)
    if not plays:
        player.toggle()
    player.start()
    app = TcpwatchApp(player, player=player, theme="tcpwatch-dark")
    try:
        async with app.run_test(size=size) as pilot:
            on = Replayed(app, player, pilot)
            await on.until(lambda: app.view is not None)
            yield on
    finally:
        player.stop()
    assert player.error is None


@pytest.fixture(autouse=True)
def any_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    town.on_any_machine(monkeypatch)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return town.record(tmp_path / "town.tcpw")


def clock(second: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(unix(second) // 10**9))


async def test_the_first_screen_is_the_recordings(path: Path) -> None:
    """Its host and kernel, its date and time, its end; that it is a replay, and that it stands."""
    async with replayed(path, size=(160, 40)) as on:
        assert all(word in on.lines()[0] for word in ("web-7", "6.18.5", "replay", "❚❚ PAUSED"))
        assert "up 00" not in on.lines()[0]
        assert all(word in on.bar() for word in ("❚❚ 1x", clock(1) + ".0", clock(30)[11:], "┃"))


async def test_space_plays_and_pauses_the_recording(path: Path) -> None:
    """Time goes on; on the next press it stands."""
    async with replayed(path) as on:
        await on.press("space")
        await on.until(lambda: on.second() >= 2)
        assert "▶" in on.bar()
        await on.press("space")
        await on.until(lambda: "❚❚ PAUSED" in on.lines()[0] and "❚❚ 1x" in on.bar())


async def test_speed_keys_go_through_all_speeds(path: Path) -> None:
    """Up to as fast as possible, down to a quarter, and back to what it was."""
    async with replayed(path) as on:
        up = []
        for key in ("plus", "right_square_bracket", *["equals_sign"] * 6):
            await on.press(key)
            up.append(on.player.transport().speed)
        assert up == [2.0, 4.0, 10.0, 30.0, 100.0, 300.0, 1000.0, inf]
        assert "max" in on.bar()
        await on.press(*["left_square_bracket", "minus"] * 6)
        assert on.player.transport().speed == SPEEDS[0]
        assert "0.25x" in on.bar()
        await on.press("backspace")
        assert on.player.transport().speed == 1.0


@pytest.mark.parametrize(
    ("key", "second"),
    [("right", 16), ("left", 14), ("shift+right", 25), ("shift+left", 5), ("ctrl+right", 30), ("full_stop", 15.2)],
)
async def test_keys_that_move_through_time(path: Path, key: str, second: float) -> None:
    """Seconds, ten seconds, minutes (no further than the end), frames."""
    async with replayed(path) as on:
        await on.go(15)
        await on.press(key)
        await on.until(lambda: on.second() == pytest.approx(second))


async def test_both_ends(path: Path) -> None:
    """And the end is said to be one."""
    async with replayed(path) as on:
        await on.press("greater_than_sign")
        await on.until(lambda: on.second() == 30 and "■" in on.bar())
        await on.until(lambda: "the recording ends here" in on.text())
        await on.press("less_than_sign")
        await on.until(lambda: on.second() == 1)


async def test_frames_back(path: Path) -> None:
    """Comma is the other way from full stop."""
    async with replayed(path) as on:
        await on.go(15)
        await on.press("comma")
        await on.until(lambda: on.second() == pytest.approx(14.8))
        assert clock(14) + ".8" in on.bar()


async def test_a_time_is_typed_and_gone_to(path: Path) -> None:
    """Any form; the keys are the table's again; a fault is said, and can be corrected; Escape gives up."""
    async with replayed(path) as on:
        for typed, second in (("+5s", 20), ("40%", 12), (clock(21)[11:], 21), ("-1.5s", 13.4)):
            await on.go(15)
            await on.press("colon", *(transport_key(letter) for letter in typed), "enter")
            await on.until(lambda to=second: on.second() == pytest.approx(to))  # type: ignore[misc]
        await on.press("colon", "x", "enter")
        assert "no time: write 14:02:11" in on.text()
        assert isinstance(on.app.focused, Input)
        await on.press("escape")
        assert not isinstance(on.app.focused, Input)
        assert on.second() == pytest.approx(13.4)
        assert "┃" in on.bar()


def transport_key(letter: str) -> str:
    return {"+": "plus", "-": "minus", "%": "percent_sign", ":": "colon", ".": "full_stop"}.get(letter, letter)


async def test_marks_are_gone_to_and_said(path: Path) -> None:
    """What each is, is in the last line but one; beyond the last there is none."""
    async with replayed(path, scan=True) as on:
        await on.until(lambda: on.player.transport().scanned == 1)
        await on.go(town.REFUSED)
        await on.press("n")
        await on.until(lambda: "23 connections of worker" in on.lines()[-2])
        await on.press("n")
        await on.until(lambda: "40 retransmitted segments" in on.lines()[-2])
        await on.press("n")
        assert "no mark after this" in on.lines()[-2]
        await on.press("N")
        await on.until(lambda: on.second() < town.AGAIN)
        await on.until(lambda: "n/N next mark" in on.bar())


async def test_a_seek_leaves_sort_filter_cursor_and_details_alone(path: Path) -> None:
    """The user looks at the same thing at another time."""
    async with replayed(path) as on:
        await on.go(15)
        await on.press(
            "2", "s", "S", "slash", *"sport", "space", "equals_sign", "space", "colon", *"443", "enter", "j", "j"
        )
        page = on.app.desk.page
        assert isinstance(page, TablePage)
        wish, table = page.wish, page.table

        def under_the_cursor() -> int:
            assert table.shown is not None
            return int(table.shown.rows["cookie"][table.shown.order[table.cursor]])

        cookie = under_the_cursor()
        for second in (25, 5):
            await on.go(second)
            assert on.app.expression == "sport = :443"
            assert (page.wish.sort, page.wish.descending) == (wish.sort, wish.descending)
            assert under_the_cursor() == cookie
        await on.press("enter")
        assert isinstance(on.app.screen, Detail)
        await on.press("shift+right")
        await on.until(lambda: on.second() == 15)
        assert isinstance(on.app.screen, Detail)
        focus = on.app.focus_on(on.app.screen.key)
        assert focus is not None
        assert "┃" in on.bar()


async def test_the_event_under_the_cursor_stays_where_it_is_known(path: Path) -> None:
    """An event goes by what it is: its number depends on where the picture begins."""
    async with replayed(path) as on:
        await on.go(20)
        await on.press("6", *["j"] * 30)
        table = on.app.desk.page.table  # type: ignore[attr-defined]

        def held() -> int:
            return int(table.shown.view.events["time_ns"][table.shown.order[table.cursor]])

        event = held()
        for second in (25, 19.8, 22):
            await on.go(second)
            assert held() == event


async def test_letters_in_the_filter_are_letters(path: Path) -> None:
    """Not speeds, marks or steps."""
    async with replayed(path) as on:
        await on.press("slash", "n", "N", "comma", "less_than_sign", "colon", "minus")
        assert on.app.desk.bar.query_one(Input).value == "nN,<:-"
        await on.press("left", "right")
        assert on.second() == 1
        assert on.player.transport().speed == 1.0


async def test_a_click_goes_there(path: Path) -> None:
    """Half of the bar is half of the time."""
    async with replayed(path) as on:
        bar = on.bar()
        first = min(bar.index(sign) for sign in "┃━─" if sign in bar)
        last = max(bar.rindex(sign) for sign in "┃━─▲" if sign in bar)
        await on.pilot.click(offset=((first + last) // 2, 39))
        await settled(on.pilot)
        await on.until(lambda: on.second() == pytest.approx(15, abs=1))


async def test_recording_a_recording_is_refused(path: Path) -> None:
    """With the reason."""
    async with replayed(path) as on:
        await on.press("r")
        assert "this is a recording already" in on.text()


async def test_help_lists_the_transports_keys(path: Path) -> None:
    """Only where there is one."""
    async with replayed(path, size=(120, 90)) as on:
        await on.press("question_mark")
        assert all(
            word in on.text() for word in ("REPLAY", "next mark, previous mark", "go to a time", "0.25x to 1000x")
        )
    async with hand(picture.connections(23), size=(120, 90)) as h:
        await h.press("question_mark")
        assert "REPLAY" not in h.text()


async def test_live_there_is_no_transport() -> None:
    """Its keys do nothing, and break nothing."""
    async with hand(picture.connections(23)) as h:
        await h.press("n", "N", "left", "right", "comma", "full_stop", "plus", "minus", "colon", "less_than_sign")
        assert "q quit" in h.lines()[-1]


@pytest.mark.parametrize("size", [(80, 24), (110, 30), (200, 50), (250, 70)])
@pytest.mark.parametrize("keys", [(), ("2",), ("6",), ("2", "enter"), ("question_mark",), ("colon", "x")])
async def test_each_screen_fills_each_size_exactly(path: Path, size: tuple[int, int], keys: tuple[str, ...]) -> None:
    """With the transport as the last line of each."""
    async with replayed(path, size=size) as on:
        await on.press(*keys)
        assert [cell_len(line) for line in on.lines()] == [size[0]] * size[1]
        assert ("go to: x" if "colon" in keys else clock(1)) in on.bar()


def shown(**facts: object) -> Transport:
    found = marks.of_findings([(40 * 10**9, 2, "a finding")])
    many = Transport(10**9, 100 * 10**9, 50 * 10**9, "playing", 4.0, found, 0)
    return replace(many, **facts)  # type: ignore[arg-type]


@pytest.mark.parametrize("width", [78, 118, 248])
@pytest.mark.parametrize(
    "now",
    [
        shown(),
        shown(state="paused", speed=0.25),
        shown(state="ended", speed=1000.0, notes=("it is damaged",), known_from_ns=30 * 10**9, scanned=0.4),
        shown(state="following", speed=inf, busy=True),
        shown(now_ns=0, end_ns=10**9),
    ],
)
async def test_the_line_has_room_for_a_bar_at_every_width(width: int, now: Transport) -> None:
    """Exactly as wide as the screen, however much there is to say."""
    line, (begin, size) = transport.drawn(now, width)
    assert sum(cell_len(text) for text, _ in line) == width
    assert size >= 16
    assert begin > 20


async def test_what_is_not_known_is_drawn_otherwise() -> None:
    """Before it knows, played, here, to come; and it is said since when."""
    line, (begin, size) = transport.drawn(shown(known_from_ns=30 * 10**9), 118)
    text = "".join(text for text, _ in line)
    bar = text[begin : begin + size]
    assert (bar.count("┃"), bar.count("◆") + bar.count("◇")) == (1, 1)
    assert [bar.index(sign) for sign in "┄━┃─"] == sorted(bar.index(sign) for sign in "┄━┃─")
    assert f"facts since {time.strftime('%H:%M:%S', time.localtime(30))}" in text


async def test_without_colour_signs_tell_marks_apart() -> None:
    """Each kind has its own, a cell wide."""
    assert len({sign for sign, _ in transport.SIGNS.values()}) == len(transport.SIGNS)
    assert np.all([cell_len(sign) == 1 for sign, _ in transport.SIGNS.values()])
