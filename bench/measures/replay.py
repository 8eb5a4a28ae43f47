"""A long recording on the screen: how soon, how far at once, how fast, and in how much memory."""

import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import pyte

from bench import past, progress
from bench.figures import Figure, Result, at_least, at_most, ratios
from bench.replayed import SHARES
from bench.scale import Scale
from bench.terminal import COLUMNS, LINES, Terminal
from bench.workshop import ROOT

_EVENTS, _FEWER = 10_000_000, 2_500_000
_BUSY, _FULL = 28_500, 285_000  # a second of the story's time; the latter is about what `connect` makes
_COUNTED = re.compile(r"ESTAB\w* +\d")
_DEADLINE_S = 180.0


@dataclass(slots=True)
class _Times:
    """Of one recording, a value a round. seeks: all of a round together."""

    first: list[float] = field(default_factory=list)
    seeks: list[list[float]] = field(default_factory=list)
    speed: list[float] = field(default_factory=list)


def measure(scale: Scale) -> Result:
    progress.say(f"two recordings of {_EVENTS:,} events, and one of {_FEWER:,}")
    paths = {rate: scale.workshop.into / f"{rate}.tcpw" for rate in (_BUSY, _FULL)}
    for rate, path in paths.items():
        past.record(scale.workshop.feed(), path, _EVENTS, rate)
    few = scale.workshop.into / "few.tcpw"
    past.record(scale.workshop.feed(), few, _FEWER, _BUSY)
    size = paths[_BUSY].stat().st_size
    times = {rate: _Times() for rate in paths}
    memory: dict[Path, list[float]] = {paths[_BUSY]: [], few: []}
    for round_ in range(scale.rounds + 1):
        progress.say(f"round {round_}/{scale.rounds}{' (byte code is compiled; does not count)' * (not round_)}")
        for rate, path in paths.items():
            first = _first_screen(path)
            if round_:
                times[rate].first.append(1000 * first)
                times[rate].seeks.append([1000 * seconds for seconds in _told("seek", path)])
                times[rate].speed += [speed / 1e6 for speed in _told("fold", path)]
        for path, peaks in memory.items():
            peaks += _told("play", path) if round_ else []
    for path in (*paths.values(), few):
        path.unlink()
    figures = [figure for rate in paths for figure in _figures(rate, times[rate])]
    figures += [
        Figure("memory: peak of playing it all", memory[paths[_BUSY]], "MB"),
        Figure("memory: against a recording a quarter as long", ratios(*memory.values()), "", at_most(1.2)),
    ]
    how = (
        f"Recordings of {_EVENTS:,} events ({size / 1e6:.0f} MB), made by tcpwatch's own writer of the records of "
        f"bench/feed.bpf.c, as `decode` has them, at {_BUSY:,} and {_FULL:,} a second of the story's time: five frames "
        f"a second, and a snapshot of {past.STANDING:,} connections each second. From exec to a TUI whose first line "
        f"counts connections, on a terminal of {COLUMNS}x{LINES}. A player that is sent to {len(SHARES)} moments all "
        "over the recording, forward and back, until each one's view is there. Events per second of CPU time, read, "
        "decoded and tracked as `life` has it. The most memory that a player takes which plays all of it as fast as "
        f"possible, at {_BUSY:,}."
    )
    return Result("replay", f"Replaying a recording of {_EVENTS:,} events", how, figures)


def _figures(rate: int, times: _Times) -> list[Figure]:
    middle = [median(seeks) for seeks in times.seeks]
    return [
        Figure(f"{rate:,}/s: open and first screen", times.first, "ms", at_most(500)),
        Figure(f"{rate:,}/s: seek, the slowest of a round", [max(seeks) for seeks in times.seeks], "ms", at_most(300)),
        Figure(f"{rate:,}/s: seek, the median of a round", middle, "ms"),
        Figure(f"{rate:,}/s: as fast as possible through the tracker", times.speed, "M/s", at_least(1)),
    ]


def _first_screen(path: Path) -> float:
    with Terminal([sys.executable, "-m", "tcpwatch", "replay", str(path)], ROOT) as terminal:
        return terminal.until(_counts) - terminal.begun


def _counts(screen: pyte.Screen) -> bool:
    return any(_COUNTED.search(line) for line in screen.display[:4])


def _told(route: str, path: Path) -> list[float]:
    command = [sys.executable, "-m", "bench.replayed", route, str(path)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT, timeout=_DEADLINE_S)
    return [float(line) for line in done.stdout.split()]
