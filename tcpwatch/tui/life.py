"""One connection's life in lines: the states it went through, then RTT and congestion window over time with marks where
something happened. Pure; knows nothing of the screen it is on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tcpwatch import wire
from tcpwatch.tracker.view import Focus, View
from tcpwatch.tui import cells, happenings, units
from tcpwatch.tui.columns import Cell, Role
from tcpwatch.tui.lines import Line, cropped
from tcpwatch.tui.plot import braille, step_rows

LABEL = 9  # the place of names and axis labels on the left
_WEIGHT = {wire.STATE: 1, wire.CONGESTION: 2, wire.RETRANSMIT: 3, wire.SYNACK_RETRANSMIT: 3}
_NUMBERS = {name: number for number, name in enumerate(wire.STATES) if name and number != 12}

Step = tuple[str, int | None, int | None]


def life_line(path: Sequence[Step], width: int) -> list[Line]:
    """Names over a bar over durations; longer stays get more of the bar, on a scale that keeps short ones readable.
    Where the names have no room, one line after the other."""
    label = "life".ljust(LABEL)
    told = [(name, units.duration(took / 1e3) if took is not None else units.UNKNOWN, took) for name, _, took in path]
    if not told:
        return [[(label, "dim"), (units.UNKNOWN, "dim")]]
    least = [max(len(name), len(took)) + 2 for name, took, _ in told]
    if sum(least) > width - LABEL:
        return _wrapped(label, told, width)
    shares = _shares([took for _, _, took in told], width - LABEL - sum(least))
    lines: list[list[Cell]] = [[(label, "dim")], [(" " * LABEL, "dim")], [(" " * LABEL, "dim")]]
    for (name, took, _), room in zip(told, (a + b for a, b in zip(least, shares, strict=True)), strict=True):
        role = cells.state_role(_NUMBERS.get(name, 0))
        lines[0].append((name.ljust(room), role))
        lines[1] += [("┣" + "━" * (room - 2) + " ", role)]
        lines[2].append((took.ljust(room), "plain"))
    return list(lines)


def _shares(took_us: Sequence[int | None], spare: int) -> list[int]:
    weights = np.log1p(np.array([took or 0 for took in took_us], float) / 1e3)
    total = weights.sum()
    return [int(spare * w / total) if total else 0 for w in weights]


def _wrapped(label: str, told: Sequence[tuple[str, str, int | None]], width: int) -> list[Line]:
    lines: list[list[Cell]] = [[(label, "dim")]]
    room = width - LABEL
    for i, (name, took, _) in enumerate(told):
        text = f"{name} {took}{'' if i == len(told) - 1 else ' → '}"
        if len(text) > room:
            lines.append([(" " * LABEL, "dim")])
            room = width - LABEL
        lines[-1].append((text, cells.state_role(_NUMBERS.get(name, 0))))
        room -= len(text)
    return list(lines)


@dataclass(frozen=True, slots=True)
class _Span:
    """The time axis all plots of a connection share. Unix nanoseconds."""

    begin_ns: int
    end_ns: int

    def share(self, times_ns: np.ndarray) -> np.ndarray:
        """0..1 along the axis; below 0 or above 1 is outside."""
        passed = times_ns.astype(np.int64) - self.begin_ns
        return passed / max(1, self.end_ns - self.begin_ns)


def plots(view: View, focus: Focus, width: int, height: int) -> list[Line]:
    """RTT and cwnd under one time axis. height: lines of each curve."""
    samples = focus.samples
    if len(samples) < 2:
        return [[("RTT and cwnd over time: fewer than two measurements so far", "dim")]]
    span = _Span(int(samples["time_ns"][0]), int(samples["time_ns"][-1]))
    rtt, cwnd = (samples[name].astype(float) for name in ("rtt_us", "cwnd"))
    ssthresh = samples["ssthresh"].astype(float)
    x = span.share(samples["time_ns"])
    top = float(np.nanmax(cwnd, initial=0)) * 1.05
    floor = step_rows(x, ssthresh, width - LABEL, height, top) if top > 0 else np.full(width - LABEL, -1)
    return [
        _legend("RTT", rtt, lambda v: units.latency(v).strip()),
        *_curve(x, rtt, width, height, lambda v: units.latency(v).strip(), "info"),
        _legend("cwnd", cwnd, lambda v: f"{v:.0f}", "segments" + ("   ┄ ssthresh" if (floor >= 0).any() else "")),
        *_dotted(_curve(x, cwnd, width, height, lambda v: f"{v:.0f}", "good", top), floor),
        *_marks(view, focus, span, width),
        _axis(span, width),
    ]


def _legend(name: str, values: np.ndarray, write: units.Write, unit: str = "") -> Line:
    known = values[~np.isnan(values)]
    if not len(known):
        return [(name.ljust(LABEL), "bright"), (f"{unit}  not measured so far", "dim")]
    line: list[Cell] = [(name.ljust(LABEL), "bright")]
    for word, value in (("now", known[-1]), ("lowest", known.min()), ("highest", known.max())):
        line += [(f"{word} ", "dim"), (f"{write(float(value))}   ", "plain")]
    return [*line, (unit, "dim")]


def _curve(
    x: np.ndarray, y: np.ndarray, width: int, height: int, write: units.Write, role: Role, top: float = 0.0
) -> list[list[Cell]]:
    top = top or float(np.nanmax(y, initial=0)) * 1.05
    labels = {0: write(top), height - 1: "0"} if top > 0 else {}
    if height >= 5 and top > 0:
        labels[height // 2] = write(top * (height - 1 - height // 2) / (height - 1))
    drawn = braille(x, y, width - LABEL, height, top)
    return [
        [(f"{labels.get(i, ''):>{LABEL - 2}} {'┤' if i in labels else '│'}", "dim"), (text, role)]
        for i, text in enumerate(drawn)
    ]


def _dotted(curve: list[list[Cell]], rows: np.ndarray) -> list[list[Cell]]:
    """ssthresh as a dotted line where the curve leaves room."""
    out = []
    for i, (label, (text, role)) in enumerate(curve):
        line: list[Cell] = [label]
        for at, letter in enumerate(text):
            line.append(("┄", "warn") if letter == " " and rows[at] == i else (letter, role))
        out.append(line)
    return out


def _marks(view: View, focus: Focus, span: _Span, width: int) -> list[Line]:
    """What happened, under the moment it happened; where two fall together the graver one is shown."""
    room = width - LABEL
    at = span.share(focus.events["time_ns"] + np.uint64(view.host.realtime_offset_ns))
    places = np.clip((at * room).astype(int), 0, room - 1)
    row: list[Cell] = [(" ", "plain")] * room
    weights = [0] * room
    for place, inside, kind in zip(places, (at >= 0) & (at <= 1), focus.events["kind"], strict=True):
        weight = _WEIGHT.get(int(kind), 4)
        if inside and weight > weights[place]:
            weights[place], row[place] = weight, happenings.sign_of(int(kind))
    return [[("events".ljust(LABEL), "dim"), *row]] if any(weights) else []


def _axis(span: _Span, width: int) -> Line:
    begin, end = units.clock(span.begin_ns)[:8], units.clock(span.end_ns)[:8]
    middle = units.duration((span.end_ns - span.begin_ns) / 1e6)
    room = width - LABEL - len(begin) - len(end)
    return [(" " * LABEL + begin + middle.center(room, "─").replace(middle, f" {middle} ")[:room] + end, "dim")]


def events(view: View, focus: Focus, width: int) -> list[Line]:
    """What the kernel told of it, newest first."""
    lines: list[Line] = []
    for event in focus.events[::-1]:
        sign, role = happenings.sign_of(int(event["kind"]))
        when = units.clock(int(event["time_ns"]) + view.host.realtime_offset_ns)
        rtt = "" if event["srtt_us"] == 0 else f"   RTT {units.latency(float(event['srtt_us'])).strip()}"
        cwnd = f"   cwnd {event['cwnd']}" if event["flags"] & wire.EVENT_SOCKET and event["cwnd"] else ""
        lines.append(
            cropped(
                [(f"{when}  ", "dim"), (f"{sign} ", role), (happenings.told(view, event), role), (rtt + cwnd, "dim")],
                width,
            )
        )
    return lines or [[("none seen so far", "dim")]]
