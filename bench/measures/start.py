"""How long it takes until there is something to see."""

import re
import subprocess
import sys
import time

import pyte

from bench import progress
from bench.figures import Figure, Result, at_most
from bench.scale import Scale
from bench.terminal import COLUMNS, LINES, Seen, Terminal
from bench.watchers import Watching, libbpf_command, memory_mb, tcpwatch
from bench.workshop import ROOT

_EVENTS, _COMPILED, _LIVE, _TOOL, _PYTHON = (
    "tcpwatch events: attached",
    "tcpwatch events --loader bcc: attached",
    "tcpwatch: first screen",
    "tcpstates: header",
    "python -c pass",
)
_REST_S = 3.0
_COUNTED = re.compile(r"ESTAB\w* +\d")


def measure(scale: Scale) -> Result:
    times: dict[str, list[float]] = {name: [] for name in (_EVENTS, _COMPILED, _LIVE, _TOOL, _PYTHON)}
    memory: dict[str, list[float]] = {_EVENTS: [], _COMPILED: []}
    for round_ in range(scale.rounds + 1):
        progress.say(f"round {round_}/{scale.rounds}{' (byte code is compiled; does not count)' * (not round_)}")
        took = (
            _attached("core", memory[_EVENTS]),
            _attached("bcc", memory[_COMPILED]),
            _on_screen([sys.executable, "-m", "tcpwatch", "live"], _whole_screen),
            _on_screen(list(libbpf_command("tcpstates")), _header),
            _python(),
        )
        for name, seconds in zip(times, took, strict=True):
            times[name] += [seconds] if round_ else []
    limits = {_EVENTS: at_most(300), _COMPILED: at_most(1000), _LIVE: at_most(800)}
    figures = [
        Figure(name, [1000 * seconds for seconds in values], "ms", limits.get(name)) for name, values in times.items()
    ]
    for (name, values), limit in zip(memory.items(), (60, 70), strict=True):
        told = name.replace("attached", f"memory {_REST_S:g} s later (RSS)")
        figures.append(Figure(told, values[1:], "MB", at_most(limit)))
    how = (
        "From exec to the line `watching` on stderr, with ready programs and with bcc compiling them, in a process "
        "that is gone when memory is read; from exec to a TUI whose first line counts connections and whose last names "
        "the keys, on a terminal of "
        f"{COLUMNS}x{LINES}; from exec to tcpstates' header on a terminal; and Python itself, starting and ending."
    )
    return Result("start", "Time to start", how, figures)


def _attached(loader: str, memory: list[float]) -> float:
    """memory: what it takes when it is at rest is added here."""
    with Watching(tcpwatch("tcpwatch events", "events", "--format", "jsonl", "--loader", loader)) as watching:
        time.sleep(_REST_S)
        memory.append(memory_mb(watching.process.pid)["Rss"])
        return watching.attached_s


def _on_screen(command: list[str], seen: Seen) -> float:
    with Terminal(command, ROOT) as terminal:
        return terminal.until(seen) - terminal.begun


def _whole_screen(screen: pyte.Screen) -> bool:
    return any(_COUNTED.search(line) for line in screen.display[:4]) and "q quit" in screen.display[-1]


def _header(screen: pyte.Screen) -> bool:
    return "SKADDR" in screen.display[0]


def _python() -> float:
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    return time.perf_counter() - begin
