"""How many events a second one core can take in."""

import subprocess
import sys

from bench import progress
from bench.figures import Figure, Result, at_least, at_most, ratios
from bench.scale import Scale
from bench.workshop import ROOT

_FULL, _FAST = 1 << 17, 3_000_000
_TICK, _REAL = 28_500, 285_000
_ROUTES = {
    "decode": "Rings.drain: records as an array",
    "life": "Rings.drain and Tracker.fold, as `life` and `events` have it",
    "screen": "Rings.drain and Tracker.fold, as the TUI has it",
    "libbpf": "libbpf's ring_buffer, ctypes callback, dict",
    "bcc": "bcc's ring_buffer_consume, callback, dict",
}
_OURS = ("life", _FULL, _FAST)


def measure(scale: Scale) -> Result:
    image = str(scale.workshop.feed())
    asked = [*((route, _FULL, _FAST) for route in _ROUTES), ("life", _TICK, _REAL)]
    rates: dict[tuple[str, int, int], list[float]] = {one: [] for one in asked}
    for round_ in range(scale.rounds):
        for one in asked:
            progress.say(f"round {round_ + 1}/{scale.rounds}: {_name(*one)}")
            rates[one].append(_told(image, *one) / 1e6)
    figures = [
        Figure(_name(*one), values, "M/s", at_least(3) if one == _OURS else None) for one, values in rates.items()
    ]
    figures += [
        Figure(f"the tracker's route against {peer}'s callback", ratios(rates[_OURS], rates[peer, _FULL, _FAST]))
        for peer in ("bcc", "libbpf")
    ]
    added = [_told(image, "verdicts", _FULL, _FAST) for _ in range(scale.rounds)]
    figures.append(Figure("what verdicts add", added, "", at_most(0.1)))
    how = (
        "A BPF program (bench/feed.bpf.c) puts records of tcpwatch's own layout into four rings of 8 MB, for the "
        "callbacks into one of 32 MB: the lives of loopback connections, 64 of them abreast, each one new; then the "
        "consumer takes out all there is, and puts what comes from four rings into the order of time. Records per "
        "second of the consumer's CPU time; filling is not in it. The time in the records goes on at the rate that is "
        f"named, and the table of connections is first brought to the size that goes with it. {_FULL:,} at a time is "
        f"the most a frame carries; {_TICK:,} is what a tick of 0.1 s brings at {_REAL:,} a second, about what "
        "`connect` makes. Every route reads the same records, in the same Python; the callbacks "
        "only note the newest state in a dict, while the tracker keeps the whole life. What verdicts add is by how "
        "much longer those batches take whose lives get one; in one process, where every other batch's get none."
    )
    return Result("decode", "Events decoded and tracked per second and core", how, figures)


def _name(route: str, batch: int, per_second: int) -> str:
    pace = "" if route not in ("life", "screen") else f" at {per_second / 1e6:g} M/s"
    return f"{_ROUTES[route]}{pace}, {batch:,} at a time"


def _told(image: str, route: str, batch: int, per_second: int) -> float:
    command = [sys.executable, "-m", "bench.consumers", route, image, str(batch), str(per_second)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT)
    return float(done.stdout)
