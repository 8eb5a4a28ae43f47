"""What watching costs whoever moves bytes."""

import json
import subprocess

from bench.figures import Figure, Result, at_least
from bench.room import Room
from bench.scale import Scale
from bench.tools import find
from bench.turns import Turn, kept, noise, take_turns
from bench.watchers import Watcher, Watching, libbpf_tool, tcpwatch

_SPARE_S = 30


def measure(scale: Scale) -> Result:
    watchers = (tcpwatch("tcpwatch life", "life", "--format", "jsonl"), libbpf_tool("tcplife"))
    turns = take_turns(watchers, scale.passes, lambda watcher: Turn(_watched(watcher, scale.seconds)))
    ours, peer = watchers
    figures = [
        Figure("no tool", turns.unwatched, "Gbit/s"),
        noise(turns),
        kept(turns, ours.name, at_least(0.99)),
        kept(turns, peer.name),
    ]
    how = f"iperf3, one stream over loopback in a namespace of its own, {scale.seconds:g} s a run."
    return Result("bulk", "Throughput kept while watching", how, figures)


def _watched(watcher: Watcher | None, seconds: float) -> float:
    if watcher is None:
        return throughput(seconds)
    with Watching(watcher):
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
