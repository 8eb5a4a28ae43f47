"""A view with a table: its titles, its lines, and what the user wished to see of them. Which table it is, the sheet
says."""

import dataclasses
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical

from tcpwatch.tui.sheet import Sheet, Wish, show
from tcpwatch.tui.table import Table, Titles

if TYPE_CHECKING:
    from tcpwatch.tui.app import TcpwatchApp


class TablePage(Vertical):
    """sheet: what is shown here."""

    app: "TcpwatchApp"

    def __init__(self, sheet: Sheet) -> None:
        super().__init__()
        self.sheet = sheet
        self.titles, self.table = Titles(sheet), Table(sheet)
        self.wish = Wish(sheet.sort, sheet.column(sheet.sort).descending)

    def compose(self) -> ComposeResult:
        yield self.titles
        yield self.table

    def on_mount(self) -> None:
        self.titles.mark(self.wish.sort, self.wish.descending)

    def focus_here(self) -> None:
        self.table.focus()

    def update(self) -> None:
        """Show the app's view, unless just that is shown already."""
        view, shown = self.app.view, self.table.shown
        wish = dataclasses.replace(self.wish, closed=self.app.with_closed, filter=self.app.filter)
        if view is None or (shown is not None and shown.view is view and wish == self.wish):
            return
        self.wish = wish
        self.table.show(show(self.sheet, view, wish))

    def sort(self, column: str, descending: bool) -> None:
        self.wish = dataclasses.replace(self.wish, sort=column, descending=descending)
        self.titles.mark(column, descending)
        if self.app.view is not None:
            self.table.show(show(self.sheet, self.app.view, self.wish))

    def next_sort(self) -> None:
        """On to the next column that can be seen, in the direction it is usually read."""
        seen = [column for column, _ in self.titles.columns()]
        names = [column.name for column in seen]
        at = names.index(self.wish.sort) if self.wish.sort in names else -1
        column = seen[(at + 1) % len(seen)]
        self.sort(column.name, column.descending)

    def turn_sort(self) -> None:
        self.sort(self.wish.sort, not self.wish.descending)

    @on(Titles.Clicked)
    def _title_clicked(self, event: Titles.Clicked) -> None:
        event.stop()
        if event.column == self.wish.sort:
            self.turn_sort()
        else:
            self.sort(event.column, self.sheet.column(event.column).descending)

    def count(self) -> str:
        """`1,284 of 9,407 shown`"""
        shown = self.table.shown
        if shown is None:
            return ""
        follow = (
            "following  " if self.sheet.follows and self.table.at_top else "g follows  " if self.sheet.follows else ""
        )
        total, here = f"{shown.total:,}", f"{len(shown.order):,}"
        noun = self.sheet.noun.removesuffix("s") if shown.total == 1 else self.sheet.noun
        return f"{follow}{here} of {total} shown" if here != total else f"{follow}{total} {noun}"
