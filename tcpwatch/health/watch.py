"""What is wrong with the machine now, and since when? Asks every rule once per picture and keeps the answers from
flickering. Has no clock, and knows nothing of trackers, frames or faces."""

from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, replace

import numpy as np

from tcpwatch import wire
from tcpwatch.health import supplies, troubles
from tcpwatch.health.finding import Finding
from tcpwatch.health.groups import GROUP, PROCESS, SERVICE, gather, merged
from tcpwatch.health.ledger import WINDOW_NS, Ledger
from tcpwatch.health.rules import RULES, rank
from tcpwatch.health.scene import Scene

LINGER_NS = 5_000_000_000  # so long a finding stays after it held for the last time, and a severity after it fell
_FIRST_NS = 2_000_000_000  # what is found so soon may be older than we are
_COUNTED = (
    *("segs_out", "segs_retrans", "syn_retrans", "spurious", "loss_probes"),
    *(shortage.counter for shortage in supplies.SHORTAGES),
)


@dataclass(slots=True)
class _Held:
    finding: Finding
    held_ns: int  # when it last held
    severe_ns: int  # ... with this severity


class Health:
    def __init__(self) -> None:
        self._ledger = Ledger(troubles.BY, troubles.worth)
        self._held: dict[tuple[str, Hashable], _Held] = {}
        self._counts: deque[tuple[int, np.ndarray]] = deque()
        self._tallies: deque[tuple[int, int, int]] = deque()  # (when, seen, lost)

    def note(self, lives: np.ndarray, now_ns: int) -> None:
        """lives: rows.ROW with their verdicts, that were told just now. now_ns: CLOCK_MONOTONIC."""
        self._ledger.note(lives, now_ns)

    def begin(self, tally: np.ndarray, now_ns: int) -> None:
        """What was seen and lost before is none of this session's. tally: wire.TALLY. now_ns: CLOCK_MONOTONIC."""
        self._tallies.clear()
        self._tallies.append((now_ns, int(tally["seen"].sum()), int(tally["lost"].sum())))

    def look(
        self, scene: Scene, counts: np.ndarray | None, tally: np.ndarray, *, started_ns: int, offset_ns: int
    ) -> tuple[Finding, ...]:
        """The findings, the most harmful first. scene: without what the last minute brought, that is worked out here.
        counts: counters.COUNTS, the newest. tally: wire.TALLY. started_ns: CLOCK_MONOTONIC. offset_ns: to Unix time."""
        now_ns = scene.now_ns
        seen, lost = self._tallied(tally, now_ns)
        scene = replace(
            scene,
            troubled=merged(np.concatenate([self._ledger.bad(now_ns), _standing(scene)])),
            ends=self._ledger.ends(),
            counted=self._counted(counts, now_ns),
            seen=seen,
            lost=lost,
        )
        for rule in RULES:
            for finding in rule.find(scene):
                self._hold(finding, now_ns, now_ns - started_ns < _FIRST_NS)
        self._held = {name: held for name, held in self._held.items() if held.held_ns + LINGER_NS > now_ns}
        found = sorted((held.finding for held in self._held.values()), key=rank)
        return tuple(replace(one, since_ns=one.since_ns + offset_ns) for one in found)

    def _hold(self, found: Finding, now_ns: int, first: bool) -> None:
        name = found.code, found.subject
        held = self._held.get(name)
        if held is None:
            if found.strength >= 1:
                since_ns = found.since_ns or now_ns
                began = replace(found, since_ns=since_ns, earlier=first and not found.since_ns)
                self._held[name] = _Held(began, now_ns, now_ns)
            return
        since_ns = min(held.finding.since_ns, found.since_ns or now_ns)
        severity = found.severity
        if severity >= held.finding.severity:
            held.severe_ns = now_ns
        elif held.severe_ns + LINGER_NS > now_ns:
            severity = held.finding.severity
        held.held_ns = now_ns
        held.finding = replace(found, since_ns=since_ns, severity=severity, earlier=held.finding.earlier)

    def _counted(self, counts: np.ndarray | None, now_ns: int) -> dict[int, dict[str, int]]:
        """What grew since the oldest reading within the window, by namespace."""
        if counts is None:
            return {}
        if not self._counts or self._counts[-1][1] is not counts:
            self._counts.append((now_ns, counts))
        while len(self._counts) > 1 and self._counts[0][0] + WINDOW_NS < now_ns:
            self._counts.popleft()
        before = self._counts[0][1]
        _, new, old = np.intersect1d(counts["netns"], before["netns"], return_indices=True)
        grown = {name: counts[name][new].astype(np.int64) - before[name][old].astype(np.int64) for name in _COUNTED}
        return {
            netns: {name: max(0, int(grown[name][at])) for name in _COUNTED}
            for at, netns in enumerate(counts["netns"][new].tolist())
        }

    def _tallied(self, tally: np.ndarray, now_ns: int) -> tuple[int, int]:
        """(seen, lost) within the window."""
        if not self._tallies:
            self._tallies.append((0, 0, 0))
        self._tallies.append((now_ns, int(tally["seen"].sum()), int(tally["lost"].sum())))
        while len(self._tallies) > 2 and self._tallies[1][0] + WINDOW_NS < now_ns:
            self._tallies.popleft()
        (_, *before), (_, *after) = self._tallies[0], self._tallies[-1]
        return after[0] - before[0], after[1] - before[1]


def _standing(scene: Scene) -> np.ndarray:
    """groups.GROUP of the connections that are alive and in trouble, one each."""
    rows, alive = scene.connections, scene.alive
    verdicts = rows["verdict"][alive]
    which = alive[troubles.STANDS[verdicts]]
    if not len(which):
        return np.empty(0, GROUP)
    by = troubles.BY[rows["verdict"][which]]
    half = rows["verdict"][which] == troubles.HALF_CLOSED
    by[half] = np.where(rows["state"][which[half]] == wire.CLOSE_WAIT, PROCESS, SERVICE)
    state_ms = rows["state_ms"][which]
    told = (rows["state"][which] != wire.ESTABLISHED) & ~np.isnan(state_ms)  # else the trouble is younger than that
    since_ns = np.where(told, scene.now_ns - np.where(told, state_ms, 0) * 1e6, 0).astype(np.int64)
    return gather(rows, which, by, since_ns, "standing")
