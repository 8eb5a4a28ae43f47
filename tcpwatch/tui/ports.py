"""The Ports view: for each destination, how many local ports are left to connect to it, and for how long. Below, what
each remedy would change for the line under the cursor. How ports are counted is not its matter."""

import dataclasses
from collections.abc import Hashable, Sequence
from typing import cast

import numpy as np
from textual import on
from textual.app import ComposeResult

from tcpwatch import words
from tcpwatch.tracker.view import Key, View
from tcpwatch.tui import cells, connections, units
from tcpwatch.tui.columns import Cell, Column, Role
from tcpwatch.tui.page import TablePage
from tcpwatch.tui.remedies import Remedies
from tcpwatch.tui.sheet import Sheet, Shown, Wish, show
from tcpwatch.tui.table import Table

_SOON_S, _LATER_S = 60.0, 600.0
_SCARCE, _LOW = 0.02, 0.2  # of the ports there are
_FAILING_NS = 10 * 10**9


def available(lines: np.ndarray) -> np.ndarray:
    """The share of the ports that a new connection could get; NaN where the sysctls are unknown."""
    with np.errstate(invalid="ignore", divide="ignore"):
        share: np.ndarray = (lines["free"] + lines["reusable"]) / lines["ports"]
    return share


def _from(view: View, rows: np.ndarray, i: int, width: int) -> Cell:
    text = words.address(rows["laddr"][i].tobytes())
    return text if len(text) <= width else text[: width - 1] + "…", "plain"


def _from_keys(view: View, rows: np.ndarray, which: np.ndarray) -> Sequence[np.ndarray]:
    halves = np.ascontiguousarray(rows["laddr"][which]).view(">u8").astype(np.uint64)
    return halves[:, 0], halves[:, 1]


def _free(view: View, rows: np.ndarray, i: int, width: int) -> Cell:
    share = float(available(rows[i : i + 1])[0])
    if share != share:
        return units.UNKNOWN, "dim"
    role: Role = "bad" if share < _SCARCE else "warn" if share < _LOW else "plain"
    return units.whole(float(rows["free"][i])), role


def _full(view: View, rows: np.ndarray, i: int, width: int) -> Cell:
    """A bar and a number, as colour alone says nothing to some."""
    share = 1 - float(available(rows[i : i + 1])[0])
    if share != share:
        return units.UNKNOWN, "dim"
    role: Role = "bad" if share > 1 - _SCARCE else "warn" if share > 1 - _LOW else "plain"
    return f"{('■' * round(share * 8)).ljust(8, '·')} {units.percent(share):>5}", role


def _full_keys(view: View, rows: np.ndarray, which: np.ndarray) -> Sequence[np.ndarray]:
    return (1 - available(rows[which]),)


def _lasts(view: View, rows: np.ndarray, i: int, width: int) -> Cell:
    left = float(rows["exhausted_s"][i])
    if left != left:
        return units.UNKNOWN, "dim"
    role: Role = "bad" if left < _SOON_S else "warn" if left < _LATER_S else "plain"
    return ("none" if not left else units.duration(left * 1000)), role


def _lasts_keys(view: View, rows: np.ndarray, which: np.ndarray) -> Sequence[np.ndarray]:
    return rows["exhausted_s"][which], available(rows[which])


def _failed(view: View, rows: np.ndarray, i: int, width: int) -> Cell:
    count = float(rows["failures"][i])
    lately = view.time_ns - int(rows["failed_ns"][i]) < _FAILING_NS
    return units.compact(count), "dim" if not count else "bad" if lately else "warn"


def _sign(view: View, rows: np.ndarray, i: int) -> Cell:
    return ("!", "plain") if float(rows["exhausted_s"][i]) < _SOON_S else (" ", "plain")


def _name(view: View, rows: np.ndarray, i: int) -> Hashable:
    row = rows[i]
    return int(row["netns"]), row["laddr"].tobytes(), row["raddr"].tobytes(), int(row["rport"])


def _place(view: View, rows: np.ndarray, name: Hashable) -> int | None:
    if not isinstance(name, tuple) or len(name) != 4:
        return None
    netns, laddr, raddr, rport = name
    found = np.flatnonzero((rows["rport"] == rport) & (rows["netns"] == netns))
    ends = ((int(i), rows["laddr"][i].tobytes(), rows["raddr"][i].tobytes()) for i in found)
    return next((i for i, *addresses in ends if addresses == [laddr, raddr]), None)


def _key(view: View, rows: np.ndarray, i: int) -> Key | None:
    return Key(int(rows["netns"][i]), i)  # of no connection: the page itself answers Enter


