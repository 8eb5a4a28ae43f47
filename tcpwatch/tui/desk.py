"""The main screen: the pulse above, one of the views in the middle, the filter and the last line below. Turns keys into
wishes; how each view looks is its own matter."""

from typing import TYPE_CHECKING, ClassVar, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widget import Widget

from tcpwatch.errors import FilterError
from tcpwatch.tui.filterbar import FilterBar
from tcpwatch.tui.page import TablePage
from tcpwatch.tui.place import Place
from tcpwatch.tui.pulse import Alert, Pulse
from tcpwatch.tui.status import Status
from tcpwatch.tui.table import Table
from tcpwatch.tui.views import VIEWS, Page

if TYPE_CHECKING:
    from tcpwatch.tui.app import TcpwatchApp


class Desk(Place):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "filter", show=False),
        Binding("escape", "clear", "clear", show=False),
        Binding("tab", "step(1)", "next view", show=False),
        Binding("shift+tab", "step(-1)", "previous view", show=False),
        Binding("s", "sort", "sort", show=False),
        Binding("S", "turn", "turn the sort", show=False),
        Binding("t", "closed", "show closed", show=False),
        Binding("e", "export", "export", show=False),
        *(Binding(str(i + 1), f"open({i})", name, show=False) for i, (name, _) in enumerate(VIEWS)),
    ]

    app: "TcpwatchApp"

    def __init__(self, first: str = VIEWS[0][0]) -> None:
        """first: the view to begin with."""
        super().__init__()
        self.pulse = Pulse(tuple(name for name, _ in VIEWS))
        self.pulse.current = self.pulse.tabs.index(first)
        self.pages: dict[int, Widget] = {self.pulse.current: VIEWS[self.pulse.current][1]()}
        self.body = Vertical(*self.pages.values())
        self.alert = Alert()
        self.bar, self.status = FilterBar(), Status()

    @property
    def page(self) -> Page:
        return cast(Page, self.pages[self.pulse.current])

    def compose_place(self) -> ComposeResult:
        yield self.pulse
        yield self.alert
        yield self.body
        yield self.bar
        yield self.status

    def on_mount(self) -> None:
        self.page.focus_here()

    def update(self) -> None:
        self.page.update()
        self.pulse.refresh()
        worst = self.app.view.findings[:1] if self.app.view else ()
        self.alert.show(next(iter(worst), None), self.pulse.current == 0)
        self.refresh_count()

    def refresh_count(self) -> None:
        self.status.show(self.page.count())

    async def open_page(self, number: int) -> None:
        """Put one of the views on the screen; it is built when it is first asked for."""
        if not self.body.is_attached:  # a key that came before the screen was composed
            self.call_later(self.open_page, number)
            return
        if number not in self.pages:
            self.pages[number] = VIEWS[number][1]()
            await self.body.mount(self.pages[number])
        self.pulse.current = number
        for at, page in self.pages.items():
            page.display = at == number
        self.page.focus_here()
        self.update()

    async def action_open(self, number: int) -> None:
        await self.open_page(number)

    async def action_step(self, by: int) -> None:
        await self.open_page((self.pulse.current + by) % len(VIEWS))

    def action_sort(self) -> None:
        if isinstance(self.page, TablePage):
            self.page.next_sort()

    def action_turn(self) -> None:
        if isinstance(self.page, TablePage):
            self.page.turn_sort()

    def action_closed(self) -> None:
        self.app.with_closed = not self.app.with_closed
        self.update()
        self.tell("closed connections are shown, marked ×" if self.app.with_closed else "closed connections are hidden")

    def action_export(self) -> None:
        page = self.page
        if isinstance(page, TablePage) and (shown := page.table.shown) is not None:
            self.write_down(shown.view, page.sheet.kind, shown.order)
        else:
            self.tell("nothing to write: nothing is shown", "warn")

    def action_filter(self) -> None:
        self.bar.open(self.app.expression)

    def action_clear(self) -> None:
        self._filter("")

    def _filter(self, expression: str) -> None:
        try:
            self.app.set_filter(expression)
        except FilterError as error:
            self.bar.fault(error)
            return
        self.bar.fault(None)
        self.update()

    @on(FilterBar.Changed)
    def _filter_typed(self, event: FilterBar.Changed) -> None:
        self._filter(event.expression)

    @on(FilterBar.Kept)
    def _filter_kept(self) -> None:
        if self.bar.faulty:
            return
        self._close_bar()
        if self.app.filter is not None and self.app.filter.notes:
            self.tell(self.app.filter.notes[0])

    @on(FilterBar.Dropped)
    def _filter_dropped(self) -> None:
        self._filter("")
        self._close_bar()

    def _close_bar(self) -> None:
        self.bar.close()
        self.page.focus_here()
        self.refresh_count()

    @on(Table.Moved)
    def _moved(self) -> None:
        self.refresh_count()

    @on(Table.Opened)
    def _opened(self, event: Table.Opened) -> None:
        self.app.look_at(event.key)
