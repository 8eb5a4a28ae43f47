"""The screen about one connection: who, its life, its curves, its facts, its events. Draws the view's focus; asks the
feed for nothing but to be looked at."""

from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from tcpwatch.tracker.view import Focus, Key, View
from tcpwatch.tui import cells, connections, facts, life
from tcpwatch.tui.lines import Line, Lines
from tcpwatch.tui.place import Place
from tcpwatch.tui.status import Status

if TYPE_CHECKING:
    from tcpwatch.tui.app import TcpwatchApp

_HINTS = (("Esc", "back"), ("j k", "scroll"), ("Space", "pause"), ("?", "help"), ("q", "quit"))


class Detail(Place):
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,enter,backspace", "back", "back", show=False)]

    app: "TcpwatchApp"

    def __init__(self, key: Key) -> None:
        super().__init__()
        self.key = key
        self.lines = Lines()
        self.status = Status(_HINTS)

    def compose_place(self) -> ComposeResult:
        yield self.lines
        yield self.status

    def on_mount(self) -> None:
        self.update()

    def on_resize(self) -> None:
        self.update()

    def update(self) -> None:
        view = self.app.view
        if view is None:
            return
        focus = self.app.focus_on(self.key)
        width = max(40, self.size.width - 4)
        self.lines.show(_page(view, focus, width, self.size.height) if focus else _waiting(view, self.key))
        self.status.show("❚❚ PAUSED" if self.app.paused else "live")

    def action_back(self) -> None:
        self.app.look_away()


def _waiting(view: View, key: Key) -> list[Line]:
    """What the table knows already; the rest comes with the feed's next view."""
    at = connections.place(view, view.connections, key)
    if at is None:
        return [[("This connection is gone, and nothing of its history is kept. Esc leads back.", "plain")]]
    rows = view.connections
    parts = (cells.endpoint("l"), cells.endpoint("r"), cells.state, cells.process)
    head = [piece for draw in parts for piece in (draw(view, rows, at, 60), ("   ", "plain"))]
    return [head, (), [("its history comes with the next picture …", "dim")]]


def _page(view: View, focus: Focus, width: int, height: int) -> list[Line]:
    """Curves take what the facts leave, within reason."""
    curve = max(4, min(9, (height - 26) // 2))
    return [
        *facts.head(view, focus),
        (),
        *life.life_line(focus.path, width),
        (),
        *life.plots(view, focus, width, curve),
        (),
        *facts.grid(facts.blocks(view, focus), width),
        [("EVENTS", "title"), ("  newest first", "dim")],
        *life.events(view, focus, width),
    ]
