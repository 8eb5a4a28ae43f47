"""One connection's life in lines: the states it went through, and what the kernel told of it. Pure; knows nothing of
the screen it is on."""

from collections.abc import Sequence

import numpy as np

from tcpwatch import wire
from tcpwatch.tracker.view import Focus, View
from tcpwatch.tui import cells, happenings, units
from tcpwatch.tui.columns import Cell
from tcpwatch.tui.lines import Line, cropped

_MOST_EVENTS = 500  # nobody scrolls further, and each is drawn anew every second
LABEL = 9  # the place of names on the left
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


def events(view: View, focus: Focus, width: int) -> list[Line]:
    """What the kernel told of it, newest first; the oldest of very many are counted only."""
    lines: list[Line] = []
    for event in focus.events[::-1][:_MOST_EVENTS]:
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
    older = len(focus.events) - len(lines)
    if older:
        lines.append([(f"… and {older:,} older ones", "dim")])
    return lines or [[("none kept", "dim")]]
