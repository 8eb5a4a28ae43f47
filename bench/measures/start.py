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
from bench.watchers import Watching, libbpf_command, tcpwatch
from bench.workshop import ROOT

_EVENTS, _COMPILED, _LIVE, _TOOL, _PYTHON = (
    "tcpwatch events: attached",
    "tcpwatch events --loader bcc: attached",
    "tcpwatch: first screen",
    "tcpstates: header",
    "python -c pass",
)
_COUNTED = re.compile(r"ESTAB\w* +\d")


def measure(scale: Scale) -> Result:
    times: dict[str, list[float]] = {name: [] for name in (_EVENTS, _COMPILED, _LIVE, _TOOL, _PYTHON)}
    for round_ in range(scale.rounds + 1):
        progress.say(f"round {round_}/{scale.rounds}{' (byte code is compiled; does not count)' * (not round_)}")
        took = (
            _attached("core"),
            _attached("bcc"),
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
    how = (
        "From exec to the line `watching` on stderr, with ready programs and with bcc compiling them; from exec to a "
        "TUI whose first line counts connections and whose last names the keys, on a terminal of "
        f"{COLUMNS}x{LINES}; from exec to tcpstates' header on a terminal; and Python itself, starting and ending."
    )
    return Result("start", "Time to start", how, figures)


def _attached(loader: str) -> float:
    begin = time.perf_counter()
    with Watching(tcpwatch("tcpwatch events", "events", "--format", "jsonl", "--loader", loader)):
        return time.perf_counter() - begin


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
