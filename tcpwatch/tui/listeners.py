"""The Listeners table: who listens where, how full both queues are, and what became of handshakes. Declares its
columns, and nothing of how a table is drawn."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tcpwatch import rows as shapes
from tcpwatch import wire
from tcpwatch.tracker.view import View
from tcpwatch.tui import cells, connections, units
from tcpwatch.tui.columns import Cell, Column, Keys, Role
from tcpwatch.tui.plot import sparkline
from tcpwatch.tui.sheet import Sheet

_COUNTS = 8  # the place of `12/128` before its sparkline
_HINT_ROLES: dict[int, Role] = {shapes.FINE: "good", shapes.LOAD: "warn"}
_RANK = np.array([np.nan, 0, 3, 2, 1])  # by hint, the worst highest


def _values(view: View, field: str, which: np.ndarray) -> np.ndarray:
    """(n,) f8 of the connections `which`; NaN where nothing is known yet."""
    listeners = view.listening.rows
    values = np.full(len(which), np.nan)
    if len(listeners):
        found = np.minimum(np.searchsorted(listeners["at"], which), len(listeners) - 1)
        known = listeners["at"][found] == which
        values[known] = listeners[field][found[known]]
    return values


def _value(view: View, field: str, i: int) -> float:
    return float(_values(view, field, np.array([i]))[0])


def _keys(*fields: str) -> Keys:
    def keys(view: View, rows: np.ndarray, which: np.ndarray) -> Sequence[np.ndarray]:
        return [_values(view, field, which) for field in fields]

    return keys


def _queue(view: View, i: int, width: int, length: float, limit: float, field: str) -> Cell:
    """`12/128 ▂▃█`, and a word where it is full, as colour alone says nothing to some."""
    if length != length:
        return units.UNKNOWN, "dim"
    full = length >= max(limit, 1)
    text = f"{units.compact(length)}/{units.compact(limit)}".replace(" ", "").ljust(_COUNTS)
    text += " full " if full else " "
    line = view.listening.of(i)
    if line is not None:
        text += sparkline(view.listening.points[line][field], max(0, min(width - len(text), 60))).lstrip()
    role: Role = "bad" if full else "warn" if length >= 0.5 * limit else "plain" if length else "dim"
    return text, role


def _accept(view: View, rows: np.ndarray, i: int, width: int) -> Cell:
    return _queue(view, i, width, float(rows["recv_queue"][i]), float(rows["send_queue"][i]), "accept_queue")


def _accept_keys(view: View, rows: np.ndarray, which: np.ndarray) -> Sequence[np.ndarray]:
    limit = rows["send_queue"][which]
    return (np.divide(rows["recv_queue"][which], limit, out=np.full(len(which), np.nan), where=limit > 0),)


def _syn(view: View, rows: np.ndarray, i: int, width: int) -> Cell:
    return _queue(view, i, width, _value(view, "half_open", i), _value(view, "syn_limit", i), "half_open")


def _drops(view: View, rows: np.ndarray, i: int, width: int) -> Cell:
    """Bright, with a sign, while there are more."""
    total, lately = _value(view, "drops", i), _value(view, "drops_lately", i)
    if total != total:
        return units.UNKNOWN, "dim"
    text = units.compact(total)
    return (f"▲ {text}", "bad") if lately > 0 else (text, "plain" if total else "dim")


def _cookies(view: View, rows: np.ndarray, i: int, width: int) -> Cell:
    """`40 K/23/0`: sent, accepted, rejected."""
    counts = [_value(view, f"cookies_{what}", i) for what in ("sent", "accepted", "rejected")]
    if any(count != count for count in counts):
        return units.UNKNOWN, "dim"
    return ("/".join(map(units.compact, counts)), "warn") if any(counts) else ("0", "dim")


def _accepts(view: View, rows: np.ndarray, i: int, width: int) -> Cell:
    value = _value(view, "accepts_s", i)
    return (units.rate(value), "plain" if value else "dim") if value == value else (units.UNKNOWN, "dim")


def _hint(view: View, rows: np.ndarray, i: int, width: int) -> Cell:
    number = _value(view, "hint", i)
    name = shapes.HINTS[int(number)] if number == number else None
    return (name, _HINT_ROLES.get(int(number), "bad")) if name else (units.UNKNOWN, "dim")


def _hint_keys(view: View, rows: np.ndarray, which: np.ndarray) -> Sequence[np.ndarray]:
    """The worst first; of equal ones the fullest."""
    rank = _RANK[np.nan_to_num(_values(view, "hint", which)).astype(int)]
    return rank, np.nan_to_num(_accept_keys(view, rows, which)[0])


def _number(name: str, title: str, width: int, priority: int, field: str, role: Role) -> Column:
    def draw(view: View, rows: np.ndarray, i: int, at_most: int) -> Cell:
        value = _value(view, field, i)
        return (units.compact(value), role if value else "dim") if value == value else (units.UNKNOWN, "dim")

    return Column(name, title, width, "right", priority, draw, _keys(field), descending=True)


def _listening(view: View, rows: np.ndarray, with_closed: bool) -> np.ndarray:
    mask: np.ndarray = rows["state"] == wire.LISTEN
    return mask if with_closed else mask & ~cells.closed(rows)


_LOCAL = Column("local", "LISTENING ON", 20, "left", 0, cells.endpoint("l"), cells.endpoint_keys("l"), widest=46)

LISTENERS = Sheet(
    noun="listeners",
    kind="connections",
    sort="hint",
    columns=(
        _LOCAL,
        replace(connections.PROCESS, priority=2),
        Column("accept", "ACCEPT QUEUE", 20, "left", 1, _accept, _accept_keys, descending=True, widest=36),
        Column("syn", "SYN QUEUE", 18, "left", 5, _syn, _keys("half_open"), descending=True, widest=36),
        Column("accepts", "ACCEPTS/S", 10, "right", 6, _accepts, _keys("accepts_s"), descending=True),
        Column("drops", "DROPS", 8, "right", 4, _drops, _keys("drops"), descending=True),
        _number("overflows", "OVERFLOWS", 10, 7, "overflows", "warn"),
        Column("cookies", "COOKIES", 14, "right", 8, _cookies, _keys("cookies_sent"), descending=True),
        _number("synacks", "SYN-ACK RETR", 13, 9, "synack_retrans", "warn"),
        Column("hint", "HINT", 11, "left", 3, _hint, _hint_keys, descending=True),
        replace(connections.AGE, priority=10),
        connections.NETNS,
        connections.CGROUP,
        connections.COMMAND,
    ),
    rows=lambda view: view.connections,
    belongs=_listening,
    name=connections.name,
    place=connections.place,
    key=connections.key,
    sign=connections.sign,
)
