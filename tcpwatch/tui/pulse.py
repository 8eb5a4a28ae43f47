"""The machine's pulse: three lines at the top that say what is watched, how many connections there are in which state,
and what happens per second; and one for the worst finding. Draws a view; holds nothing else."""

from typing import TYPE_CHECKING

import numpy as np
from textual import events
from textual.strip import Strip
from textual.widget import Widget

from tcpwatch import wire, words
from tcpwatch.frame import FUNCTIONS
from tcpwatch.health import Finding
from tcpwatch.tracker.view import View
from tcpwatch.tui import units
from tcpwatch.tui.columns import Cell, Role
from tcpwatch.tui.lines import Line, cropped, joined, length, strip
from tcpwatch.tui.plot import sparkline
from tcpwatch.verdicts import HIGH, MEDIUM

if TYPE_CHECKING:
    from tcpwatch.tui.app import TcpwatchApp

WIDE = 110
_RATIO_SECONDS = 10
_LONGEST = 40  # of a filter that a recording was kept by
_SHORT = {"Connections": "Conns", "Listeners": "Listen"}  # where it is narrow

_STATES: tuple[tuple[str, tuple[int, ...], Role], ...] = (
    ("ESTABLISHED", (wire.ESTABLISHED,), "good"),
    ("SYN", (wire.SYN_SENT, wire.SYN_RECV, 12), "warn"),
    ("TIME_WAIT", (wire.TIME_WAIT,), "plain"),
    ("CLOSE_WAIT", (wire.CLOSE_WAIT,), "warn"),
    ("closing", (wire.FIN_WAIT1, wire.FIN_WAIT2, wire.CLOSING, wire.LAST_ACK), "info"),
    ("LISTEN", (wire.LISTEN,), "info"),
)


class Pulse(Widget):
    """tabs: the names of the views, and which one is on."""

    DEFAULT_CSS = "Pulse { height: 3; padding: 0 1; background: $surface; }"

    app: "TcpwatchApp"

    def __init__(self, tabs: tuple[str, ...]) -> None:
        super().__init__()
        self.tabs = tabs
        self.current = 0

    def render_line(self, y: int) -> Strip:
        width, view = self.size.width, self.app.view
        if y == 0:
            line: Line = joined(_identity(self.app, width - length(self._tabs())), self._tabs(), width)
        elif view is None:
            line = [("waiting for the first picture …" if y == 1 else "", "dim")]
        else:
            wide = width >= WIDE - 2
            line = (_wide if wide else _folded)(view, width)[y - 1]
        return strip(line, width, self.app.palette).apply_style(self.rich_style)

    def _tabs(self) -> list[Cell]:
        """`1 Connections  2 Listeners`; the one that is on stands between brackets."""
        out: list[Cell] = []
        for i, name in enumerate(self.tabs):
            on, name = i == self.current, name if self.size.width >= WIDE else _SHORT.get(name, name)
            out.append((f"[{i + 1} {name}]" if on else f" {i + 1} {name} ", "bright" if on else "dim"))
        return out

    async def on_click(self, event: events.Click) -> None:
        edge = self.size.width - length(self._tabs())
        for i, (text, _) in enumerate(self._tabs()):
            edge += len(text)
            if event.y == 0 and event.x - 1 < edge and event.x - 1 >= edge - len(text):
                await self.app.desk.open_page(i)


class Alert(Widget):
    """The worst finding, if it is bad enough to be told wherever the user is. Not on the Health view, which begins with
    it."""

    DEFAULT_CSS = "Alert { height: 1; padding: 0 1; background: $surface; display: none; }"

    app: "TcpwatchApp"
    finding: Finding | None = None

    def show(self, finding: Finding | None, at_home: bool) -> None:
        self.finding = finding
        self.display = finding is not None and finding.severity >= MEDIUM and not at_home
        self.refresh()

    def render_line(self, y: int) -> Strip:
        finding, width = self.finding, self.size.width
        if finding is None:
            return Strip.blank(width, self.rich_style)
        sign: Cell = ("▲ ", "bad" if finding.severity == HIGH else "warn")
        right: Line = [("  1: see why", "info")]
        line = joined([sign, (words.clean(finding.sentence), sign[1])], right, width)
        return strip(line, width, self.app.palette).apply_style(self.rich_style)

    async def on_click(self) -> None:
        await self.app.desk.open_page(0)


def _short(said: str) -> str:
    return said if len(said) <= _LONGEST else f"{said[: _LONGEST - 1]}…"


def _identity(app: "TcpwatchApp", width: int) -> list[Cell]:
    """What is watched; the least important words go when it is narrow."""
    parts = [(rank, cell) for rank, cell in _words(app, app.view) if cell[0]]
    while sum(len(cell[0]) + 2 for _, cell in parts) > width and any(rank for rank, _ in parts):
        parts.remove(max(parts, key=lambda part: part[0]))
    return [piece for _, cell in parts for piece in (cell, ("  ", "plain"))]


