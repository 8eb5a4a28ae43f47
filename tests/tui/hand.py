"""A hand on the keys of an app without a terminal, and an eye on what it would show."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
from textual.pilot import Pilot
from textual.strip import Strip

from tcpwatch.tui.app import TcpwatchApp
from tcpwatch.tui.page import TablePage
from tcpwatch.tui.table import Table

from . import picture


class Hand:
    def __init__(self, app: TcpwatchApp, feed: picture.Still, pilot: Pilot[None]) -> None:
        self.app, self.feed, self.pilot = app, feed, pilot

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)

    async def type(self, text: str) -> None:
        named = {" ": "space", ":": "colon", ">": "greater_than_sign", "=": "equals_sign", "[": "left_square_bracket"}
        await self.pilot.press(*(named.get(letter, letter) for letter in text))

    async def next(self, rows: np.ndarray) -> None:
        """A new view, drawn."""
        self.feed.next(rows)
        await self.pilot.pause()

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
        await pilot.pause()
        await running.desk.open_page(running.desk.pulse.tabs.index(page))
        await pilot.pause()
        yield Hand(running, feed, pilot)
