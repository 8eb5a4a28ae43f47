"""The big table: draws only the lines on screen, straight from the columns of a view. Keeps the cursor on its line's
lasting name while data moves; knows nothing of what the lines are."""

from collections.abc import Hashable
from typing import TYPE_CHECKING, ClassVar

from rich.segment import Segment
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widget import Widget

from tcpwatch.tracker.view import Key
from tcpwatch.tui.columns import MARK_WIDTH, Column, Role, fit, gap_of, padded
from tcpwatch.tui.sheet import Sheet, Shown

if TYPE_CHECKING:
    from tcpwatch.tui.app import TcpwatchApp

_CURSOR, _PLAIN = "▌", " "


class Titles(Widget):
    """The line of column titles; a click sorts."""

    DEFAULT_CSS = "Titles { height: 1; background: $surface; }"

    class Clicked(Message):
        def __init__(self, column: str) -> None:
            super().__init__()
            self.column = column

    app: "TcpwatchApp"

    def __init__(self, sheet: Sheet) -> None:
        super().__init__()
        self.sheet = sheet
        self.sort, self.descending = sheet.sort, False

    def mark(self, sort: str, descending: bool) -> None:
        if (sort, descending) != (self.sort, self.descending):
            self.sort, self.descending = sort, descending
            self.refresh()

    def columns(self) -> list[tuple[Column, int]]:
        return fit(self.sheet.columns, self.size.width - 1)  # the scroll bar's place

    def render_line(self, y: int) -> Strip:
        palette = self.app.palette
        gap = " " * gap_of(self.size.width - 1)
        parts = [Segment(" " * MARK_WIDTH)]
        for column, width in self.columns():
            sorted_by = column.name == self.sort
            text = padded(self._title(column, sorted_by), width, column.align)
            parts += [Segment(text, palette.style("info" if sorted_by else "title")), Segment(gap)]
        return Strip(parts[:-1]).adjust_cell_length(self.size.width).apply_style(self.rich_style)

    def _title(self, column: Column, sorted_by: bool) -> str:
        if not sorted_by:
            return column.title
        arrow = "▼" if self.descending else "▲"
        return f"{column.title}{arrow}" if column.align == "left" else f"{arrow}{column.title}"

    def on_click(self, event: events.Click) -> None:
        edge = MARK_WIDTH
        for column, width in self.columns():
            edge += width + gap_of(self.size.width - 1)
            if event.x < edge:
                self.post_message(self.Clicked(column.name))
                return


