"""A SYN flood: does the TUI still answer, is memory bounded, are legitimate connections and cookies all there?"""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from bench import progress
from bench.figures import Figure, Result, at_least, at_most
from bench.scale import Scale
from bench.terminal import COLUMNS, LINES, Seen, Terminal
from bench.watchers import Watching, memory_mb, tcpwatch
from bench.workshop import ROOT
from tcpwatch.scenarios.orderly import hang_up
from tcpwatch.scenarios.queues import flood
from tcpwatch.scenarios.stage import Stage
from tcpwatch.scenarios.talk import CONNECTIONS

_RATE = 80_000  # asked for; what was reached is measured
_SECONDS = 6.0
_LEAST_RATE = 50_000
_COOKIES = {"syn_cookie_sent": "SyncookiesSent", "syn_cookie_accepted": "SyncookiesRecv"}


def measure(scale: Scale) -> Result:
    rates: list[float] = []
    slowest: list[float] = []
    memory: list[float] = []
    missing: list[float] = []
    astray: list[float] = []
    for round_ in range(scale.rounds):
        progress.say(f"round {round_ + 1}/{scale.rounds}: a flood under the TUI")
        with _flooded_screen() as (terminal, stage):
            slowest.append(1000 * max(_press_digits(terminal)))
            memory.append(memory_mb(terminal.process.pid)["Pss"])
        rates.append(stage.numbers["syns"] / _SECONDS / 1000)
        progress.say(f"round {round_ + 1}/{scale.rounds}: a flood under events and life")
        lost, differs = _count(scale.workshop.into)
        missing.append(lost)
        astray.append(differs)
    return Result(
        "flood",
        f"A SYN flood of {_RATE:,} a second",
        f"Raw SYNs from made-up addresses at a listener with SYN cookies, for {_SECONDS:g} s in namespaces of their "
        f"own, while {CONNECTIONS} legitimate connections are opened and closed. First under the TUI on a terminal of "
        f"{COLUMNS}x{LINES}, which is given keys meanwhile; then under `events` and `life`, whose records are held "
        "against what was opened and against the namespace's own SyncookiesSent and SyncookiesRecv.",
        [
            Figure("SYNs sent", rates, "k/s", at_least(_LEAST_RATE / 1000)),
            Figure("a key of the TUI: the slowest", slowest, "ms", at_most(100)),
            Figure("memory of the TUI at the end (PSS)", memory, "MB", at_most(250)),
            Figure("legitimate connections without a clean life, of both ends", missing, "", at_most(0)),
            Figure("cookies told of - cookies counted by the kernel", astray, "", at_most(0)),
        ],
    )


@contextmanager
def _flooded_screen() -> Iterator[tuple[Terminal, Stage]]:
    """A TUI and a flood that has just begun; it is over when the context is left."""
    with ExitStack() as cleanup:
        stage = cleanup.enter_context(Stage())
        stage.listen()
        terminal = cleanup.enter_context(Terminal([sys.executable, "-m", "tcpwatch"], ROOT))
        terminal.until(lambda screen: " Connections" in screen.display[0])
        terminal.rest(3.0)
        with flood(stage, round(_RATE * _SECONDS), _RATE):
            terminal.rest(1.0)
            yield terminal, stage


def _press_digits(terminal: Terminal) -> Iterator[float]:
    """From view to view and back; seconds until each is on the screen."""
    for _ in range(3):
        for digit in "345621":
            yield terminal.press(digit.encode(), _opened(f"[{digit} "))
            terminal.rest(0.15)


def _opened(tab: str) -> Seen:
    return lambda screen: tab in screen.display[0]


def _converse(stage: Stage) -> None:
    stage.dial(CONNECTIONS, "client", "server")
    hang_up(stage)


def _count(into: Path) -> tuple[int, int]:
    """(legitimate ends that have no clean life, cookies that the events are off by)"""
    events, lives = into / "events", into / "lives"
    with Stage() as stage:
        stage.listen()
        before = _counted(stage)
        with (
            Watching(tcpwatch("events", "events", "--format", "jsonl"), events),
            Watching(tcpwatch("life", "life", "--format", "jsonl"), lives),
        ):
            time.sleep(2.5)  # a first snapshot has counted what was before
            with flood(stage, round(_RATE * _SECONDS), _RATE):
                time.sleep(1.0)
                _converse(stage)
            time.sleep(3.0)
            after = _counted(stage)
        happened = stage.happened()
    wanted = {(one.laddr, one.lport, one.raddr, one.rport) for one in (*happened.client, *happened.server)}
    ends = ("laddr", "lport", "raddr", "rport")
    clean = {tuple(life[end] for end in ends) for life in _records(lives) if life["verdict"] == "clean"}
    told = dict.fromkeys(_COOKIES, 0)
    for event in _records(events):
        if event["event"] in told and event["netns"] == stage.server.room.name:
            told[event["event"]] += event["count"]
    grown = {event: after[name] - before[name] for event, name in _COOKIES.items()}
    for path in (events, lives):
        path.unlink()
    return len(wanted - clean), sum(abs(told[event] - grown[event]) for event in _COOKIES)


def _counted(stage: Stage) -> dict[str, int]:
    """The cookies of the server's namespace, as iproute2 reads them."""
    said = json.loads(stage.server.room.run("nstat", "--zeros", "--ignore", "--noupdate", "--json"))["kernel"]
    return {name: said[f"TcpExt{name}"] for name in _COOKIES.values()}


def _records(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as lines:
        for line in lines:
            yield json.loads(line)
