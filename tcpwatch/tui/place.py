"""What all screens have in common: below the smallest size that can be laid out they say so, and nothing else."""

from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import Screen
from textual.strip import Strip
from textual.widget import Widget

from tcpwatch.tui.lines import Line, strip

if TYPE_CHECKING:
    from tcpwatch.tui.app import TcpwatchApp

LEAST_WIDTH, LEAST_HEIGHT = 80, 24


class TooSmall(Widget):
    """Laid over everything: what is under it keeps its focus and its place."""

    DEFAULT_CSS = "TooSmall { display: none; layer: cover; width: 100%; height: 100%; padding: 1 2; }"

    app: "TcpwatchApp"

    def render_line(self, y: int) -> Strip:
        size = self.app.size
        said: list[Line] = [
            [("terminal too small", "bright")],
            [(f"needs {LEAST_WIDTH}x{LEAST_HEIGHT}, has {size.width}x{size.height}", "plain")],
            [("q quits", "dim")],
        ]
        line = said[y] if y < len(said) else ()
        return strip(line, self.size.width, self.app.palette).apply_style(self.rich_style)


class Place(Screen[None]):
    DEFAULT_CSS = """
    Place { background: $background; color: $foreground; layers: base cover; }
    Place > .whole { layer: base; height: 1fr; }
    Place > TooSmall { background: $background; }
    Place.-narrow > TooSmall, Place.-low > TooSmall { display: block; }
    """
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (LEAST_WIDTH, "-broad")]  # noqa: RUF012 - Textual declares the type
    VERTICAL_BREAKPOINTS = [(0, "-low"), (LEAST_HEIGHT, "-high")]  # noqa: RUF012

    def compose(self) -> ComposeResult:
        with Vertical(classes="whole"):
            yield from self.compose_place()
        yield TooSmall()

    def compose_place(self) -> ComposeResult:
        """The widgets of this screen."""
        yield from ()

    def update(self) -> None:
        """Draw the app's present view."""