class Table(ScrollView, can_focus=True):
    """The lines of one sheet. Until a key moves the cursor it rests at the top, whatever comes there; once moved it
    stays with its line, and that line keeps its place on the screen as far as the data allows."""

    DEFAULT_CSS = """
    Table { height: 1fr; overflow-x: hidden; overflow-y: scroll; scrollbar-size-vertical: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j,down", "move(1)", "down", show=False),
        Binding("k,up", "move(-1)", "up", show=False),
        Binding("pagedown,ctrl+f", "page(1)", "page down", show=False),
        Binding("pageup,ctrl+b", "page(-1)", "page up", show=False),
        Binding("g,home", "top", "top", show=False),
        Binding("G,end", "bottom", "bottom", show=False),
        Binding("enter", "open", "details", show=False),
    ]

    class Opened(Message):
        """The user wants to see one connection."""

        def __init__(self, key: Key) -> None:
            super().__init__()
            self.key = key

    class Moved(Message):
        """The cursor is on another line, or holds another line."""

    app: "TcpwatchApp"

    def __init__(self, sheet: Sheet) -> None:
        super().__init__()
        self.sheet = sheet
        self.shown: Shown | None = None
        self.cursor = 0
        self.name_held: Hashable | None = None  # None: the cursor rests at the top
        self._fitted: tuple[int, list[tuple[Column, int]]] = (-1, [])

    @property
    def at_top(self) -> bool:
        """True while the cursor rests at the top, whatever comes there."""
        return self.name_held is None

    def show(self, shown: Shown) -> None:
        """Draw this from now on, with the cursor on the line it was on."""
        offset = self.cursor - round(self.scroll_y)
        self.shown = shown
        self.virtual_size = Size(0, len(shown.order))
        self.cursor = min(self._found(shown), max(0, len(shown.order) - 1))
        if self.name_held is not None:
            self._hold()
        self._scroll(self.cursor - offset)
        self.refresh()

    def _found(self, shown: Shown) -> int:
        """Where the held line is now; where it was, if it is gone."""
        if self.name_held is None:
            return 0
        row = self.sheet.place(shown.view, shown.rows, self.name_held)
        if row is None:
            return self.cursor
        at = (shown.order == row).nonzero()[0]
        return int(at[0]) if len(at) else self.cursor

    def _hold(self) -> None:
        shown = self.shown
        if shown is not None and len(shown.order):
            self.name_held = self.sheet.name(shown.view, shown.rows, int(shown.order[self.cursor]))

    def _scroll(self, top: int) -> None:
        """Scroll so that `top` is the first line, and the cursor is seen."""
        height = max(1, self.size.height)
        top = max(self.cursor - height + 1, min(top, self.cursor))
        last = max(0, (len(self.shown.order) if self.shown else 0) - height)
        self.set_scroll(0, min(max(0, top), last))

    def set_scroll(self, x: float | None, y: float | None) -> None:
        if y is not None:
            self.scroll_target_y = self.scroll_y = y

    def move_to(self, line: int) -> None:
        """Put the cursor on a line of the table, and hold that line."""
        if self.shown is None or not len(self.shown.order):
            return
        before, top = self.cursor, round(self.scroll_y)
        self.cursor = max(0, min(line, len(self.shown.order) - 1))
        self._hold()
        self._scroll(top)
        if round(self.scroll_y) == top:
            self.refresh_line(before)
            self.refresh_line(self.cursor)
        self.post_message(self.Moved())

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """The wheel and the scroll bar take the cursor along at the edges."""
        super().watch_scroll_y(old_value, new_value)
        top = round(new_value)
        inside = max(top, min(self.cursor, top + max(1, self.size.height) - 1))
        if inside != self.cursor:
            self.cursor = inside
            self._hold()

    def seek(self, name: Hashable) -> None:
        """Put the cursor on the line with that name, if it is shown."""
        shown = self.shown
        if shown is None or (row := self.sheet.place(shown.view, shown.rows, name)) is None:
            return
        at = (shown.order == row).nonzero()[0]
        if len(at):
            self.move_to(int(at[0]))

    def action_move(self, lines: int) -> None:
        self.move_to(self.cursor + lines)

    def action_page(self, pages: int) -> None:
        self.move_to(self.cursor + pages * max(1, self.size.height - 1))

    def action_top(self) -> None:
        """Back to the top, to stay there."""
        self.cursor, self.name_held = 0, None
        self._scroll(0)
        self.refresh()
        self.post_message(self.Moved())

    def action_bottom(self) -> None:
        self.move_to(len(self.shown.order) - 1 if self.shown else 0)

    def action_open(self) -> None:
        shown = self.shown
        if shown is None or not len(shown.order):
            return
        self._hold()
        key = self.sheet.key(shown.view, shown.rows, int(shown.order[self.cursor]))
        if key is not None:
            self.post_message(self.Opened(key))

    def on_click(self, event: events.Click) -> None:
        line = event.y + round(self.scroll_y)
        if self.shown is None or line >= len(self.shown.order):
            return
        again = line == self.cursor and event.chain > 1
        self.move_to(line)
        if again:
            self.action_open()

    def on_resize(self, event: events.Resize) -> None:
        self._scroll(round(self.scroll_y))

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        line = y + round(self.scroll_y)
        base = self.rich_style
        if self.shown is None or line >= len(self.shown.order):
            return Strip.blank(width, base)
        cursor = line == self.cursor and self.has_focus
        return Strip(self._cells(self.shown, line, width, cursor), width).simplify().apply_style(base)

    def _columns(self, width: int) -> list[tuple[Column, int]]:
        if self._fitted[0] != width:
            self._fitted = width, fit(self.sheet.columns, width)
        return self._fitted[1]

    def _cells(self, shown: Shown, line: int, width: int, cursor: bool) -> list[Segment]:
        palette, i = self.app.palette, int(shown.order[line])
        sign, row_role = self.sheet.sign(shown.view, shown.rows, i)
        parts = [
            Segment(_CURSOR if line == self.cursor else _PLAIN, palette.style("info", cursor)),
            Segment(sign + " ", palette.style(row_role, cursor)),
        ]
        gap = Segment(" " * gap_of(width), palette.style("plain", cursor))
        for column, cell_width in self._columns(width):
            text, role = column.draw(shown.view, shown.rows, i, cell_width)
            style = palette.style(_blended(role, row_role), cursor)
            parts += [Segment(padded(text, cell_width, column.align), style), gap]
        used = sum(part.cell_length for part in parts[:-1])
        parts[-1] = Segment(" " * max(0, width - used), palette.style("plain", cursor))
        return parts


def _blended(cell: Role, row: Role) -> Role:
    """A plain cell takes its line's brightness; in a dim line only warnings keep their colour."""
    if cell == "plain":
        return row
    return "dim" if row == "dim" and cell not in ("warn", "bad") else cell
