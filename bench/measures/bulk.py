"""What watching costs whoever moves bytes."""

import json
import subprocess

from bench import progress
from bench.figures import Figure, Result, at_least
from bench.room import Room
from bench.scale import Scale
from bench.tools import find
from bench.turns import AGAIN, UNWATCHED, kept, name_of, noise, unwatched
from bench.watchers import Watcher, Watching, libbpf_tool, tcpwatch

_SPARE_S = 30


def measure(scale: Scale) -> Result:
    watchers = (tcpwatch("tcpwatch life", "life", "--format", "jsonl"), libbpf_tool("tcplife"))
    order: list[Watcher | str] = [UNWATCHED, *watchers, AGAIN]
    rates: dict[str, list[float]] = {name_of(one): [] for one in order}
    for round_ in range(scale.rounds):
        first = round_ % len(order)
        for one in order[first:] + order[:first]:
            progress.say(f"round {round_ + 1}/{scale.rounds}: {name_of(one)}")
            rates[name_of(one)].append(_watched(one, scale.seconds))
    ours, peer = watchers
    figures = [
        Figure("no tool", unwatched(rates), "Gbit/s"),
        noise(rates),
        kept(rates, ours.name, at_least(0.99)),
        kept(rates, peer.name),
    ]
    how = f"iperf3, one stream over loopback in a namespace of its own, {scale.seconds:g} s a run."
    return Result("bulk", "Throughput kept while watching", how, figures)


def _watched(one: Watcher | str, seconds: float) -> float:
    if isinstance(one, str):
        return throughput(seconds)
    with Watching(one):
        return throughput(seconds)


def throughput(seconds: float) -> float:
    """Gbit/s of one stream over loopback, as its receiver counts them."""
    with Room() as room:
        server = subprocess.Popen(
            room.inside(find("iperf3"), "--server", "--one-off", "--forceflush"), stdout=subprocess.PIPE, text=True
        )
        assert server.stdout
        while "listening" not in server.stdout.readline():
            if server.poll() is not None:
                raise RuntimeError("iperf3 does not listen")
        client = room.inside(find("iperf3"), "--client", "127.0.0.1", "--time", str(max(1, round(seconds))), "--json")
        done = subprocess.run(client, capture_output=True, text=True, check=True, timeout=seconds + _SPARE_S)
        server.communicate(timeout=_SPARE_S)
    return float(json.loads(done.stdout)["end"]["sum_received"]["bits_per_second"]) / 1e9
