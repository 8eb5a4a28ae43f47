"""What it costs to write every event down, and whether every one is there."""

from bench.figures import Figure, Result, at_least, at_most
from bench.scale import Scale
from bench.turns import Turn, cpu, kept, noise, rates, take_turns, unwatched
from bench.watchers import Watcher, libbpf_tool, tcpwatch

_PAIRS = 2
_NAME = "tcpwatch events"


def measure(scale: Scale) -> Result:
    ours, peer = tcpwatch(_NAME, "events", "--format", "jsonl"), libbpf_tool("tcpstates")
    missing: list[float] = []
    told: list[float] = []
    lost: list[float] = []

    def look(watcher: Watcher, turn: Turn) -> None:
        if watcher is ours:
            missing.append(turn.done.state_changes - _state_records(turn))
            lost.append(lost_of(turn.narration))
        else:
            told.append(_lines(turn) / (turn.done.state_changes + turn.done.connections))

    turns = take_turns(scale.workshop, (ours, peer), _PAIRS, scale.seconds, scale.rounds, look)
    offered = [turn.done.state_changes / turn.done.seconds / 1000 for turn in turns[_NAME]]
    measured = rates(turns)
    figures = [
        Figure("no tool", [rate / 1000 for rate in unwatched(measured)], "k/s"),
        noise(measured),
        kept(measured, _NAME, at_least(0.90)),
        cpu(turns, _NAME),
        Figure(f"{_NAME}: state changes written", offered, "k/s"),
        Figure(f"{_NAME}: state changes made and not in the file", missing, "", at_most(0)),
        Figure(f"{_NAME}: lost, by its summary", lost, "", at_most(0)),
        kept(measured, peer.name),
        cpu(turns, peer.name),
        Figure(f"{peer.name}: lines, of the changes made", told),
    ]
    how = (
        f"The load of `connect`, {_PAIRS} pairs; `tcpwatch events --format jsonl` and `tcpstates` into files. The "
        "file's state records of the load's namespace are counted against 9 for each connection the load made and 2 "
        "for each listener, exactly. tcpstates sees a tenth change, the accepted socket being cloned from its "
        "listener, and other programs' connections too."
    )
    return Result("events", "Rate of connections kept while every event is written to a file", how, figures)


def lost_of(narration: str) -> int:
    """From `tcpwatch: 378472 events seen, 378472 delivered, 0 lost`"""
    return summary(narration)[2]


def summary(narration: str) -> tuple[int, int, int]:
    """(seen, delivered, lost) of the line that tcpwatch ends with. Raises RuntimeError where it never came."""
    line = next((line for line in narration.splitlines() if " events seen, " in line), None)
    if line is None:
        raise RuntimeError(f"tcpwatch ended without its summary; it said: {narration}")
    seen, delivered, lost = (int(part.split()[0]) for part in line.removeprefix("tcpwatch: ").split(", "))
    return seen, delivered, lost


def _state_records(turn: Turn) -> int:
    ours, state = b'"netns":"%s"' % turn.room.encode(), b'"event":"state"'
    with turn.out.open("rb") as lines:
        return sum(ours in line and state in line for line in lines)


def _lines(turn: Turn) -> int:
    with turn.out.open("rb") as lines:
        return sum(1 for _ in lines) - 1  # the header
