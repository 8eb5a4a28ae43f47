"""What all screens have in common: below the smallest size that can be laid out they say so, and nothing else; the
transport of a replay; and the keys that record and export."""

from typing import TYPE_CHECKING, ClassVar

import numpy as np
from textual.actions import SkipAction
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import Screen
from textual.strip import Strip
from textual.widget import Widget

from tcpwatch.errors import TcpwatchError
from tcpwatch.tracker.view import View
from tcpwatch.tui import transport
from tcpwatch.tui.columns import Role
from tcpwatch.tui.lines import Line, strip
from tcpwatch.tui.sheet import Kind
from tcpwatch.tui.status import MESSAGE_SECONDS, Status

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
    BINDINGS: ClassVar[list[BindingType]] = [
        *transport.BINDINGS,
        Binding("r", "record", "record", show=False),
    ]

    app: "TcpwatchApp"
    bar_below: transport.TransportBar | None = None

    def compose(self) -> ComposeResult:
        with Vertical(classes="whole"):
            yield from self.compose_place()
            if self.app.player is not None:
                self.bar_below = transport.TransportBar(self.app.player, self.tell)
                yield self.bar_below
        yield TooSmall()

    def update_transport(self) -> None:
        if self.bar_below is not None:
            self.bar_below.line.look()

    def action_play(self, wish: str, amount: int = 0) -> None:
        """A key of the transport."""
        if self.bar_below is None:
            raise SkipAction
        self.bar_below.obey(wish, amount)

    def action_record(self) -> None:
        try:
            self.app.tell(self.app.toggle_recording())
        except (TcpwatchError, OSError) as error:
            self.app.tell(f"not recorded: {error}", "bad")
        self.app.desk.pulse.refresh()

    def write_down(self, view: View, kind: Kind, which: np.ndarray) -> None:
        """which: indices into the view's list of that kind."""
        if self.app.export is None:
            self.tell("export is not available here", "warn")
            return
        try:
            self.tell(self.app.export(view, kind, which))
        except (TcpwatchError, OSError) as error:
            self.tell(f"not exported: {error}", "bad")

    def tell(self, text: str, role: Role = "bright", seconds: float = MESSAGE_SECONDS) -> None:
        """Something the user should read, in the last line but the transport's."""
        for status in self.query(Status):
            status.say((text, role), seconds)

    def compose_place(self) -> ComposeResult:
        """The widgets of this screen."""
        yield from ()

    def update(self) -> None:
        """Draw the app's present view."""
