"""What tracking costs whoever makes connections."""

from dataclasses import replace
from functools import partial

from bench.figures import Figure, Result, at_least
from bench.measures.events import summary
from bench.scale import Scale
from bench.turns import cpu, kept, noise, run_load, take_turns
from bench.watchers import headless_session, hooks_alone, hooks_of_nothing, libbpf_tool, tcpwatch

_TARGET = at_least(0.97)


def measure(scale: Scale) -> Result:
    ours = (tcpwatch("tcpwatch life", "life", "--format", "jsonl"), headless_session())
    floors = (hooks_alone(), hooks_of_nothing(scale.workshop.nothing()))
    peers = tuple(libbpf_tool(name) for name in ("tcplife", "tcpstates"))
    figures: list[Figure] = []
    for pairs, passes in ((2, scale.passes), (4, scale.rounds)):
        turns = take_turns((*ours, *floors, *peers), passes, partial(run_load, scale.workshop, pairs, scale.seconds))
        shown = [Figure("no tool", [rate / 1000 for rate in turns.unwatched], "k/s"), noise(turns)]
        for watcher in ours:
            lost = [_lost_share(turn.narration) for turn in turns.taken[watcher.name]]
            shown += [
                kept(turns, watcher.name, _TARGET if pairs == 2 else None),
                cpu(turns, watcher.name),
                Figure(f"{watcher.name}: events lost", lost, "%"),
            ]
        for watcher in (*floors, *peers):
            shown += [kept(turns, watcher.name), cpu(turns, watcher.name)]
        figures += [replace(figure, name=f"{pairs} pairs, {figure.name}") for figure in shown]
    how = (
        "bench/load.c in a namespace of its own: pairs of client and server threads connect, send 64 bytes each way "
        f"and close, {scale.seconds:g} s a run, both ends local (9 state changes a connection reach a watcher). "
        "Everything tcpwatch and its peers print goes to files. Each connection calls tcpwatch's hooks 13 times; those "
        "that do nothing show what the kernel itself takes for that. The rate under each watcher is divided by the "
        "mean of the unwatched runs right before and after it. 4 pairs keep 8 threads busy: where there are fewer "
        "cores, what the watcher itself needs is taken from the load, and it has to wait for its turn."
    )
    return Result("connect", "Rate of connections kept while watching", how, figures)


def _lost_share(narration: str) -> float:
    seen, _, lost = summary(narration)
    return 100 * lost / seen
