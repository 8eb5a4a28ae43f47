"""`python -m tests.metrics.passing`: a million peers pass beside a hundred thousand connections that stand. Says after
each quarter how much memory the process has, as a line of JSON."""

import gc
import json
import os
from pathlib import Path

from tcpwatch.frame import Frame, Snapshot
from tcpwatch.metrics import METRICS, Meters, parse
from tcpwatch.serve.negotiation import OPENMETRICS
from tcpwatch.serve.press import Press
from tcpwatch.serve.shelf import Shelf
from tcpwatch.tracker.tracker import Tracker
from tests.metrics.test_load import SECOND_NS, crowd, with_peers
from tests.tracker.load import pairs
from tests.tracker.machine import HOST

STANDING, PAIRS, TICKS = 100_000, 25_000, 20
MOST_SERIES = 500
_WIDTHS = {one.full_name: one.width for one in METRICS}


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def main() -> None:
    """A picture and a scrape every second, as it is served."""
    tracker = Tracker(history_bytes=1)
    meters = Meters(networks=[parse("10.0.0.0/12=near")], max_series=MOST_SERIES)
    shelf = Shelf()
    press, sockets = Press(shelf), crowd(STANDING)
    sockets["cookie"] += 1 << 40
    for tick in range(TICKS):
        now_ns = (1000 + tick) * SECOND_NS
        first = 1 + 2 * PAIRS * tick
        events = with_peers(pairs(PAIRS, first, now_ns - SECOND_NS // 2), first)
        sockets["bytes_sent"] += 23
        sockets["segs_out"] += 1
        snapshot = Snapshot(now_ns - 1000, now_ns - 500, sockets.copy(), frozenset({1}))
        frame = Frame(
            now_ns - SECOND_NS, now_ns, HOST, events, snapshot, shows_time_wait=False, final=tick + 1 == TICKS
        )
        meters.fold(tracker.fold(frame))
        view = tracker.view()
        picture = meters.picture(view)
        shelf.put(picture)
        press.print(picture, OPENMETRICS, gzip=True)
        if (tick + 1) % (TICKS // 4) == 0:
            gc.collect()
            line = {
                "peers": 2 * PAIRS * (tick + 1),
                "connections": len(view.connections),
                "opened": picture.family("connections_opened").numbers.sum(),
                "series": max(len(one.values) * _WIDTHS[one.name] for one in picture.families),
                "resident_mb": round(resident_mb(), 1),
            }
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
