"""The Health view: what is wrong with the machine, the worst first, and the cure for what is under the cursor. Enter
leads to what it concerns. What counts as wrong is tcpwatch.health's business."""

import dataclasses
from collections.abc import Hashable, Sequence
from textwrap import wrap
from typing import TYPE_CHECKING

import numpy as np
from textual import on
from textual.app import ComposeResult
from textual.strip import Strip
from textual.widget import Widget

from tcpwatch import wire, words
from tcpwatch.health import RULES, Finding
from tcpwatch.tracker.view import Key, View
from tcpwatch.tui import units
from tcpwatch.tui.columns import Cell, Column, Role
from tcpwatch.tui.lines import Line, strip
from tcpwatch.tui.page import TablePage
from tcpwatch.tui.sheet import Sheet, show
from tcpwatch.tui.table import Table
from tcpwatch.verdicts import HARMS, HIGH, LOW, MEDIUM

if TYPE_CHECKING:
    from tcpwatch.tui.app import TcpwatchApp

SIGNS: dict[int, tuple[str, Role]] = {HIGH: ("✕", "bad"), MEDIUM: ("▲", "warn"), LOW: ("•", "info")}
_PAGES = {"connections": "Connections", "listeners": "Listeners", "ports": "Ports", "idle": "Idle"}
_LEADS = {
    "connections": "Enter shows the connections concerned",
    "listeners": "Enter shows the listener",
    "ports": "Enter shows the ports, and what each remedy would gain",
    "idle": "Enter shows the idle connections concerned",
    "probes": "Enter shows the probes",
}
_LINE = np.dtype([("opened_ns", "u8"), ("place", "u4")])  # of a view's findings; opened_ns: since when
_BROAD = 110  # from this width on one line is enough where all is well
_MOST = 9  # lines about one finding


def _lines(view: View) -> np.ndarray:
    lines = np.zeros(len(view.findings), _LINE)
    lines["opened_ns"] = [finding.since_ns for finding in view.findings]
    lines["place"] = np.arange(len(lines))
    return lines


def _harm(view: View, rows: np.ndarray, i: int, width: int) -> Cell:
    severity = view.findings[i].severity
    return HARMS[severity], SIGNS[severity][1]


def _by_rank(view: View, rows: np.ndarray, which: np.ndarray) -> Sequence[np.ndarray]:
    return (rows["place"][which],)


def _text(name: str, title: str, width: int, priority: int, widest: int) -> Column:
    def draw(view: View, rows: np.ndarray, i: int, width: int) -> Cell:
        return words.clean(getattr(view.findings[i], name)), "plain"

    def keys(view: View, rows: np.ndarray, which: np.ndarray) -> Sequence[np.ndarray]:
        texts = [getattr(view.findings[i], name) for i in which.tolist()]
        return (np.unique(texts, return_inverse=True)[1] if texts else which,)

    return Column(name, title, width, "left", priority, draw, keys, widest=widest)


def _count_keys(view: View, rows: np.ndarray, which: np.ndarray) -> Sequence[np.ndarray]:
    return (np.array([float(view.findings[i].count) for i in which.tolist()]),)


def _for(view: View, rows: np.ndarray, i: int, width: int) -> Cell:
    return _lasting(view, view.findings[i]), "plain"


def _since(view: View, rows: np.ndarray, i: int, width: int) -> Cell:
    return units.clock(int(rows["opened_ns"][i]))[:8], "dim"


def _age_keys(view: View, rows: np.ndarray, which: np.ndarray) -> Sequence[np.ndarray]:
    return (view.time_ns - rows["opened_ns"][which].astype(np.int64),)


def _lasting(view: View, finding: Finding) -> str:
    """`2m13s`; `≥2m13s` where it may have begun before tcpwatch did."""
    at_least = "≥" if finding.earlier else ""
    return at_least + units.duration(max(0, view.time_ns - finding.since_ns) / 1e6)


def _sign(view: View, rows: np.ndarray, i: int) -> Cell:
    severity = view.findings[i].severity
    return SIGNS[severity][0], "bright" if severity == HIGH else "plain"


def _name(view: View, rows: np.ndarray, i: int) -> Hashable:
    return view.findings[i].code, view.findings[i].subject


def _place(view: View, rows: np.ndarray, name: Hashable) -> int | None:
    return next((i for i, one in enumerate(view.findings) if (one.code, one.subject) == name), None)


def _key(view: View, rows: np.ndarray, i: int) -> Key | None:
    return Key(0, i)  # of no connection: the page itself answers Enter


FINDINGS = Sheet(
    noun="findings",
    kind="findings",
    sort="harm",
    columns=(
        Column("harm", "HARM", 6, "left", 0, _harm, _by_rank),
        _text("what", "WHAT", 20, 1, 26),
        _text("where", "WHERE", 23, 2, 46),
        dataclasses.replace(_text("numbers", "HOW MANY", 16, 3, 40), keys=_count_keys, descending=True),
        Column("for", "FOR", 7, "right", 4, _for, _age_keys, descending=True),
        Column("since", "SINCE", 8, "right", 5, _since, _age_keys, descending=True),
    ),
    rows=_lines,
    belongs=lambda view, rows, with_closed: np.ones(len(rows), bool),
    name=_name,
    place=_place,
    key=_key,
    sign=_sign,
)


