"""What is to be said of one listener in lines: who listens, the hint and why, both queues over the last minutes, the
sysctls that bound them. Pure; a fact the kernel did not give is a dash."""

from collections.abc import Mapping

import numpy as np

from tcpwatch import rows as shapes
from tcpwatch import words
from tcpwatch.tracker.hints import advice, sentence
from tcpwatch.tracker.view import Focus, View
from tcpwatch.tui import blocks, facts, life, units
from tcpwatch.tui.columns import Cell, Role
from tcpwatch.tui.life import LABEL
from tcpwatch.tui.lines import Line, cropped
from tcpwatch.tui.plot import curve, letters, step_rows

_SYSCTLS = (
    "net.core.somaxconn",
    "net.ipv4.tcp_max_syn_backlog",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_abort_on_overflow",
    "net.ipv4.tcp_synack_retries",
)
_ROLES: dict[int, Role] = {shapes.FINE: "good", shapes.LOAD: "warn", shapes.UNSURE: "dim"}
_SIGNS: tuple[tuple[str, str, Role], ...] = (("cookies_sent", "○", "warn"), ("drops", "✕", "bad"))


def page(view: View, focus: Focus, width: int, height: int) -> list[Line]:
    """height: of the screen; the plots take what the rest leaves."""
    line = _line(view, focus)
    events: list[Line] = [[("EVENTS", "title"), ("  newest first", "dim")], *life.events(view, focus, width)]
    if line is None:
        return [*facts.head(view, focus), (), [("its queues come with the next snapshot …", "dim")], (), *events]
    listener, points = view.listening.rows[line], view.listening.points[line]
    settings = view.settings.get(int(listener["netns"]), {})
    role = _ROLES.get(int(listener["hint"]), "bad")
    name = shapes.HINTS[int(listener["hint"])] or "not known yet"
    lines = [*facts.head(view, focus), (), [("hint".ljust(LABEL), "dim"), (name, role)]]
    lines += facts.passage("", sentence(listener, view.listening.times_ns, points), "plain", width)
    for at, text in enumerate(advice(listener, settings)):
        lines += facts.passage("" if at else "to do", text, "plain", width, ("·", "info"))
    tall = max(3, min(8, (height - 30) // 2))
    return [
        *lines,
        (),
        *_plots(view.listening.times_ns, listener, points, width, tall),
        (),
        *blocks.grid(_blocks(listener, settings), width),
        *events,
    ]


def _line(view: View, focus: Focus) -> int | None:
    """Which of the view's listeners it is."""
    known = view.listening.rows
    found = np.flatnonzero((known["cookie"] == np.uint64(focus.key.cookie)) & (known["netns"] == focus.key.netns))
    return int(found[0]) if len(found) else None


def _plots(times_ns: np.ndarray, listener: np.void, points: np.ndarray, width: int, height: int) -> list[Line]:
    """Both queues under one time axis, their limits dotted, and where handshakes were dropped."""
    seen = int(np.argmax(~np.isnan(points["accept_queue"])))  # what was before it listened needs no room
    times_ns, points = times_ns[seen:], points[seen:]
    if len(times_ns) < 2:
        return [[("the queues over time: only one look so far", "dim")]]
    room = width - LABEL
    times = times_ns.astype(np.int64)
    x = (times - times[0]) / max(1, int(times[-1] - times[0]))
    syn_limits = np.where(np.isnan(points["half_open"]), np.nan, float(listener["syn_limit"]))
    accepts = _plot("accept", x, points["accept_queue"], points["accept_limit"], room, height, "info")
    syns = _plot("SYN", x, points["half_open"], syn_limits, room, height, "good")
    return [*accepts, *syns, *_marks(x, points, room), _axis(times, room)]


def _plot(
    name: str, x: np.ndarray, y: np.ndarray, limits: np.ndarray, room: int, height: int, role: Role
) -> list[Line]:
    """The limit sets the scale only while the queue comes near it: 3 of 4,096 would be a flat line."""
    y, limits = y.astype(float), limits.astype(float)
    most, limit = (float(np.nanmax(values, initial=0)) for values in (y, limits))
    top = max(most, limit if most >= limit / 8 else 0, 1) * 1.05
    masks, dotted = curve(x, y, room, height, top), step_rows(x, limits, room, height, top)
    now = y[~np.isnan(y)]
    title: list[Cell] = [(f"{name} queue".ljust(LABEL + 4), "bright")]
    if len(now):
        title += [("now ", "dim"), (f"{now[-1]:,.0f}   ", "plain"), ("highest ", "dim"), (f"{most:,.0f}   ", "plain")]
    title += [("┄ ", "warn"), (f"limit {limit:,.0f}", "dim")]
    lines: list[Line] = [cropped(title, room + LABEL)]
    labels = {0: f"{top / 1.05:,.0f}", height - 1: "0"}
    for i, text in enumerate(letters(masks)):
        parts: list[Cell] = [(f"{labels.get(i, ''):>{LABEL - 2}} {'┤' if i in labels else '│'}", "dim")]
        parts += [
            ("┄", "warn") if letter == " " and dotted[at] == i else (letter, role) for at, letter in enumerate(text)
        ]
        lines.append(parts)
    return lines


def _marks(x: np.ndarray, points: np.ndarray, room: int) -> list[Line]:
    """Drops over cookies, under the moment they happened."""
    row: list[Cell] = [(" ", "plain")] * room
    seen = []
    for field, sign, role in _SIGNS:
        at = np.flatnonzero(points[field] > 0)
        for place in np.minimum((x[at] * room).astype(int), room - 1).tolist():
            row[place] = (sign, role)
        if len(at):
            name = field.replace("_", " ")
            seen.append(f"{sign} {name} {np.nansum(points[field]):,.0f}")
    if not seen:
        return []
    return [[(" " * LABEL, "dim"), *row], [(" " * LABEL + "   ".join(seen), "dim")]]


def _axis(times: np.ndarray, room: int) -> Line:
    begin, end = (units.clock(int(at))[:8] for at in (times[0], times[-1]))
    middle = f" {units.duration((times[-1] - times[0]) / 1e6)} "
    return [(" " * LABEL + begin + middle.center(max(0, room - len(begin) - len(end)), "─") + end, "dim")]


def _blocks(listener: np.void, settings: Mapping[str, str]) -> list[blocks.Block]:
    return [
        (
            "accept queue",
            [
                ("waiting", _count(listener, "accept_queue")),
                ("limit", _count(listener, "accept_limit")),
                ("overflows", *_harm(listener, "overflows")),
                ("dropped", *_harm(listener, "drops")),
                ("completed", f"{units.rate(float(listener['accepts_s']))}/s"),
            ],
        ),
        (
            "SYN queue",
            [
                ("half-open", _count(listener, "half_open")),
                ("of these new", _count(listener, "half_open_young")),
                ("limit", _count(listener, "syn_limit")),
                ("SYN-ACKs again", *_harm(listener, "synack_retrans")),
                ("cookies", _cookies(listener)),
            ],
        ),
        ("sysctls", [(name.rpartition(".")[2].removeprefix("tcp_"), _setting(settings, name)) for name in _SYSCTLS]),
    ]


def _count(listener: np.void, field: str) -> str:
    return units.whole(float(listener[field]))


def _harm(listener: np.void, field: str) -> tuple[str, Role]:
    return _count(listener, field), "warn" if listener[field] > 0 else "plain"


def _cookies(listener: np.void) -> str:
    sent, accepted, rejected = (_count(listener, f"cookies_{what}") for what in ("sent", "accepted", "rejected"))
    return units.UNKNOWN if sent == units.UNKNOWN else f"{sent} sent, {accepted} accepted, {rejected} rejected"


def _setting(settings: Mapping[str, str], name: str) -> str:
    return words.clean(settings.get(name, "")) or units.UNKNOWN
