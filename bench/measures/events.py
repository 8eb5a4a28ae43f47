"""What it costs to write every event down, and whether every one is there."""

from pathlib import Path

from bench import load
from bench.figures import Figure, Result, at_least, at_most
from bench.room import Room
from bench.scale import Scale
from bench.turns import Turn, cpu, kept, noise, run_load, take_turns
from bench.watchers import Watcher, libbpf_tool, tcpwatch

_PAIRS = 2
_NAME = "tcpwatch events"


def measure(scale: Scale) -> Result:
    ours, peer = tcpwatch(_NAME, "events", "--format", "jsonl"), libbpf_tool("tcpstates")
    missing: list[float] = []
    told: list[float] = []
    lost: list[float] = []

    offered: list[float] = []

    def look_at_ours(done: load.Done, room: Room, out: Path, narration: str) -> None:
        offered.append(done.state_changes / done.seconds / 1000)
        missing.append(done.state_changes - _state_records(out, room.name))
        lost.append(lost_of(narration))

    def look_at_peer(done: load.Done, _room: Room, out: Path, _narration: str) -> None:
        told.append(_lines(out) / (done.state_changes + done.connections))

    def run(watcher: Watcher | None) -> Turn:
        look = look_at_ours if watcher is ours else look_at_peer
        return run_load(scale.workshop, _PAIRS, scale.seconds, watcher, look)

    turns = take_turns((ours, peer), scale.passes, run)
    figures = [
        Figure("no tool", [rate / 1000 for rate in turns.unwatched], "k/s"),
        noise(turns),
        kept(turns, _NAME, at_least(0.90)),
        cpu(turns, _NAME),
        Figure(f"{_NAME}: state changes written", offered, "k/s"),
        Figure(f"{_NAME}: state changes made and not in the file", missing, "", at_most(0)),
        Figure(f"{_NAME}: lost, by its summary", lost, "", at_most(0)),
        kept(turns, peer.name),
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


def _state_records(out: Path, room: str) -> int:
    ours, state = b'"netns":"%s"' % room.encode(), b'"event":"state"'
    with out.open("rb") as lines:
        return sum(ours in line and state in line for line in lines)


def _lines(out: Path) -> int:
    with out.open("rb") as lines:
        return sum(1 for _ in lines) - 1  # the header