class Note(Widget):
    """Some lines, as high as they are many."""

    DEFAULT_CSS = "Note { height: auto; padding: 0 1; } Note#cure { background: $surface; }"

    app: "TcpwatchApp"

    def __init__(self, name: str) -> None:
        super().__init__(id=name)
        self.lines: list[Line] = []

    def show(self, lines: list[Line]) -> None:
        if len(lines) != len(self.lines):
            self.styles.height = len(lines)
        self.lines = lines
        self.refresh()

    def render_line(self, y: int) -> Strip:
        line = self.lines[y] if y < len(self.lines) else ()
        return strip(line, self.size.width, self.app.palette).apply_style(self.rich_style)


def told(view: View, finding: Finding, width: int) -> list[Line]:
    """The cure, always of the same height: what is below the cursor must not move what is above."""
    since = f"since {units.clock(finding.since_ns)[:8]}{', or before' if finding.earlier else ''}"
    lines: list[Line] = [[(text, "bright")] for text in wrap(words.clean(finding.sentence), width)[:3]]
    for advice in finding.advice:
        for at, text in enumerate(wrap(words.clean(advice), width - 2)):
            lines.append([("  " if at else "→ ", "info"), (text, "plain")])
    lines = lines[: _MOST - 1]
    lines += [[]] * (_MOST - 1 - len(lines))
    return [*lines, [(f"{_LEADS[finding.lead.page]}; {since}", "dim")]]


def calm(view: View, width: int) -> list[Line]:
    """One line that says that all is well, and what that means."""
    alive = int(view.states.sum() - view.states[wire.LISTEN])
    listeners = int(view.states[wire.LISTEN])
    watched_s = min((view.time_ns - view.started_ns) // 10**9, 60)
    where = f"{_many(alive, 'connection')}, {_many(listeners, 'listener')}"
    looked = f"{len(RULES)} kinds of trouble looked for in {where} and all that ended in the last {watched_s} s."
    if width >= _BROAD:
        return [[], [("✓ ", "good"), ("Nothing is wrong. ", "bright"), (looked, "plain")]]
    lines: list[Line] = [[], [("✓ ", "good"), ("Nothing is wrong.", "bright")]]
    lines += [[("  ", "plain"), (text, "plain")] for text in wrap(looked, width - 2)]
    return lines


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


class HealthPage(TablePage):
    """Enter leads to what a finding concerns. Filters pick connections, so they change nothing here."""

    DEFAULT_CSS = """
    HealthPage #calm { display: none; }
    HealthPage.-well #calm { display: block; }
    HealthPage.-well Titles, HealthPage.-well #cure { display: none; }
    """

    def __init__(self) -> None:
        super().__init__(FINDINGS)
        self.calm, self.cure = Note("calm"), Note("cure")

    def compose(self) -> ComposeResult:
        yield self.calm
        yield from super().compose()
        yield self.cure

    def update(self) -> None:
        """Show the app's view, unless just that is shown already."""
        view, shown = self.app.view, self.table.shown
        if view is not None and (shown is None or shown.view is not view):
            self._show(view)

    def sort(self, column: str, descending: bool) -> None:
        self.wish = dataclasses.replace(self.wish, sort=column, descending=descending)
        self.titles.mark(column, descending)
        if self.app.view is not None:
            self._show(self.app.view)

    def next_sort(self) -> None:
        """Where all is well there are no columns."""
        if self.titles.columns():
            super().next_sort()

    def _show(self, view: View) -> None:
        self.table.show(show(FINDINGS, view, self.wish))
        self.set_class(not view.findings, "-well")
        self._explain()

    def on_resize(self) -> None:
        self._explain()

    def current(self) -> Finding | None:
        """The one under the cursor."""
        shown = self.table.shown
        if shown is None or not len(shown.order):
            return None
        return shown.view.findings[int(shown.order[self.table.cursor])]

    @on(Table.Moved)
    def _explain(self) -> None:
        shown, finding, width = self.table.shown, self.current(), max(40, self.app.size.width - 4)
        if shown is not None and finding is not None:
            self.cure.show(told(shown.view, finding, width))
        elif shown is not None:
            self.calm.show(calm(shown.view, width))

    @on(Table.Opened)
    async def _opened(self, event: Table.Opened) -> None:
        event.stop()
        finding = self.current()
        if finding is not None:
            await self._follow(finding)

    async def _follow(self, finding: Finding) -> None:
        lead, desk = finding.lead, self.app.desk
        if lead.page == "probes":
            self.app.action_guide()
            return
        self.app.set_filter(lead.expression)
        self.app.with_closed = self.app.with_closed or lead.closed
        await desk.open_page(desk.pulse.tabs.index(_PAGES[lead.page]))
        if lead.row is not None and isinstance(desk.page, TablePage):
            desk.page.table.seek(lead.row)

    def count(self) -> str:
        """`3 findings`"""
        shown = self.table.shown
        if shown is None or not shown.total:
            return ""
        return "1 finding" if shown.total == 1 else super().count()
