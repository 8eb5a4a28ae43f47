"""The last line: the filter that is on or the keys that help, and how much of everything is shown. Draws what it is
told."""

from typing import TYPE_CHECKING

from textual.strip import Strip
from textual.widget import Widget

from tcpwatch import words
from tcpwatch.tui.columns import Cell
from tcpwatch.tui.lines import Line, joined, length, strip

if TYPE_CHECKING:
    from tcpwatch.tui.app import TcpwatchApp

HINTS = (
    ("/", "filter"),
    ("Enter", "details"),
    ("s S", "sort"),
    ("t", "closed"),
    ("Space", "pause"),
    ("?", "help"),
    ("q", "quit"),
)
MESSAGE_SECONDS = 6.0


class Status(Widget):
    DEFAULT_CSS = "Status { height: 1; padding: 0 1; background: $surface; }"

    app: "TcpwatchApp"

    def __init__(self, hints: tuple[tuple[str, str], ...] = HINTS) -> None:
        super().__init__()
        self.hints = hints
        self.count = ""
        self.message: Cell | None = None

    def show(self, count: str) -> None:
        self.count = count
        self.refresh()

    def say(self, message: Cell, seconds: float = MESSAGE_SECONDS) -> None:
        """Something the user should read, for a while."""
        self.message = (words.clean(message[0]), message[1])
        self.refresh()
        self.set_timer(seconds, lambda said=self.message: self._hush(said))

    def _hush(self, said: Cell) -> None:
        if self.message is said:
            self.message = None
            self.refresh()

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        right: Line = [(f"  {self.count}", "plain")]
        left = self._left(width - length(right))
        return strip(joined(left, right, width), width, self.app.palette).apply_style(self.rich_style)

    def _left(self, room: int) -> list[Cell]:
        if self.app.ended:
            return [(f"✕ the source ended: {words.clean(self.app.ended)}", "bad")]
        if self.message:
            return [self.message]
        if self.app.expression:
            return [("/ ", "info"), (words.clean(self.app.expression), "bright"), ("   Esc clears", "dim")]
        return self._keys(room)

    def _keys(self, room: int) -> list[Cell]:
        """As many hints as fit, the first and the last ones kept longest."""
        hints = list(self.hints)
        while hints and sum(len(k) + len(w) + 3 for k, w in hints) > room:
            hints.pop(len(hints) // 2)
        return [piece for k, w in hints for piece in ((k, "info"), (f" {w}  ", "dim"))]
