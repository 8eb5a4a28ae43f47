"""What was seen of healthy traffic? Real servers and clients in two namespaces, joined by a veth pair and by a cable
that delays, from the start of the servers to their stop, under `tcpwatch life` and the views of the live screen."""

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace

import numpy as np

from tcpwatch import rows as shape
from tcpwatch.frame import Frame, Snapshot
from tcpwatch.health import Finding
from tcpwatch.kernel.programs import Knobs
from tcpwatch.kernel.source import KernelSource, Pace
from tcpwatch.live import Session
from tcpwatch.scenarios.cable import Cable
from tcpwatch.scenarios.namespace import DEADLINE_S, Namespace, join
from tcpwatch.source import Source
from tcpwatch.tracker.tracker import Tracker
from tcpwatch.tracker.view import View
from tcpwatch.verdicts import CODES
from tests.kernel import unheard
from tests.kernel.watch import Record, Watch
from tests.kernel.witness import counters, skipped

from . import daemons, loads

DELAY_S = 0.005
IDLE_S = 12.0  # the pools rest at least so long, which is longer than any standing verdict waits but a minute
VIEWS = 10  # ... and until so many pictures have shown them
POOLED = 2 * (6 * loads.POOL + 3 * loads.POOL)  # both ends, over both wires and for those that outlive the servers


@dataclass
class Day:
    """lives: of both namespaces. missed: calls of our programs that the kernel left out (`skipped`). unheard: those of
    which tcpwatch cannot know. rose: what the namespaces' counters count, from the first packet. ailing: for each view
    and each live connection with a standing verdict, what tcpwatch says of it. live: live connections by view. ended:
    the verdicts of ended ones that the views showed. findings: what the views found wrong with the machine."""

    lives: list[Record] = field(default_factory=list)
    narration: str = ""
    missed: int = 0
    unheard: int = 0
    rose: Counter[str] = field(default_factory=Counter)
    ailing: list[str] = field(default_factory=list)
    live: list[int] = field(default_factory=list)
    ended: set[int] = field(default_factory=set)
    findings: list[Finding] = field(default_factory=list)


def live_through() -> Day:
    day = Day()
    with Namespace() as near, Namespace() as far:
        join(near, far)
        at_hand = far.address
        mine = (near.inode, far.inode)
        before = unheard.count()
        with Cable(near, far, DELAY_S), Watch("life", f"netns = {mine[0]} or netns = {mine[1]}") as watch:
            with looking(day, mine):
                _work(near, far, at_hand, far.address, day)
            day.rose = Counter(counters(near)) + Counter(counters(far))
            day.missed, day.unheard = skipped(watch.process.pid), unheard.count() - before
            # what nobody saw the end of is told a minute later, at the soonest
            watch.until(day.rose["TcpActiveOpens"] + day.rose["TcpPassiveOpens"] - day.missed - day.unheard)
            day.lives = watch.finish()
            day.unheard = unheard.count() - before
        day.narration = watch.narration
    return day


def _work(near: Namespace, far: Namespace, at_hand: str, far_off: str, day: Day) -> None:
    """Two clients at a time: one at hand, one far off. at_hand, far_off: the servers' address by wire."""
    with ExitStack() as outliving, ExitStack() as serving:
        for daemon in (daemons.nginx, daemons.redis, daemons.postgres):  # stopped the other way round, as in `outlive`
            serving.enter_context(daemon(far))
        outliving.enter_context(loads.held(near, "outlive", at_hand))
        with ExitStack() as pools, ThreadPoolExecutor(1) as beside:
            for address in (at_hand, far_off):
                for deed in ("keep", "redis", "postgres"):
                    pools.enter_context(loads.held(near, deed, address))
            rested = time.monotonic() + IDLE_S
            slow = beside.submit(loads.cable, near, far_off)
            loads.veth(near, at_hand)
            loads.loopback(far)
            slow.result()
            give_up = rested + DEADLINE_S
            while time.monotonic() < rested or sum(live >= POOLED for live in day.live) < VIEWS:
                assert time.monotonic() < give_up, day.live
                time.sleep(0.1)


class OnlyThese:
    """A source without what happens in other namespaces, whose troubles are none of ours."""

    def __init__(self, source: Source, namespaces: tuple[int, int]) -> None:
        self._namespaces = namespaces
        self._source = source
        self.stop, self.close = source.stop, source.close

    def frames(self) -> Iterator[Frame]:
        for frame in self._source.frames():
            yield replace(frame, events=self._mine(frame.events), snapshot=self._seen(frame.snapshot))

    def _seen(self, snapshot: Snapshot | None) -> Snapshot | None:
        if snapshot is None:
            return None
        sockets, counts = self._mine(snapshot.sockets), self._mine(snapshot.counts)
        namespaces = snapshot.namespaces.intersection(self._namespaces)
        return replace(snapshot, sockets=sockets, counts=counts, namespaces=namespaces)

    def _mine(self, records: np.ndarray) -> np.ndarray:
        return records[np.isin(records["netns"], self._namespaces)]


@contextmanager
def looking(day: Day, namespaces: tuple[int, int]) -> Iterator[None]:
    """What the live screen would show, once a second."""
    source = KernelSource(16 << 20, Knobs(want_time_wait=True), Pace(tick=0.2))
    tracker = Tracker(keep_closed=5000, history_bytes=16 << 20, keep_events=20_000)
    session = Session(OnlyThese(source, namespaces), tracker)

    def look() -> None:
        view = session.latest()
        if view is not None and not session.error:
            _note(day, view)

    session.set_listener(look)
    session.start()
    try:
        yield
    finally:
        session.stop()
        if session.error is not None:
            raise session.error


def _note(day: Day, view: View) -> None:
    rows = view.connections
    ended = rows["flags"] & shape.CLOSED != 0
    day.live.append(int((~ended).sum()))
    day.ended |= set(rows["verdict"][ended].tolist())
    day.findings += view.findings
    for one in rows[~ended & (rows["verdict"] != 0)]:
        ends = f"{one['comm']} {one['lport']} -> {one['rport']}"
        day.ailing.append(f"{CODES[one['verdict']]}: {ends}, state {one['state']} for {one['state_ms']} ms")
