"""Lines of styled text, put on the screen and scrolled. For everything that is not a big table; knows nothing of what
it says."""

from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tcpwatch.tui.columns import Cell, padded

if TYPE_CHECKING:
    from tcpwatch.tui.app import TcpwatchApp
    from tcpwatch.tui.palette import Palette

Line = Sequence[Cell]


def strip(line: Line, width: int, palette: "Palette") -> Strip:
    """Exactly `width` cells; what is too long is cut with a sign."""
    parts, room = [], width
    for text, role in line:
        cut = text if cell_len(text) <= room else padded(text, room, "left") if room > 0 else ""
        parts.append(Segment(cut, palette.style(role)))
        room -= cell_len(cut)
    return Strip([*parts, Segment(" " * max(0, room))], width).simplify()


def length(line: Iterable[Cell]) -> int:
    """How many cells a line takes."""
    return sum(cell_len(text) for text, _ in line)


def joined(left: Line, right: Line, width: int) -> Line:
    """left and right at the two edges of `width`; the left gives way."""
    room = width - length(right)
    return [*cropped(left, room), *right]


def beside(left: Sequence[Line], right: Sequence[Line], width: int) -> list[Line]:
    """Two pages side by side, each in its half of `width`."""
    half = width // 2
    pairs = zip_longest(left, right, fillvalue=())
    return [[*cropped(one, half), *cropped(other, width - half)] for one, other in pairs]


def cropped(line: Line, width: int) -> list[Cell]:
    """Exactly `width` cells."""
    out: list[Cell] = []
    for text, role in line:
        room = width - length(out)
        if room <= 0:
            break
        out.append((text if cell_len(text) <= room else padded(text, room, "left"), role))
    return [*out, (" " * (width - length(out)), "plain")]


class Lines(ScrollView, can_focus=True):
    """A page of lines, scrolled by the same keys as a table."""

    DEFAULT_CSS = (
        "Lines { height: 1fr; overflow-x: hidden; overflow-y: auto; scrollbar-size-vertical: 1; padding: 0 1; }"
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j,down", "scroll_down", "down", show=False),
        Binding("k,up", "scroll_up", "up", show=False),
        Binding("pagedown,ctrl+f", "page_down", "page down", show=False),
        Binding("pageup,ctrl+b", "page_up", "page up", show=False),
        Binding("g,home", "scroll_home", "top", show=False),
        Binding("G,end", "scroll_end", "bottom", show=False),
    ]

    app: "TcpwatchApp"

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[Line] = []

    def show(self, lines: list[Line]) -> None:
        self.lines = lines
        self.virtual_size = Size(0, len(lines))
        self.refresh()

    def render_line(self, y: int) -> Strip:
        at, width = y + round(self.scroll_y), self.size.width
        line = self.lines[at] if at < len(self.lines) else ()
        return strip(line, width, self.app.palette).apply_style(self.rich_style)
