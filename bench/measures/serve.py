"""What does it cost whoever makes connections to be scraped, and how long does a scrape take at the cap?"""

import http.client
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

from bench import load, progress
from bench.figures import Figure, Result, at_most
from bench.measures.events import summary
from bench.pictures import picture
from bench.room import Room
from bench.scale import Scale
from bench.turns import Turn, cpu, kept, noise, run_load, take_turns
from bench.watchers import Watcher, Watching, libbpf_tool, tcpwatch
from tcpwatch import flags
from tcpwatch.metrics.meters import MAX_SERIES
from tcpwatch.serve.exporter import Exporter
from tcpwatch.serve.orders import orders

_NAME = "tcpwatch serve, scraped once a second"
_ANYWHERE = ("--web.listen-address", "127.0.0.1:0")
_DEADLINE_S = 30.0


@dataclass(slots=True)
class _Scrapes:
    """Of the program while it watches: how long each took, in s."""

    seconds: list[float]


def measure(scale: Scale) -> Result:
    ours, life = tcpwatch(_NAME, "serve", *_ANYWHERE), tcpwatch("tcpwatch life", "life", "--format", "jsonl")
    tcplife = libbpf_tool("tcplife")
    scrapes = _Scrapes([])
    figures: list[Figure] = []
    for pairs, passes in ((2, scale.passes), (4, scale.rounds)):
        turns = take_turns((ours, life, tcplife), passes, partial(_run, scale, pairs, ours, scrapes))
        lost = [float(summary(turn.narration)[2]) for turn in turns.taken[ours.name]]
        shown = [
            Figure("no tool", [rate / 1000 for rate in turns.unwatched], "k/s"),
            noise(turns),
            kept(turns, ours.name),
            cpu(turns, ours.name),
            Figure(f"{ours.name}: events lost", lost),
        ]
        for watcher in (life, tcplife):
            shown += [kept(turns, watcher.name), cpu(turns, watcher.name)]
        figures += [replace(figure, name=f"{pairs} pairs, {figure.name}") for figure in shown]
    figures += [
        Figure("a scrape under that load", [1e3 * seconds for seconds in scrapes.seconds], "ms"),
        *_at_the_cap(scale.rounds),
    ]
    how = (
        "The load of `connect`, `tcpwatch serve` being scraped once a second as Prometheus does (kept connection, "
        "gzip), with `life` and libbpf-tools' `tcplife` as in `connect`. The cap: an exporter in this process whose "
        f"picture has {MAX_SERIES} series of every metric (a histogram's buckets count), over HTTP: first with labels "
        "that no scrape has had before (they are written down when a picture comes), then with other numbers in every "
        "series, then the same picture again."
    )
    return Result("serve", "Being scraped", how, figures)


def _run(scale: Scale, pairs: int, ours: Watcher, scrapes: _Scrapes, watcher: Watcher | None) -> Turn:
    if watcher is not ours:
        return run_load(scale.workshop, pairs, scale.seconds, watcher)
    with Room() as room, Watching(watcher) as watching, _scraping(watching.narration, scrapes):
        begin_s = watching.cpu_s()
        done = load.run(scale.workshop.load(), room, pairs, scale.seconds)
        share = (watching.cpu_s() - begin_s) / done.seconds
    return Turn(done.rate, share, watching.narration.decode(errors="replace"))


@contextmanager
def _scraping(narration: bytes, scrapes: _Scrapes) -> Iterator[None]:
    """Once a second, from now on."""
    found = re.search(rb"serving http://127\.0\.0\.1:(\d+)/", narration)
    assert found
    client = http.client.HTTPConnection("127.0.0.1", int(found[1]), timeout=_DEADLINE_S)
    over = threading.Event()

    def scrape() -> None:
        while not over.wait(1.0):
            scrapes.seconds.append(_scrape(client)[0])

    thread = threading.Thread(target=scrape)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        client.close()


def _at_the_cap(rounds: int) -> list[Figure]:
    new, other, same, sizes = [], [], [], []
    for round_ in range(rounds):
        progress.say(f"round {round_ + 1}/{rounds}: scrapes at the cap")
        exporter = Exporter(orders(flags.parse(["serve", *_ANYWHERE])), tuple, progress.say)
        exporter.start()
        port = int(exporter.urls[0].rpartition(":")[2].partition("/")[0])
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=_DEADLINE_S)
        try:
            exporter.shelf.put(picture(MAX_SERIES))
            new.append(1e3 * _scrape(client)[0])
            exporter.shelf.put(picture(MAX_SERIES, turn=1))
            seconds, size = _scrape(client)
            other.append(1e3 * seconds)
            same.append(1e3 * _scrape(client)[0])
            sizes.append(size / 1e3)
        finally:
            client.close()
            exporter.stop()
    return [
        Figure("a scrape at the cap", other, "ms", at_most(100)),
        Figure("a scrape at the cap, no label ever scraped before", new, "ms", at_most(100)),
        Figure("a scrape at the cap, of a picture already scraped", same, "ms", at_most(100)),
        Figure("a scrape at the cap: size, packed", sizes, "kB"),
    ]


def _scrape(client: http.client.HTTPConnection) -> tuple[float, int]:
    """How long it took, in s, and how many bytes came."""
    begin = time.perf_counter()
    client.request("GET", "/metrics", headers={"Accept-Encoding": "gzip"})
    answer = client.getresponse()
    size = len(answer.read())
    if answer.status != 200:
        raise RuntimeError(f"a scrape was answered with {answer.status}")
    return time.perf_counter() - begin, size
