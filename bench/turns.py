"""Lets several watchers take turns under the same load: A B C, B C A, ... so that a slow minute of the machine falls on
all of them. The unwatched load runs twice a turn: how far its two rates lie apart is the noise of the machine."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import load, progress
from bench.figures import Figure, Target, ratios
from bench.room import Room
from bench.watchers import Watcher, Watching
from bench.workshop import Workshop

UNWATCHED, AGAIN = "no tool", "no tool, once more"


@dataclass(frozen=True, slots=True)
class Turn:
    """One run of the load. cpu: the watcher's, as a share of a core; narration: what it said on stderr; out: what it
    wrote; room: the name of the namespace the load ran in."""

    done: load.Done
    cpu: float
    narration: str
    out: Path
    room: str


def take_turns(
    workshop: Workshop,
    watchers: Sequence[Watcher],
    pairs: int,
    seconds: float,
    rounds: int,
    look: Callable[[Watcher, Turn], None] = lambda watcher, turn: None,
) -> dict[str, list[Turn]]:
    """Name of the watcher (or UNWATCHED, AGAIN) -> one Turn per round. look: called after each watched turn, before its
    output goes."""
    program = workshop.load()
    order: list[Watcher | str] = [UNWATCHED, *watchers, AGAIN]
    turns: dict[str, list[Turn]] = {name_of(one): [] for one in order}
    for round_ in range(rounds):
        first = round_ % len(order)
        for one in order[first:] + order[:first]:
            progress.say(f"round {round_ + 1}/{rounds}, {pairs} pairs: {name_of(one)}")
            turn = _turn(workshop, program, one, pairs, seconds)
            turns[name_of(one)].append(turn)
            if isinstance(one, Watcher):
                look(one, turn)
            turn.out.unlink(missing_ok=True)
    return turns


def name_of(one: Watcher | str) -> str:
    return one if isinstance(one, str) else one.name


def rates(turns: dict[str, list[Turn]]) -> dict[str, list[float]]:
    """Connections per second, by name."""
    return {name: [turn.done.rate for turn in taken] for name, taken in turns.items()}


def unwatched(measured: dict[str, list[float]]) -> list[float]:
    """What the watched runs of each round are held against: the mean of its two unwatched ones."""
    return [(one + other) / 2 for one, other in zip(measured[UNWATCHED], measured[AGAIN], strict=True)]


def noise(measured: dict[str, list[float]]) -> Figure:
    return Figure("no tool, against no tool (noise)", ratios(measured[AGAIN], measured[UNWATCHED]))


def kept(measured: dict[str, list[float]], name: str, target: Target | None = None) -> Figure:
    return Figure(f"{name}: kept", ratios(measured[name], unwatched(measured)), "", target)


def cpu(turns: dict[str, list[Turn]], name: str) -> Figure:
    return Figure(f"{name}: its CPU, of a core", [100 * turn.cpu for turn in turns[name]], "%")


def _turn(workshop: Workshop, program: str, one: Watcher | str, pairs: int, seconds: float) -> Turn:
    out = workshop.into / "out"
    with Room() as room:
        if isinstance(one, str):
            return Turn(load.run(program, room, pairs, seconds), 0.0, "", out, room.name)
        with Watching(one, out) as watching:
            begin_s = watching.cpu_s()
            done = load.run(program, room, pairs, seconds)
            share = (watching.cpu_s() - begin_s) / done.seconds
        return Turn(done, share, watching.narration.decode(errors="replace"), out, room.name)