def _number(name: str, title: str, width: int, priority: int, field: str, unit: units.Write) -> Column:
    return Column(
        name, title, width, "right", priority, cells.measure(field, unit), cells.field_keys(field), descending=True
    )


def _signed(value: float) -> str:
    return f"{'+' if value > 0 else '−' if value < 0 else ''}{units.rate(abs(value))}"


PORTS = Sheet(
    noun="destinations",
    kind="ports",
    sort="lasts",
    columns=(
        Column("to", "CONNECTIONS TO", 21, "left", 0, cells.endpoint("r"), cells.endpoint_keys("r"), widest=46),
        Column("from", "FROM", 15, "left", 5, _from, _from_keys, widest=39),
        Column("process", "PROCESS", 12, "left", 10, cells.process, cells.process_keys, widest=24),
        _number("used", "USED", 6, 2, "used", units.whole),
        _number("time_wait", "TIME_WAIT", 9, 4, "time_wait", units.whole),
        Column("free", "FREE", 6, "right", 3, _free, cells.field_keys("free")),
        _number("ports", "OF", 6, 9, "ports", units.whole),
        Column("full", "TAKEN", 14, "left", 8, _full, _full_keys, descending=True),
        _number("rate", "NEW/S", 6, 6, "rate", units.rate),
        _number("growth", "GROWTH/S", 8, 11, "growth", _signed),
        Column("lasts", "LASTS", 7, "right", 1, _lasts, _lasts_keys),
        Column("failed", "FAILED", 6, "right", 7, _failed, cells.field_keys("failures"), descending=True),
        connections.NETNS,
    ),
    rows=lambda view: view.ports,
    belongs=lambda view, rows, with_closed: np.ones(len(rows), bool),
    name=_name,
    place=_place,
    key=_key,
    sign=_sign,
)


def filtered(view: View, wish: Wish) -> Shown:
    """As `show`; a filter picks the destinations of the connections it picks, and changes no count."""
    shown = show(PORTS, view, dataclasses.replace(wish, filter=None))
    if wish.filter is None:
        return shown
    from tcpwatch.filter import Names

    picked = wish.filter.mask(view.connections, Names(view.cgroups, view.namespaces))
    some = np.zeros(len(view.ports), bool)
    some[view.port_of[picked & (view.port_of >= 0)]] = True
    return dataclasses.replace(shown, order=shown.order[some[shown.order]])


def expression(view: View, line: np.void) -> str:
    """The filter that picks the connections behind a line."""
    to = words.endpoint(line["raddr"].tobytes(), int(line["rport"]))
    source = words.endpoint(line["laddr"].tobytes(), 1).rpartition(":")[0]
    said = f"dst {to} and src {source}"
    return said if line["netns"] == view.host.netns else f"{said} and netns = {line['netns']}"


class PortsPage(TablePage):
    """Enter leads to the connections behind a line."""

    def __init__(self) -> None:
        super().__init__(PORTS)
        self.remedies = Remedies()

    def compose(self) -> ComposeResult:
        yield from super().compose()
        yield self.remedies

    def update(self) -> None:
        """Show the app's view, unless just that is shown already."""
        view, shown = self.app.view, self.table.shown
        wish = dataclasses.replace(self.wish, filter=self.app.filter)
        if view is not None and (shown is None or shown.view is not view or wish != self.wish):
            self._show(view, wish)

    def sort(self, column: str, descending: bool) -> None:
        self.titles.mark(column, descending)
        wish = dataclasses.replace(self.wish, sort=column, descending=descending)
        if self.app.view is not None:
            self._show(self.app.view, wish)

    def _show(self, view: View, wish: Wish) -> None:
        self.wish = wish
        self.table.show(filtered(view, wish))
        self._explain()

    def _current(self) -> int | None:
        """The line under the cursor."""
        shown = self.table.shown
        return int(shown.order[self.table.cursor]) if shown is not None and len(shown.order) else None

    @on(Table.Moved)
    def _explain(self) -> None:
        shown = self.table.shown
        if shown is not None:
            self.remedies.show(shown.view, self._current())

    @on(Table.Opened)
    async def _opened(self, event: Table.Opened) -> None:
        event.stop()
        shown, line = self.table.shown, self._current()
        if shown is None or line is None:
            return
        desk = self.app.desk
        self.app.set_filter(expression(shown.view, cast(np.void, shown.rows[line])))
        await desk.open_page(desk.pulse.tabs.index("Connections"))
