"""Lets several watchers take turns under the same load, each between two unwatched runs: 0 A 0 B 0 C 0, and the next
pass begins with B. What the machine does besides changes slowly (clocks, halt polling, neighbours), so a watched run is
held against the mean of the two beside it, and an unwatched one against its own neighbours says how large the noise
is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench import load, progress
from bench.figures import Figure, Target
from bench.room import Room
from bench.watchers import Watcher, Watching
from bench.workshop import Workshop


@dataclass(frozen=True, slots=True)
class Turn:
    """One run of a load. rate: what it reached; cpu: the watcher's, as a share of a core; narration: what it said on
    stderr."""

    rate: float
    cpu: float = 0.0
    narration: str = ""


@dataclass(slots=True)
class Turns:
    """unwatched: the rates without a tool. noise: each against the mean of its neighbours. taken, kept: by a watcher's
    name, one of each per pass."""

    unwatched: list[float] = field(default_factory=list)
    noise: list[float] = field(default_factory=list)
    taken: dict[str, list[Turn]] = field(default_factory=dict)
    kept: dict[str, list[float]] = field(default_factory=dict)


def take_turns(watchers: Sequence[Watcher], passes: int, run: Callable[[Watcher | None], Turn]) -> Turns:
    """run: does the load once, watched by nobody for None."""
    turns = Turns()
    for pass_ in range(passes):
        said, first = f"pass {pass_ + 1}/{passes}", pass_ % len(watchers)
        progress.say(f"{said}: no tool")
        beside = [run(None).rate]
        for watcher in (*watchers[first:], *watchers[:first]):
            progress.say(f"{said}: {watcher.name}")
            turn = run(watcher)
            beside.append(run(None).rate)
            turns.taken.setdefault(watcher.name, []).append(turn)
            turns.kept.setdefault(watcher.name, []).append(turn.rate / _mean(beside[-2], beside[-1]))
        turns.unwatched += beside
        turns.noise += [
            rate / _mean(before, after) for before, rate, after in zip(beside, beside[1:], beside[2:], strict=False)
        ]
    return turns


def run_load(
    workshop: Workshop,
    pairs: int,
    seconds: float,
    watcher: Watcher | None,
    look: Callable[[load.Done, Room, Path, str], None] = lambda done, room, out, narration: None,
) -> Turn:
    """One run of the connect/close load. look: called after a watched one, with what the watcher wrote and said, before
    its output goes."""
    out = workshop.into / "out"
    program = workshop.load()
    with Room() as room:
        if watcher is None:
            return Turn(load.run(program, room, pairs, seconds).rate)
        with Watching(watcher, out) as watching:
            begin_s = watching.cpu_s()
            done = load.run(program, room, pairs, seconds)
            share = (watching.cpu_s() - begin_s) / done.seconds
        narration = watching.narration.decode(errors="replace")
        look(done, room, out, narration)
        out.unlink(missing_ok=True)
        return Turn(done.rate, share, narration)


def noise(turns: Turns) -> Figure:
    return Figure("no tool, against no tool (noise)", turns.noise)


def kept(turns: Turns, name: str, target: Target | None = None) -> Figure:
    return Figure(f"{name}: kept", turns.kept[name], "", target)


def cpu(turns: Turns, name: str) -> Figure:
    return Figure(f"{name}: its CPU, of a core", [100 * turn.cpu for turn in turns.taken[name]], "%")


def _mean(one: float, other: float) -> float:
    return (one + other) / 2
