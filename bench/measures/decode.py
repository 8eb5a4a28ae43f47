"""How many events a second one core can take in."""

import subprocess
import sys

from bench import progress
from bench.figures import Figure, Result, at_least, ratios
from bench.scale import Scale
from bench.workshop import ROOT

_FULL, _TICK = 1 << 17, 28_500
_ROUTES = {
    "decode": "Ring.drain: records as an array",
    "life": "Ring.drain and Tracker.fold, as `life` and `events` have it",
    "screen": "Ring.drain and Tracker.fold, as the TUI has it",
    "libbpf": "libbpf's ring_buffer, ctypes callback, dict",
    "bcc": "bcc's ring_buffer_consume, callback, dict",
}


def measure(scale: Scale) -> Result:
    image = str(scale.workshop.feed())
    asked = [*((route, _FULL) for route in _ROUTES), ("life", _TICK)]
    rates: dict[tuple[str, int], list[float]] = {one: [] for one in asked}
    for round_ in range(scale.rounds):
        for route, batch in rates:
            progress.say(f"round {round_ + 1}/{scale.rounds}: {_ROUTES[route]}, {batch:,} at a time")
            rates[route, batch].append(_rate(route, image, batch) / 1e6)
    figures = [
        Figure(
            f"{_ROUTES[route]}, {batch:,} at a time",
            values,
            "M/s",
            at_least(3) if (route, batch) == ("life", _FULL) else None,
        )
        for (route, batch), values in rates.items()
    ]
    ours = rates["life", _FULL]
    figures += [
        Figure(f"the tracker's route against {peer}'s callback", ratios(ours, rates[peer, _FULL]))
        for peer in ("bcc", "libbpf")
    ]
    how = (
        "A BPF program (bench/feed.bpf.c) puts records of tcpwatch's own layout into a ring of 32 MB, the lives of "
        "loopback connections, 64 of them abreast, each new; then the consumer takes out all there is. Records per "
        "second of the consumer's CPU time; filling is not in it. Time in the records goes on as at 3 million a "
        f"second, so that the table has its real size, and is first brought to it. {_FULL:,} at a time is the most a "
        f"frame carries, {_TICK:,} what comes in a tick of 0.1 s under the load of `connect`. Every route reads the "
        "same ring, filled in the same way, in the same Python; the callbacks only note the newest state in a dict, "
        "while the tracker keeps the whole life."
    )
    return Result("decode", "Events decoded and tracked per second and core", how, figures)


def _rate(route: str, image: str, batch: int) -> float:
    command = [sys.executable, "-m", "bench.consumers", route, image, str(batch)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT)
    return float(done.stdout)
