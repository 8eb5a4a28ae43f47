"""How long a look at every socket takes, beside `ss`."""

import resource
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

from bench import progress
from bench.crowd import Crowd
from bench.figures import Figure, Result, at_most, ratios
from bench.room import Room
from bench.scale import Scale
from bench.tools import find
from bench.workshop import ROOT
from tcpwatch import wire
from tcpwatch.frame import Frame, Host, Snapshot
from tcpwatch.kernel import memory, namespaces
from tcpwatch.kernel.iterators import read_all
from tcpwatch.kernel.programs import Knobs, Programs
from tcpwatch.tracker.tracker import Tracker

_SS = "ss -tinH into a file"
_READ = "read from the kernel"
_FOLD = "folded into an empty table"
_AGAIN = "folded into the table it is in"
_COMMAND = "tcpwatch snapshot --format jsonl into a file, whole command"


class Glances:
    """Snapshots of one namespace without the rest of a session: read, then folded into a new table, then once more."""

    def __init__(self, room: Room) -> None:
        self._programs = Programs(1 << 20, Knobs(want_netns=room.inode))
        link = self._programs.link("each_tcp")
        assert link is not None, "this kernel has no socket iterator"
        self._link, self._inode = link, room.inode
        self._place = namespaces.Place(room.inode, str(room.path), room.name)
        self._expected = 0

    def take(self) -> tuple[int, dict[str, float]]:
        """(sockets, seconds for each step)"""
        tracker, moments = Tracker(), [time.perf_counter()]
        snapshot = self._read()
        moments.append(time.perf_counter())
        tracker.fold(self._frame(snapshot))
        moments.append(time.perf_counter())
        tracker.fold(self._frame(snapshot))
        moments.append(time.perf_counter())
        steps = [end - begin for begin, end in pairwise(moments)]
        self._expected = len(snapshot.sockets)
        return self._expected, dict(zip((_READ, _FOLD, _AGAIN), steps, strict=True))

    def close(self) -> None:
        self._programs.close()

    def _read(self) -> Snapshot:
        begin_ns = time.monotonic_ns()
        with namespaces.entered(self._place):
            sockets = read_all(self._link, wire.SOCKET, self._expected)
        return Snapshot(begin_ns, time.monotonic_ns(), sockets, frozenset({self._inode}))

    def _frame(self, snapshot: Snapshot) -> Frame:
        return Frame(snapshot.begin_ns, snapshot.end_ns, Host("bench", "", "", 250, 1, 0), snapshot=snapshot)


def measure(scale: Scale) -> Result:
    out = scale.workshop.into / "out"
    times: dict[str, list[float]] = {name: [] for name in (_SS, _READ, _FOLD, _AGAIN, _COMMAND)}
    processor: dict[str, list[float]] = {_SS: [], _COMMAND: []}
    sockets = 0
    progress.say(f"making {scale.sockets:,} sockets")
    with Room() as room, Crowd(scale.workshop.crowd(), room, scale.sockets // 2):
        ss = room.inside(find("ss"), "-tinH")
        whole = [sys.executable, "-m", "tcpwatch", "snapshot", "--format", "jsonl", "--netns", room.name]
        memory.settle()  # as every session does
        glances = Glances(room)
        glances.take()  # so that each round's reads have an array of the right size, as from the second tick on
        for round_ in range(scale.rounds):
            progress.say(f"round {round_ + 1}/{scale.rounds}")
            for name, command in ((_SS, ss), (_COMMAND, whole)):
                took, used = _timed(lambda command=command: _into(command, out))  # type: ignore[misc]
                times[name].append(took)
                processor[name].append(used)
                _check(out, scale.sockets, 2 if name is _SS else 1)
            sockets, steps = glances.take()
            for name, seconds in steps.items():
                times[name].append(seconds)
        glances.close()
    out.unlink()
    ours = [read + fold for read, fold in zip(times[_READ], times[_AGAIN], strict=True)]
    first = [read + fold for read, fold in zip(times[_READ], times[_FOLD], strict=True)]
    milliseconds = [Figure(name, [1000 * seconds for seconds in values], "ms") for name, values in times.items()]
    figures = [
        *milliseconds,
        Figure("read and folded, against ss", ratios(ours, times[_SS]), "", at_most(0.2)),
        Figure("read and folded into an empty table, against ss", ratios(first, times[_SS]), "", at_most(0.2)),
        Figure("the whole command, against ss", ratios(times[_COMMAND], times[_SS])),
        *(Figure(f"{name}: CPU time", [1000 * used for used in values], "ms") for name, values in processor.items()),
    ]
    how = (
        f"{sockets:,} sockets: {scale.sockets // 2:,} established loopback connections, both ends, and their "
        "listeners, in a namespace of their own. `ss` and tcpwatch read the same ones in turn. The whole command also "
        "starts Python, loads the programs, asks the kernel who owns each socket, and ends."
    )
    return Result("snapshot", "Time for a snapshot of every socket", how, figures)


def _into(command: list[str], out: Path) -> None:
    with out.open("wb") as file:
        subprocess.run(command, stdout=file, check=True, cwd=ROOT)


def _timed(run: Callable[[], None]) -> tuple[float, float]:
    """(seconds, CPU seconds of the child)"""
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    run()
    took, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    return took, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _check(out: Path, sockets: int, lines_each: int) -> None:
    with out.open("rb") as file:
        lines = sum(1 for _ in file)
    if lines < sockets * lines_each:
        raise RuntimeError(f"{lines:,} lines for {sockets:,} sockets")
