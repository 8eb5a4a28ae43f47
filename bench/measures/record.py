"""What it costs to keep everything for later, and how large that is."""

import os
import subprocess
import sys
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from bench import load, progress
from bench.figures import Figure, Result, Target, at_least, at_most
from bench.measures.events import summary
from bench.room import Room
from bench.scale import Scale
from bench.tools import find
from bench.turns import Turn, Turns, cpu, kept, noise, run_load, take_turns
from bench.watchers import Watcher, Watching, tcpwatch
from bench.workshop import ROOT

_NAME = "tcpwatch record"
_HEADER_BYTES = 96  # Ethernet, IPv6 and TCP with its options
_DEADLINE_S = 300.0


@dataclass(frozen=True, slots=True)
class _Files:
    """What the recorders of a run write."""

    recording: Path
    packets: Path

    @classmethod
    def of(cls, into: Path) -> "_Files":
        return cls(into / "session.tcpw", into / "session.pcap")


@dataclass(slots=True)
class _Sizes:
    """Bytes per event, one a round."""

    recording: list[float] = field(default_factory=list)
    redacted: list[float] = field(default_factory=list)
    jsonl: list[float] = field(default_factory=list)
    csv: list[float] = field(default_factory=list)
    packets: list[float] = field(default_factory=list)


def measure(scale: Scale) -> Result:
    files = _Files.of(scale.workshop.into)
    ours = tcpwatch(_NAME, "record", "-o", str(files.recording), "--force")
    life = tcpwatch("tcpwatch life", "life", "--format", "jsonl")
    tcpdump = Watcher(
        "tcpdump, headers",
        (find("tcpdump"), "-i", "lo", "-s", str(_HEADER_BYTES), "-Z", "root", "-w", str(files.packets), "tcp"),
        b"listening on",
    )
    figures: list[Figure] = []
    most = os.cpu_count() or 1
    for pairs, passes in ((2, scale.passes), (most, scale.rounds)) if most != 2 else ((2, scale.passes),):
        turns = take_turns((ours, life, tcpdump), passes, partial(_run, scale, pairs, tcpdump))
        target = at_least(0.95) if pairs == 2 else None
        shown = _figures(turns, ours, (life, tcpdump), target)
        figures += [replace(figure, name=f"{pairs} pairs, {figure.name}") for figure in shown]
    sizes = _Sizes()
    for round_ in range(scale.rounds):
        progress.say(f"round {round_ + 1}/{scale.rounds}: the sizes of one and the same traffic")
        _measure_sizes(scale, ours, tcpdump, files, sizes)
    files.recording.unlink()
    files.packets.unlink()
    figures += [
        Figure("size: recording", sizes.recording, "bytes per event", at_most(20)),
        Figure("size: recording, redacted", sizes.redacted, "bytes per event"),
        Figure("size: events as jsonl", sizes.jsonl, "bytes per event"),
        Figure("size: events as csv", sizes.csv, "bytes per event"),
        Figure("size: packets' headers as pcap", sizes.packets, "bytes per event"),
    ]
    how = (
        f"The load of `connect`; `tcpwatch record` and `tcpdump -s {_HEADER_BYTES} -w` write to files, `life` as in "
        f"`connect`; 2 pairs for the rates, and {most} pairs, as many as there are cores, for the highest rate this "
        "machine produces. Sizes: one run under `record` and `tcpdump` together; the recording's events as jsonl and "
        "csv (`tcpwatch events --from`), redacted (`tcpwatch record --from ... --redact`), and all packets of the "
        "same run, divided by the events. A recording holds snapshots of all sockets, too."
    )
    return Result("record", "Recording a session", how, figures)


def _figures(turns: Turns, ours: Watcher, peers: tuple[Watcher, ...], target: Target | None) -> list[Figure]:
    lost = [float(summary(turn.narration)[2]) for turn in turns.taken[ours.name]]
    shown = [
        Figure("no tool", [rate / 1000 for rate in turns.unwatched], "k/s"),
        noise(turns),
        kept(turns, ours.name, target),
        cpu(turns, ours.name),
        Figure(f"{ours.name}: events lost", lost, "", at_most(0)),
    ]
    for peer in peers:
        shown += [kept(turns, peer.name), cpu(turns, peer.name)]
    dropped = [_dropped_share(turn.narration) for turn in turns.taken[peers[-1].name]]
    return [*shown, Figure(f"{peers[-1].name}: packets dropped", dropped, "%")]


def _run(scale: Scale, pairs: int, tcpdump: Watcher, watcher: Watcher | None) -> Turn:
    if watcher is not tcpdump:
        return run_load(scale.workshop, pairs, scale.seconds, watcher)
    program = scale.workshop.load()
    with Room() as room, Watching(_inside(room, tcpdump)) as watching:  # it hears one namespace only
        begin_s = watching.cpu_s()
        done = load.run(program, room, pairs, scale.seconds)
        share = (watching.cpu_s() - begin_s) / done.seconds
    return Turn(done.rate, share, watching.narration.decode(errors="replace"))


def _inside(room: Room, watcher: Watcher) -> Watcher:
    return replace(watcher, command=tuple(room.inside(*watcher.command)))


def _dropped_share(narration: str) -> float:
    """From `12 packets captured`, `14 packets received by filter`, `2 packets dropped by kernel`"""
    counts = {line.split(" ", 2)[2]: int(line.split()[0]) for line in narration.splitlines() if line[:1].isdigit()}
    return 100 * counts["dropped by kernel"] / max(1, counts["received by filter"])


def _measure_sizes(scale: Scale, ours: Watcher, tcpdump: Watcher, files: _Files, sizes: _Sizes) -> None:
    with Room() as room, Watching(_inside(room, tcpdump)), Watching(ours) as recorder:
        load.run(scale.workshop.load(), room, 2, scale.seconds)
    events = summary(recorder.narration.decode())[1]
    sizes.recording.append(files.recording.stat().st_size / events)
    sizes.packets.append(files.packets.stat().st_size / events)
    sizes.jsonl.append(_told(scale, "events", "--from", str(files.recording), "--format", "jsonl") / events)
    sizes.csv.append(_told(scale, "events", "--from", str(files.recording), "--format", "csv") / events)
    redacted = _told(scale, "record", "--from", str(files.recording), "--redact", "-o", "-")
    sizes.redacted.append(redacted / events)


def _told(scale: Scale, *arguments: str) -> int:
    """How many bytes tcpwatch writes to standard output."""
    out = scale.workshop.into / "out"
    with out.open("wb") as file:
        command = [sys.executable, "-m", "tcpwatch", *arguments]
        subprocess.run(command, stdout=file, stderr=subprocess.DEVNULL, cwd=ROOT, check=True, timeout=_DEADLINE_S)
    size = out.stat().st_size
    out.unlink()
    return size
