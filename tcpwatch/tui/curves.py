"""One connection's measures over its life: congestion window, round trip and the windows of both sides under one time
axis, with marks where something happened. Pure; knows nothing of the screen it is on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tcpwatch import wire
from tcpwatch.rows import CLOSED, SAMPLE
from tcpwatch.tracker.view import Focus, View
from tcpwatch.tui import happenings, units
from tcpwatch.tui.columns import Cell, Role
from tcpwatch.tui.life import LABEL
from tcpwatch.tui.lines import Line, cropped
from tcpwatch.tui.plot import area, curve, letters, step_rows

_LOSSES = (wire.RETRANSMIT, wire.SYNACK_RETRANSMIT)
_RESETS = (wire.RESET_SENT, wire.RESET_RECEIVED)
_WEIGHT = {wire.STATE: 1, wire.CONGESTION: 2, wire.RETRANSMIT: 3, wire.SYNACK_RETRANSMIT: 3}
_CROWD = 6  # lines through the plots in more than every sixth column would hide what they explain
_HEADROOM = 1.05
_TELLING = 8  # events whose measures make a curve without any snapshot: more than a life in good order has
_EVENT_FIELDS = (("rtt_us", "srtt_us"), ("cwnd", "cwnd"), ("ssthresh", "ssthresh"))
_MARKS: dict[str, tuple[int, ...]] = {
    "state": (wire.STATE,),
    "congestion": (wire.CONGESTION,),
    "sent again": _LOSSES,
    "reset": _RESETS,
}


@dataclass(frozen=True, slots=True)
class Dotted:
    """A value that changes in steps, dotted where the curve leaves room. rows: (width,) its line in each cell, -1:
    unknown or above the picture."""

    rows: np.ndarray
    sign: str
    role: Role


class Curves:
    """What was measured of a connection, and the axis all its plots share. width: of the lines, with their labels."""

    def __init__(self, view: View, focus: Focus, width: int) -> None:
        offset_ns = np.uint64(view.host.realtime_offset_ns)
        self._events = focus.events
        self._samples = _merged(focus.samples, focus.events, offset_ns)
        self._width, self._room = width, width - LABEL
        self._mss = int(focus.row["mss"])
        self._newest = "last" if focus.row["flags"] & CLOSED else "now"
        times = self._samples["time_ns"].astype(np.int64)
        enough = len(times) >= (2 if len(focus.samples) else _TELLING)
        self.known = enough and times[-1] > times[0]
        self._begin_ns, self._end_ns = (int(times[0]), int(times[-1])) if self.known else (0, 1)
        self._x = self._share(times)
        self._events_x = self._share((focus.events["time_ns"] + offset_ns).astype(np.int64))
        self._states_x = self._share(np.array([entered_ns for _, entered_ns, _ in focus.path if entered_ns], np.int64))
        self._through = self._guides()

    def _share(self, times_ns: np.ndarray) -> np.ndarray:
        """0..1 along the axis; below 0 or above 1 is outside."""
        share: np.ndarray = (times_ns - self._begin_ns) / max(1, self._end_ns - self._begin_ns)
        return share

    def _column(self, name: str) -> np.ndarray:
        values: np.ndarray = self._samples[name].astype(float)
        return values

    # The plots. height: of the curve in each, without its title

    def window(self, height: int) -> list[Line]:
        """Congestion window in segments, over what is under way; the thresholds that bound it are dotted."""
        cwnd, flight = self._column("cwnd"), self._column("unacked")
        top = float(max(np.nanmax(cwnd, initial=0), np.nanmax(flight, initial=0))) * _HEADROOM
        peers = self._column("snd_wnd") / self._mss if self._mss else np.full(len(cwnd), np.nan)
        slow = Dotted(step_rows(self._x, self._column("ssthresh"), self._room, height, top), "┄", "warn")
        shut = Dotted(step_rows(self._x, peers, self._room, height, top), "╌", "bad")
        others: list[Cell] = [(" segments", "dim"), *_entry("⢕", "under way", flight, "info")]
        others += _entry("┄", "ssthresh", self._column("ssthresh"), "warn")
        others += _entry("╌", "peer's window", peers, "bad")
        title = self._title("cwnd", cwnd, _segments, others)
        line, under = (draw(self._x, y, self._room, height, top) for draw, y in ((curve, cwnd), (area, flight)))
        return [title, *self._plot(line, "good", under, (slow, shut), _segments, top)]

    def round_trip(self, height: int) -> list[Line]:
        rtt = self._column("rtt_us")
        top = float(np.nanmax(rtt, initial=0)) * _HEADROOM
        line = curve(self._x, rtt, self._room, height, top)
        return [self._title("RTT", rtt, _latency), *self._plot(line, "info", None, (), _latency, top)]

    def windows(self, height: int) -> list[Line]:
        """How much each side lets the other send, in bytes; shut windows are marked at the bottom."""
        peers, ours = self._column("snd_wnd"), self._column("rcv_wnd")
        top = float(max(np.nanmax(peers, initial=0), np.nanmax(ours, initial=0))) * _HEADROOM
        closed = np.where(np.isnan(peers), np.nan, np.where(peers > 0, np.inf, 0.0))
        shut = step_rows(self._x, closed, self._room, height, 1.0)
        own = step_rows(self._x, ours, self._room, height, top) if top > 0 else np.full(self._room, -1)
        others = _entry("┄", "ours", ours, "warn", _size)
        if (shut >= 0).any():
            others.append(("  × shut", "bad"))
        title = self._title("windows", peers, _size, others, "the peer's ")
        line = curve(self._x, peers, self._room, height, top)
        dotted = (Dotted(shut, "×", "bad"), Dotted(own, "┄", "warn"))
        return [title, *self._plot(line, "plain", None, dotted, _size, top)]

    def _title(
        self, name: str, values: np.ndarray, write: units.Write, others: Sequence[Cell] = (), whose: str = ""
    ) -> Line:
        """The newest value, that of what else is drawn, then the range: what is cut first matters least."""
        line: list[Cell] = [(name.ljust(LABEL), "bright"), (whose, "dim")]
        known = values[~np.isnan(values)]
        if not len(known):
            return cropped([*line, ("not measured so far", "dim")], self._width)
        line += [(f"{self._newest} ", "dim"), (write(float(known[-1])), "plain"), *others]
        for word, value in (("lowest", known.min()), ("highest", known.max())):
            line += [(f"  {word} ", "dim"), (write(float(value)), "plain")]
        return cropped(line, self._width)

    def _plot(
        self,
        line: np.ndarray,
        role: Role,
        under: np.ndarray | None,
        dotted: Sequence[Dotted],
        write: units.Write,
        top: float,
    ) -> list[Line]:
        """line, under: (height, width) masks of dots; the lower layer takes the colour of what is under way. Nothing
        where nothing was measured."""
        if not top > 0 and not any((each.rows >= 0).any() for each in dotted):
            return []
        labels = _labels(len(line), top, write)
        drawn = letters(line if under is None else line | under)
        out: list[Line] = []
        for i, text in enumerate(drawn):
            cells: list[Cell] = [(f"{labels.get(i, ''):>{LABEL - 2}} {'┤' if i in labels else '│'}", "dim")]
            for at, letter in enumerate(text):
                sign = next((each for each in dotted if each.rows[at] == i), None)
                if sign is not None and (letter == " " or sign.sign == "×" or not line[i, at]):
                    cells.append((sign.sign, sign.role))
                elif letter == " ":
                    cells.append(("┊", "dim") if self._through[at] else (" ", "plain"))
                else:
                    cells.append((letter, role if line[i, at] else "info"))
            out.append(_joined(cells))
        return out

    # Under the plots

    def marks(self) -> list[Line]:
        """What happened, under the moment it happened; where two fall together the graver one is shown. States are
        those of the path, which outlives the events."""
        row: list[Cell] = [(" ", "plain")] * self._room
        weights = [0] * self._room
        kinds = set()
        happened = [(at, wire.STATE) for at in self._states_x]
        happened += zip(self._events_x, self._events["kind"].tolist(), strict=True)
        for at, kind in happened:
            if not 0 <= at <= 1:
                continue
            place, weight = min(int(at * self._room), self._room - 1), _WEIGHT.get(kind, 4)
            kinds.add(kind)
            if weight > weights[place]:
                weights[place], row[place] = weight, happenings.sign_of(kind)
        if not kinds:
            return []
        legend: list[Cell] = [(" " * LABEL, "plain")]
        for name, these in _MARKS.items():
            if kinds & set(these):
                sign, role = happenings.sign_of(these[0])
                legend += [(f"{sign} ", role), (f"{name}   ", "dim")]
        return [[("events".ljust(LABEL), "dim"), *_joined(row)], cropped(legend, self._width)]

    def axis(self) -> Line:
        begin, end = units.clock(self._begin_ns)[:8], units.clock(self._end_ns)[:8]
        middle = units.duration((self._end_ns - self._begin_ns) / 1e6)
        room = self._room - len(begin) - len(end)
        return [(" " * LABEL + begin + middle.center(room, "─").replace(middle, f" {middle} ")[:room] + end, "dim")]

    def _guides(self) -> np.ndarray:
        """(room,) where a line through the plots shows that segments were sent again or a reset came."""
        through = np.zeros(self._room, bool)
        x = self._events_x[np.isin(self._events["kind"], (*_LOSSES, *_RESETS))]
        x = x[(x >= 0) & (x <= 1)]
        through[np.minimum((x * self._room).astype(int), self._room - 1)] = True
        return through if through.sum() <= self._room // _CROWD else np.zeros(self._room, bool)


def _merged(samples: np.ndarray, events: np.ndarray, offset_ns: np.uint64) -> np.ndarray:
    """The snapshots' measures and those that came with events, which tell of the moments that matter."""
    told = events[(events["flags"] & wire.EVENT_SOCKET != 0) & (events["cwnd"] != 0)]
    points = np.empty(len(told), SAMPLE)
    points["time_ns"] = told["time_ns"] + offset_ns
    for name in ("unacked", "snd_wnd", "rcv_wnd"):
        points[name] = np.nan
    for name, field in _EVENT_FIELDS:
        points[name] = told[field]
    points["rtt_us"][wire.unknown_rtt(told["srtt_us"])] = np.nan
    points["ssthresh"][wire.unknown_ssthresh(told["ssthresh"])] = np.nan
    both = np.concatenate([samples, points])
    merged: np.ndarray = both[np.argsort(both["time_ns"], kind="stable")]
    return merged


def _entry(sign: str, name: str, values: np.ndarray, role: Role, write: units.Write | None = None) -> list[Cell]:
    known = values[~np.isnan(values)]
    if not len(known):
        return []
    return [(f"  {sign} ", role), (f"{name} ", "dim"), ((write or _segments)(float(known[-1])), "plain")]


def _labels(height: int, top: float, write: units.Write) -> dict[int, str]:
    if not top > 0:
        return {}
    labels = {0: write(top), height - 1: "0"}
    if height >= 5:
        labels[height // 2] = write(top * (height - 1 - height // 2) / (height - 1))
    return labels


def _joined(cells: Sequence[Cell]) -> list[Cell]:
    """Neighbours of one role as one piece."""
    out: list[Cell] = []
    for text, role in cells:
        if out and out[-1][1] == role:
            out[-1] = (out[-1][0] + text, role)
        else:
            out.append((text, role))
    return out


def _segments(value: float) -> str:
    return units.whole(value)


def _latency(microseconds: float) -> str:
    return units.latency(microseconds).strip()


def _size(value: float) -> str:
    return units.size(value)
