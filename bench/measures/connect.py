"""What tracking costs whoever makes connections."""

from bench.figures import Figure, Result, at_least
from bench.measures.events import summary
from bench.scale import Scale
from bench.turns import AGAIN, cpu, kept, take_turns
from bench.watchers import headless_session, hooks_alone, libbpf_tool, tcpwatch

_TARGET = at_least(0.97)


def measure(scale: Scale) -> Result:
    ours = (tcpwatch("tcpwatch life", "life", "--format", "jsonl"), headless_session())
    floor = hooks_alone()
    peers = tuple(libbpf_tool(name) for name in ("tcplife", "tcpstates"))
    figures: list[Figure] = []
    remarks = []
    for pairs in (2, 4):
        turns = take_turns(scale.workshop, (*ours, floor, *peers), pairs, scale.seconds, scale.rounds)
        name = f"{pairs} pairs"
        rates = Figure(f"{name}, no tool", [turn.done.rate / 1000 for turn in turns["no tool"]], "k/s")
        shown = [rates, kept(turns, AGAIN)]
        for watcher in ours:
            shown += [kept(turns, watcher.name, _TARGET if pairs == 2 else None), cpu(turns, watcher.name)]
        for watcher in (floor, *peers):
            shown += [kept(turns, watcher.name), cpu(turns, watcher.name)]
        figures += [rates, *(Figure(f"{name}, {f.name}", f.values, f.unit, f.target) for f in shown[1:])]
        watched = turns[ours[0].name]
        lossless = sum(summary(turn.narration)[2] == 0 for turn in watched)
        remarks.append(f"{name}: {ours[0].name} lost nothing in {lossless} of {len(watched)} runs.")
    how = (
        "bench/load.c in a namespace of its own: pairs of client and server threads connect, send 64 bytes each way "
        f"and close, {scale.seconds:g} s a run, both ends local (9 state changes a connection reach a watcher). "
        "Everything tcpwatch and its peers print goes to files. The rate under each watcher is divided by that of the "
        "unwatched run of the same round. 4 pairs keep 8 threads busy: more than this machine has cores, so what the "
        "watcher itself needs is taken from the load."
    )
    return Result("connect", "Rate of connections kept while watching", how, figures, remarks)
