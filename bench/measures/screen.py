"""The TUI with very many connections: how soon it answers, and what it takes of the machine."""

import re
import sys
import time
from collections.abc import Iterator
from statistics import median

import pyte

from bench import progress
from bench.crowd import Crowd
from bench.figures import Figure, Result, at_most
from bench.room import Room
from bench.scale import Scale
from bench.terminal import COLUMNS, LINES, Seen, Terminal
from bench.watchers import cpu_s, memory_mb
from bench.workshop import ROOT

_COUNTED = re.compile(r"([\d,]+) connections")
_CURSOR = "▌"
_ENDS = slice(14, 56)  # LOCAL and REMOTE of a line: what is under the cursor, whatever its other numbers do
_FILTER = "rtt > 1ms and state established"
_SETTLE_S, _IDLE_S = 5.0, 10.0
_PAGE_DOWN = b"\x1b[6~"


def measure(scale: Scale) -> Result:
    progress.say(f"making {scale.connections:,} sockets")
    answers: list[list[tuple[str, float]]] = []
    shares: list[float] = []
    resident: list[float] = []
    proportional: list[float] = []
    with Room() as room, Crowd(scale.workshop.crowd(), room, scale.connections // 2):
        for round_ in range(scale.rounds):
            progress.say(f"round {round_ + 1}/{scale.rounds}: a session of the TUI")
            with Terminal([sys.executable, "-m", "tcpwatch", "live", "--netns", room.name], ROOT) as terminal:
                _open_connections(terminal, scale.connections)
                shares.append(_idle_share(terminal))
                answers.append([answer for _ in range(scale.keys) for answer in _press_all(terminal)])
                memory = memory_mb(terminal.process.pid)
                resident.append(memory["Rss"])
                proportional.append(memory["Pss"])
    return Result(
        "screen",
        f"The TUI with {scale.connections:,} connections",
        f"{scale.connections // 2:,} loopback connections, both ends, in a namespace of their own, and the TUI on a "
        f"terminal of {COLUMNS}x{LINES}. From writing a key to reading the first part of the output with which a "
        "screen emulator shows the answer; each part is stamped as it comes and emulated afterwards. The CPU share is "
        f"that of {_IDLE_S:g} s without keys, at one refresh a second; memory is that at the end.",
        [
            *_latencies(answers),
            Figure("CPU at one refresh a second, of a core", [100 * share for share in shares], "%", at_most(30)),
            Figure("memory (PSS)", proportional, "MB", at_most(250)),
            Figure("memory (RSS)", resident, "MB"),
        ],
    )


def _latencies(answers: list[list[tuple[str, float]]]) -> Iterator[Figure]:
    rounds = [[1000 * seconds for _, seconds in round_] for round_ in answers]
    yield Figure("a key: median of a session", [median(values) for values in rounds], "ms")
    yield Figure("a key: 95 of 100 within", [sorted(values)[len(values) * 95 // 100] for values in rounds], "ms")
    yield Figure("a key: the slowest of a session", [max(values) for values in rounds], "ms", at_most(100))
    for name in dict.fromkeys(name for round_ in answers for name, _ in round_):
        yield Figure(
            f"- {name}", [1000 * seconds for round_ in answers for which, seconds in round_ if which == name], "ms"
        )


def _open_connections(terminal: Terminal, connections: int) -> None:
    """The view of connections, all of them, a few seconds after the start."""
    terminal.until(lambda screen: " Connections" in screen.display[0])
    number = re.search(r"(\d) Connections", terminal.screen.display[0])
    assert number
    terminal.press(number[1].encode(), lambda screen: f"[{number[1]} Connections]" in screen.display[0])
    terminal.until(lambda screen: _shown(screen) >= connections)
    terminal.rest(_SETTLE_S)


def _shown(screen: pyte.Screen) -> int:
    found = _COUNTED.search(screen.display[-1])
    return int(found[1].replace(",", "")) if found else 0


def _press_all(terminal: Terminal) -> Iterator[tuple[str, float]]:
    """One of each key; (name, seconds until it was answered)"""
    yield "j: the cursor moves", terminal.press(b"j", _cursor_moves(terminal.screen))
    yield "PgDn", terminal.press(_PAGE_DOWN, _another_line(terminal.screen))
    yield "k: the cursor moves", terminal.press(b"k", _cursor_moves(terminal.screen))
    yield "G: to the last line", terminal.press(b"G", _another_line(terminal.screen))
    yield "g: to the first line", terminal.press(b"g", _another_line(terminal.screen))
    yield "s: sorted by another column", terminal.press(b"s", _other_titles(terminal.screen))
    yield "S: sorted the other way", terminal.press(b"S", _other_titles(terminal.screen))
    yield "?: help", terminal.press(b"?", lambda screen: "KEYS" in terminal.text())
    _escape(terminal)
    yield "/: the filter opens", terminal.press(b"/", lambda screen: screen.display[-2].startswith(" /"))
    for length in range(1, len(_FILTER) + 1):
        if _FILTER[length - 1] != " ":
            typed = _typed(_FILTER[:length])
            yield "a character of a filter", terminal.press(_FILTER[length - 1].encode(), typed)
        else:
            terminal.press(b" ", lambda screen: True)
    _escape(terminal)


def _escape(terminal: Terminal) -> None:
    """Back to the list. Not timed: every terminal program waits a moment whether more follows an Esc."""
    terminal.press(b"\x1b", lambda screen: _shown(screen) > 0)
    terminal.rest(0.2)


def _cursor(screen: pyte.Screen) -> int:
    return next((i for i, line in enumerate(screen.display) if line.startswith(_CURSOR)), -1)


def _under_cursor(screen: pyte.Screen) -> str:
    return screen.display[_cursor(screen)][_ENDS]


def _cursor_moves(screen: pyte.Screen) -> Seen:
    before = _cursor(screen)
    return lambda now: _cursor(now) not in (before, -1)


def _another_line(screen: pyte.Screen) -> Seen:
    before = _under_cursor(screen)
    return lambda now: _cursor(now) >= 0 and _under_cursor(now) != before


def _other_titles(screen: pyte.Screen) -> Seen:
    before = _titles(screen)
    return lambda now: _titles(now) not in ("", before)


def _titles(screen: pyte.Screen) -> str:
    return next((line for line in screen.display[:8] if "LOCAL" in line and "REMOTE" in line), "")


def _typed(text: str) -> Seen:
    return lambda screen: any(line.rstrip() == f" / {text}" for line in screen.display[-6:])


def _idle_share(terminal: Terminal) -> float:
    begin_s, begin = cpu_s(terminal.process.pid), time.monotonic()
    terminal.rest(_IDLE_S)
    return (cpu_s(terminal.process.pid) - begin_s) / (time.monotonic() - begin)
