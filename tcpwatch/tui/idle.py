"""The Idle table: established connections on which nothing moves, and what becomes of them. Declares columns; when a
connection breaks was reckoned with the view."""

from collections.abc import Sequence

import numpy as np

from tcpwatch import rows as shapes
from tcpwatch.tracker.view import View
from tcpwatch.tui import cells, connections, units
from tcpwatch.tui.columns import Cell, Column, Keys, Role
from tcpwatch.tui.sheet import Sheet

_SOON_MS = 60_000
_TIER = np.full(256, 1.0)  # what somebody noticed comes before what may be, and that before what is well
_TIER[shapes.PROBING] = 0.0
_TIER[[shapes.UNJUDGED, shapes.LOCAL, shapes.KEPT]] = 2.0


def _line(view: View, row: int) -> np.void:
    """What is reckoned of one of the view's connections that is idle."""
    line: np.void = view.idle[int(np.searchsorted(view.idle["row"], row))]
    return line


def _lines(view: View, which: np.ndarray) -> np.ndarray:
    lines: np.ndarray = np.searchsorted(view.idle["row"], which)
    return lines


def said(view: View, line: np.void) -> Cell:
    """What is to be feared, or why nothing is, in words."""
    risk, nat = int(line["risk"]), units.duration(view.nat_timeout_s * 1000)
    first = units.duration(float(line["first_probe_ms"]))
    if risk == shapes.PROBING:
        left = float(line["gives_up_ms"])
        when = f": given up in {units.duration(left)}" if left == left else ""
        return f"{line['probes']} of {line['probes_most']} probes unanswered{when}", "bad"
    if risk == shapes.FORGOTTEN:
        why = f"first probe after {first}" if line["keepalive"] else "keep-alive off"
        return f"a NAT forgot it after {nat}: {why}", "warn"
    if risk == shapes.KEEPALIVE_LATE:
        return f"keep-alive comes too late: first probe after {first}, NAT forgets after {nat}", _urgency(line)
    if risk == shapes.KEEPALIVE_OFF:
        return f"keep-alive off: NAT forgets after {nat}" if view.nat_timeout_s else "keep-alive off", _urgency(line)
    if risk == shapes.KEPT_BY_PEER:
        return "keep-alive off: the peer's segments keep it", "plain"
    return (f"fine: keep-alive after {first}", "dim") if risk == shapes.KEPT else ("local: no NAT on the way", "dim")


def _urgency(line: np.void) -> Role:
    return "warn" if float(line["breaks_ms"]) < _SOON_MS else "plain"


def _what(view: View, rows: np.ndarray, i: int, width: int) -> Cell:
    return said(view, _line(view, i))


def _what_keys(view: View, rows: np.ndarray, which: np.ndarray) -> Sequence[np.ndarray]:
    lines = view.idle[_lines(view, which)]
    return _TIER[lines["risk"]], lines["risk"]


def _breaks(view: View, rows: np.ndarray, i: int, width: int) -> Cell:
    line = _line(view, i)
    left = float(line["breaks_ms"])
    if left != left:
        return units.UNKNOWN, "dim"
    role: Role = "bad" if line["risk"] == shapes.PROBING else _urgency(line)
    return units.duration(left) if left else "now", role


def _breaks_keys(view: View, rows: np.ndarray, which: np.ndarray) -> Sequence[np.ndarray]:
    at = _lines(view, which)
    return _TIER[view.idle["risk"][at]], view.idle["breaks_ms"][at], -view.idle["idle_ms"][at]


def _keepalive(view: View, rows: np.ndarray, i: int, width: int) -> Cell:
    line = _line(view, i)
    return (units.duration(float(line["first_probe_ms"])), "plain") if line["keepalive"] else ("off", "dim")


def _interval(view: View, rows: np.ndarray, i: int, width: int) -> Cell:
    line = _line(view, i)
    if not line["keepalive"]:
        return units.UNKNOWN, "dim"
    return f"{units.duration(float(line['interval_ms']))} ×{line['probes_most']}", "plain"


def _probes(view: View, rows: np.ndarray, i: int, width: int) -> Cell:
    count = int(_line(view, i)["probes"])
    return str(count), "bad" if count else "dim"


def _column(name: str, title: str, width: int, priority: int, field: str) -> Column:
    """A time of rows.IDLE."""

    def draw(view: View, rows: np.ndarray, i: int, width: int) -> Cell:
        value = float(_line(view, i)[field])
        return units.duration(value), "plain" if value == value else "dim"

    return Column(name, title, width, "right", priority, draw, _keys(field), descending=field != "probe_in_ms")


def _keys(*fields: str) -> Keys:
    def keys(view: View, rows: np.ndarray, which: np.ndarray) -> Sequence[np.ndarray]:
        at = _lines(view, which)
        return [view.idle[field][at] for field in fields]

    return keys


def _sign(view: View, rows: np.ndarray, i: int) -> Cell:
    risk = int(_line(view, i)["risk"])
    return (
        ("!", "plain") if risk in (shapes.PROBING, shapes.FORGOTTEN) else (" ", "dim" if _TIER[risk] > 1 else "plain")
    )


def _belongs(view: View, rows: np.ndarray, with_closed: bool) -> np.ndarray:
    mask = np.zeros(len(rows), bool)
    mask[view.idle["row"]] = True
    return mask


IDLE = Sheet(
    noun="idle",
    kind="connections",
    sort="breaks",
    columns=(
        Column("remote", "REMOTE", 21, "left", 0, cells.endpoint("r"), cells.endpoint_keys("r"), widest=40),
        Column("breaks", "BREAKS", 7, "right", 1, _breaks, _breaks_keys),
        Column("what", "WHAT IS TO BE FEARED", 28, "left", 2, _what, _what_keys, widest=80),
        _column("idle", "IDLE", 6, 3, "idle_ms"),
        Column("keepalive", "KEEPALIVE", 9, "right", 4, _keepalive, _keys("first_probe_ms")),
        Column("process", "PROCESS", 12, "left", 5, cells.process, cells.process_keys, widest=16),
        _column("probe", "PROBE IN", 8, 6, "probe_in_ms"),
        Column("probes", "PROBES", 6, "right", 7, _probes, _keys("probes"), descending=True),
        Column("interval", "AGAIN", 9, "right", 8, _interval, _keys("interval_ms", "probes_most")),
        Column("local", "LOCAL", 15, "left", 9, cells.endpoint("l"), cells.endpoint_keys("l"), widest=22),
        _column("silent", "SILENT", 6, 10, "silent_ms"),
        connections.NETNS,
    ),
    rows=lambda view: view.connections,
    belongs=_belongs,
    name=connections.name,
    place=connections.place,
    key=connections.key,
    sign=_sign,
)
