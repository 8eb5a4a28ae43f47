"""The screen about one connection: who, the verdict, its life, its curves, its facts, its events. Draws the view's
focus; asks the feed for nothing but to be looked at."""

from typing import TYPE_CHECKING, ClassVar

import numpy as np
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from tcpwatch import wire
from tcpwatch.tracker import audit
from tcpwatch.tracker.view import Focus, Key, View
from tcpwatch.tui import blocks, cells, connections, facts, life, listener
from tcpwatch.tui.curves import Curves
from tcpwatch.tui.lines import Line, Lines, beside, cropped
from tcpwatch.tui.place import Place
from tcpwatch.tui.status import Status
from tcpwatch.tui.views import VIEWS

if TYPE_CHECKING:
    from tcpwatch.tui.app import TcpwatchApp

_ROOMY = 34  # from this height on there are empty lines
_TALL = 48  # and from this one on a third plot above the facts
_BROAD = 170  # from this width on the plots stand side by side
_HINTS = (("Esc", "back"), ("j k", "scroll"), ("Space", "pause"), ("?", "help"), ("q", "quit"))


class Detail(Place):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,backspace", "back", "back", show=False),
        Binding("tab", "step(1)", "next view", show=False),
        Binding("shift+tab", "step(-1)", "previous view", show=False),
        Binding("e", "export", "export", show=False),
        *(Binding(str(i + 1), f"open({i})", name, show=False) for i, (name, _) in enumerate(VIEWS)),
    ]

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
        self.status.show("❚❚ PAUSED" if self.app.still else "replay" if self.app.player else "live")

    def action_export(self) -> None:
        """This one."""
        view = self.app.view
        at = None if view is None else connections.at(view, self.key)
        if view is None or at is None:
            self.tell("not exported: this connection is not there now", "warn")
        else:
            self.write_down(view, "connections", np.array([at]))

    def action_back(self) -> None:
        self.app.look_away()

    async def action_open(self, number: int) -> None:
        self.app.look_away()
        await self.app.desk.action_open(number)

    async def action_step(self, by: int) -> None:
        self.app.look_away()
        await self.app.desk.action_step(by)


def _waiting(view: View, key: Key) -> list[Line]:
    """What the table knows already; the rest comes with the feed's next view."""
    at = connections.at(view, key)
    if at is None:
        return [[("This connection is not there now, and nothing of its history is kept. Esc leads back.", "plain")]]
    rows = view.connections
    parts = (cells.endpoint("l"), cells.endpoint("r"), cells.state, cells.process)
    head = [piece for draw in parts for piece in (draw(view, rows, at, 60), ("   ", "plain"))]
    return [head, (), [("its history comes with the next picture …", "dim")]]


def _page(view: View, focus: Focus, width: int, height: int) -> list[Line]:
    """What matters most comes first: on a small screen the rest is scrolled to. Curves take what the facts leave,
    within reason."""
    if focus.row["state"] == wire.LISTEN:
        return listener.page(view, focus, width, height)
    roomy = height >= _ROOMY
    gap: list[Line] = [()] if roomy else []
    deal = audit.deal(focus.row, facts.socket_of_deal(focus))
    found = audit.remarks(focus.row, deal)
    *head, where = (cropped(line, width) for line in facts.head(view, focus))
    advice = facts.advice(focus.explanation, width)
    first, later = _plots(view, focus, width, height)
    return [
        *head,
        *([where] if roomy else []),
        *facts.verdict(focus.explanation, width),
        *(advice if roomy else []),
        *facts.remarks(found, True, width),
        *gap,
        *life.life_line(focus.path, width),
        *facts.present(view, focus, width),
        *facts.limits(view, focus, width),
        *gap,
        *first,
        *gap,
        *([] if roomy else [*advice, where, ()]),
        *blocks.grid(blocks.blocks(view, focus, deal), width),
        *later,
        *facts.remarks(found, False, width),
        *facts.evidence(view, focus.explanation, width),
        [("EVENTS", "title"), ("  newest first", "dim")],
        *life.events(view, focus, width),
    ]


def _plots(view: View, focus: Focus, width: int, height: int) -> tuple[list[Line], list[Line]]:
    """Those above the facts, and those under them."""
    broad = width >= _BROAD
    curves = Curves(view, focus, width // 2 - 2 if broad else width)
    if not curves.known:
        return [[("measures over time: fewer than two so far", "dim")]], []
    if broad:
        half = max(3, min(9, (height - 38) // 2))
        left = [*curves.window(2 * half - 1), *curves.marks(), curves.axis()]
        return beside(left, [*curves.round_trip(half), *curves.windows(half), curves.axis()], width), []
    tall = max(3, min(9, (height - 22) // 4))
    above = [*curves.window(tall + 1), *curves.round_trip(tall), *curves.marks(), curves.axis()]
    if height < _TALL:
        return above, [*curves.windows(5), curves.axis(), ()]
    return [*above[:-1], *curves.windows(tall), curves.axis()], []
