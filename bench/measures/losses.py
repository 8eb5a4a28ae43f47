"""Whether events are lost at the highest rate the machine can produce, and whether every lost one is counted."""

import json
import os
import signal
import time
from pathlib import Path

from bench import load, progress
from bench.figures import Figure, Result, at_most
from bench.measures.events import summary
from bench.room import Room
from bench.scale import Scale
from bench.watchers import Watching, tcpwatch

_STOPPED_S = 0.5


def measure(scale: Scale) -> Result:
    pairs = os.cpu_count() or 1
    offered: list[float] = []
    lost: list[float] = []
    lost_small: list[float] = []
    astray: list[float] = []
    untold: list[float] = []
    for round_ in range(scale.rounds):
        progress.say(f"round {round_ + 1}/{scale.rounds}: {pairs} pairs, the default ring")
        done, (seen, delivered, gone), _ = _run(scale, pairs, stopped_s=0)
        offered.append(done.state_changes / done.seconds / 1000)
        lost.append(gone)
        astray.append(abs(seen - delivered - gone))
        progress.say(f"round {round_ + 1}/{scale.rounds}: {pairs} pairs, a ring of 1 MB, stopped for {_STOPPED_S:g} s")
        done, (seen, delivered, gone), told = _run(scale, pairs, _STOPPED_S, "--ring-mb", "1")
        lost_small.append(gone)
        astray.append(abs(seen - delivered - gone))
        untold.append(abs(gone - told))
    figures = [
        Figure("state changes offered", offered, "k/s"),
        Figure("default ring: lost", lost, "", at_most(0)),
        Figure(f"ring of 1 MB, stopped for {_STOPPED_S:g} s: lost", lost_small),
        Figure("seen - (delivered + lost), both", astray, "", at_most(0)),
        Figure("lost - the counts in the `lost` records", untold, "", at_most(0)),
    ]
    how = (
        f"The load of `connect` with {pairs} pairs, as many as there are cores, against `tcpwatch events --format "
        f"jsonl` into a file; then the same with --ring-mb 1 while SIGSTOP holds tcpwatch for {_STOPPED_S:g} s."
    )
    return Result("losses", "Events lost at the highest rate", how, figures)


def _run(scale: Scale, pairs: int, stopped_s: float, *options: str) -> tuple[load.Done, tuple[int, int, int], int]:
    """(what the load did, tcpwatch's summary, the losses its records tell of)"""
    out = scale.workshop.into / "out"
    watcher = tcpwatch("tcpwatch events", "events", "--format", "jsonl", *options)
    with Room() as room, Watching(watcher, out) as watching:
        running = load.start(scale.workshop.load(), room, pairs, scale.seconds)
        if stopped_s:
            watching.process.send_signal(signal.SIGSTOP)
            time.sleep(stopped_s)
            watching.process.send_signal(signal.SIGCONT)
        done = load.finish(running, pairs, scale.seconds)
    told = losses_told(out)
    out.unlink()
    return done, summary(watching.narration.decode()), told


def losses_told(out: Path) -> int:
    """The sum of the `lost` records in a file of events."""
    with out.open("rb") as lines:
        return sum(json.loads(line)["count"] for line in lines if b'"event":"lost"' in line)
