"""A hand on the keys of an app without a terminal, and an eye on what it would show."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
from textual.app import App
from textual.pilot import Pilot
from textual.strip import Strip

from tcpwatch.tui.app import TcpwatchApp
from tcpwatch.tui.page import TablePage
from tcpwatch.tui.table import Table

from . import picture

_ROUNDS = 3  # what a thread has posted is in no queue for a moment
DEADLINE_S = 120.0


async def settled(pilot: Pilot[None]) -> None:
    """Until no message is under way and everything is laid out and drawn. By itself a pilot waits until the process is
    given little CPU time, which on a busy machine says no more than that others have it."""
    app, quiet = pilot.app, 0
    async with asyncio.timeout(DEADLINE_S):
        while app.is_running and quiet < _ROUNDS:
            await pilot._wait_for_screen()
            quiet = quiet + 1 if _idle(app) else 0
            app.screen._on_timer_update()
    if app._exception is not None:  # else the test would only miss what was not drawn
        raise app._exception


def _idle(app: App[None]) -> bool:
    screen = app.screen
    waiting = screen._callbacks or screen._layout_required or screen._scroll_required or screen._dirty_widgets
    pumps = (app, *screen.walk_children(with_self=True))
    return not waiting and all(pump._message_queue.empty() and not pump._next_callbacks for pump in pumps)


class Hand:
    def __init__(self, app: TcpwatchApp, feed: picture.Still, pilot: Pilot[None]) -> None:
        self.app, self.feed, self.pilot = app, feed, pilot

    async def settle(self) -> None:
        """What was done to the app has its effect on the screen."""
        await settled(self.pilot)

    async def press(self, *keys: str) -> None:
        for key in keys:
            await self.pilot.press(key)
            await self.settle()

    async def type(self, text: str) -> None:
        named = {" ": "space", ":": "colon", ">": "greater_than_sign", "=": "equals_sign", "[": "left_square_bracket"}
        await self.press(*(named.get(letter, letter) for letter in text))

    async def click(self, x: int, y: int, times: int = 1) -> None:
        await self.pilot.click(offset=(x, y), times=times)
        await self.settle()

    async def resize(self, width: int, height: int) -> None:
        await self.pilot.resize_terminal(width, height)
        await self.settle()

    async def quit(self, key: str) -> None:
        """The app has ended."""
        self.app.simulate_key(key)
        async with asyncio.timeout(DEADLINE_S):
            while self.app.is_running:
                await asyncio.sleep(0.01)

    async def next(self, rows: np.ndarray) -> None:
        """A new view, drawn."""
        self.feed.next(rows)
        await self.settle()

    @property
    def page(self) -> TablePage:
        page = self.app.desk.page
        assert isinstance(page, TablePage)
        return page

    @property
    def table(self) -> Table:
        return self.page.table

    def order(self) -> list[int]:
        """Indices into the view's rows, from the top down."""
        shown = self.table.shown
        assert shown is not None
        return [int(i) for i in shown.order]

    def cookie(self) -> int:
        """Of the connection under the cursor."""
        shown = self.table.shown
        assert shown is not None
        return int(shown.rows["cookie"][shown.order[self.table.cursor]])

    def screen_line(self) -> int:
        """Which line of the table's window the cursor is on."""
        return self.table.cursor - round(self.table.scroll_y)

    def strips(self) -> list[Strip]:
        return self.app.screen._compositor.render_strips()

    def lines(self) -> list[str]:
        return [strip.text for strip in self.strips()]

    def text(self) -> str:
        return "\n".join(self.lines())


@asynccontextmanager
async def hand(
    rows: np.ndarray,
    expression: str = "",
    *,
    size: tuple[int, int] = (120, 40),
    app: type[TcpwatchApp] = TcpwatchApp,
    theme: str | None = "tcpwatch-dark",
    page: str = "Connections",
) -> AsyncIterator[Hand]:
    """The app over these connections, its first view drawn, on that page."""
    feed = picture.Still(rows)
    running = app(feed, expression, loader="core", theme=theme)
    async with running.run_test(size=size) as pilot:
        await settled(pilot)
        await running.desk.open_page(running.desk.pulse.tabs.index(page))
        await settled(pilot)
        yield Hand(running, feed, pilot)