def _words(app: "TcpwatchApp", view: View | None) -> list[tuple[int, Cell]]:
    """(how soon it may go, what it says)"""
    signs: list[tuple[int, Cell]] = [(0, ("❚❚ PAUSED" if app.still else "", "warn")), *_recorded(app)]
    if view is None:
        return [(1, ("tcpwatch", "info")), *signs]
    attached = sum(p.attached for p in view.probes)
    # where the kernel allows no hook on functions its own counters serve: no number is too low for it
    missing = any(not probe.attached and probe.kind not in FUNCTIONS for probe in view.probes)
    return [
        (5, ("tcpwatch", "info")),
        (3, (words.clean(view.host.name), "bright")),
        (6, (words.clean(view.host.kernel), "dim")),
        (7, (words.clean(app.loader), "dim")),
        (
            1 if missing else 2,
            (f"{'▲' if missing else '✓'} {attached}/{len(view.probes)} probes", "warn" if missing else "good"),
        ),
        (4, ("replay", "info") if app.player else (f"up {units.uptime(view.time_ns - view.started_ns)}", "dim")),
        (2, (f"only {_short(words.clean(view.host.kept))}" if view.host.kept else "", "warn")),
        *signs,
    ]


def _recorded(app: "TcpwatchApp") -> list[tuple[int, Cell]]:
    """`● REC 00:03:12  1.2 MB`"""
    progress = app.recorder.progress() if app.recorder else None
    if progress is None:
        return []
    return [(0, (f"● REC {units.uptime(progress[0])}", "bad")), (2, (units.size(progress[1]), "dim"))]


def _counts(view: View) -> list[tuple[str, str, Role]]:
    totals = [(name, int(view.states[list(numbers)].sum()), role) for name, numbers, role in _STATES]
    return [(name, units.whole(n), role if n else "dim") for name, n, role in totals]


def _rates(view: View) -> list[tuple[str, str, np.ndarray, Role]]:
    pulse = view.pulse
    rates: tuple[tuple[str, np.ndarray, Role], ...] = (
        ("new", pulse.opened, "info"),
        ("closed", pulse.closed, "title"),
        ("retrans", pulse.retransmits, "warn"),
        ("resets", pulse.resets, "bad"),
    )
    return [(name, _now(values), values, role if _alive(values) else "dim") for name, values, role in rates]


def _now(values: np.ndarray) -> str:
    return f"{units.rate(float(values[-1]))}/s" if len(values) else units.UNKNOWN


def _alive(values: np.ndarray) -> bool:
    return bool(np.nansum(values) > 0)


def _lost(view: View) -> tuple[str, str, Role]:
    lost, seen = int(view.tally["lost"].sum()), int(view.tally["seen"].sum())
    return (f"▲ {units.compact(lost)}" if lost else "0"), f"of {units.compact(seen)}", "bad" if lost else "dim"


def _ratio(view: View) -> str:
    """Retransmitted of sent segments, lately; unknown while nothing was sent."""
    sent = view.pulse.segments_out[-_RATIO_SECONDS:]
    again = view.pulse.retransmits[-_RATIO_SECONDS:]
    both = ~np.isnan(sent) & ~np.isnan(again)
    total = sent[both].sum()
    return units.percent(float(again[both].sum() / total)) if total > 0 else units.UNKNOWN


def _wide(view: View, width: int) -> tuple[Line, Line]:
    """Tiles: states in pairs on the left, then what happens per second over its sparkline."""
    pairs = 3 if width >= 138 else 2
    counts = _counts(view)
    above: list[Cell] = []
    below: list[Cell] = []
    for i in range(pairs):
        for line, (name, number, role) in zip((above, below), counts[2 * i : 2 * i + 2], strict=True):
            line += [(f"{name:<11}", "dim"), (f"{number:>8}", role), ("  ", "plain")]
    lost_now, lost_of, lost_role = _lost(view)
    tail = max(len(lost_now) + 5, len(lost_of), 10)
    tile = (width - pairs * 21 - tail - 10) // 4
    for name, now, values, role in _rates(view):
        extra = f" {_ratio(view)}" if name == "retrans" and tile >= 22 else ""
        _tile(above, below, tile, (name, f"{now}{extra}", role), sparkline(values, tile - 1))
    above += [("│ ", "dim"), (f"lost {lost_now}", lost_role)]
    below += [("│ ", "dim"), (lost_of, "dim")]
    return above, below


def _tile(above: list[Cell], below: list[Cell], width: int, head: tuple[str, str, Role], spark: str) -> None:
    name, now, role = head
    if len(name) + len(now) + 2 > width:
        now = now.replace(" ", "")  # closer to its unit than to its name
    above += [
        ("│ ", "dim"),
        (name, "dim"),
        (f"{now:>{max(0, width - len(name) - 1)}} ", "bright" if role != "dim" else "dim"),
    ]
    below += [("│ ", "dim"), (f"{spark:<{width}}", role)]


def _folded(view: View, width: int) -> tuple[Line, Line]:
    """The same in two lines of text, for narrow terminals."""
    above: list[Cell] = []
    for name, number, role in _counts(view):
        above += [(f"{name} ", "dim"), (f"{number}  ", role)]
    below: list[Cell] = []
    lost_now, _, lost_role = _lost(view)
    rates = _rates(view)
    used = sum(len(name) + len(now) + 4 for name, now, _, _ in rates) + len(lost_now) + 5
    spark = max(0, min(20, (width - used) // 4))
    for name, now, values, role in rates:
        below += [(f"{name} ", "dim"), (f"{now} ", "bright"), (f"{sparkline(values, spark)}  ", role)]
    below += [("lost ", "dim"), (lost_now, lost_role)]
    return cropped(above, width), cropped(below, width)
