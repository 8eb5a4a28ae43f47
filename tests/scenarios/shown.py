"""What was seen of each scenario? Runs them side by side under one watching session and notes what ss, the kernel's own
counters and tcpwatch say at each scene; judges nothing."""

import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from tcpwatch.scenarios import SCENARIOS
from tcpwatch.scenarios.namespace import Namespace
from tcpwatch.scenarios.scenario import Scenario
from tcpwatch.scenarios.stage import Connection, End, Happened, Stage
from tests.kernel.watch import Record
from tests.kernel.witness import Line, counters, ss

from .standstill import Standstill
from .watching import Verdicts, Watching

N = 23
ATTEMPTS = 8  # at the most; nearly always the first one will do
WITHOUT_REST = 4  # ... on a machine that never stops standing still
LANES = 4  # each namespace makes a snapshot dearer, and so rarer


@dataclass(frozen=True)
class Look:
    """One end's namespace at one moment, seen by others. at_s: time.monotonic()."""

    at_s: float
    counters: dict[str, int]
    sockets: list[Line]

    def count(self, state: str) -> int:
        return sum(line.state == state for line in self.sockets)


@dataclass
class Shown:
    """looks: by scene and end. standing: the verdicts of the living ones while the trouble lasted. lives: what was told
    of the finished ones meanwhile, of all scenarios: each has addresses of its own."""

    scenario: Scenario
    looks: dict[str, dict[End, Look]] = field(default_factory=dict)
    standing: Verdicts = field(default_factory=dict)
    lives: list[Record] = field(default_factory=list)
    error: BaseException | None = None
    _happened: Happened | None = None

    @property
    def happened(self) -> Happened:
        """Raises what went wrong, if something did."""
        if self.error:
            raise self.error
        assert self._happened
        return self._happened

    @property
    def lasted_s(self) -> float:
        return self.looks["over"]["client"].at_s - self.looks["ready"]["client"].at_s

    def rose(self, end: End, counter: str) -> int:
        """By how much a counter of the end's namespace grew over the whole play."""
        assert not self.error
        return self.looks["over"][end].counters[counter] - self.looks["ready"][end].counters[counter]

    def told(self, end: End) -> list[Record]:
        """The lives of the connections under judgement at this end: exactly one each, in their order."""
        connections: tuple[Connection, ...] = getattr(self.happened, end)
        found = defaultdict(list)
        for life in self.lives:
            found[life["laddr"], life["lport"], life["raddr"], life["rport"]].append(life)
        lives = []
        for one in connections:
            ends = (one.laddr, one.lport, one.raddr, one.rport)
            if not one.lport:  # connect() failed before there was a port, and perhaps an address, of its own
                portless = [life for key in found if not key[1] and key[2:] == ends[2:] for life in found[key]]
                mine = [life for life in portless if life["pid"] == one.pid]
                assert len(mine) == len(connections), (len(mine), portless)
                return mine
            assert len(found[ends]) == 1, (ends, found[ends])
            lives += found[ends]
        return lives

    def run(self, watching: Watching, still: Standstill) -> None:
        """Again where the machine stood still meanwhile, which the long ones don't mind, or the kernel kept something
        from the hooks."""
        for attempt in range(1, ATTEMPTS + 1):
            begin, missed = time.monotonic(), watching.missed
            self._play(watching)
            calm = self.scenario.long or attempt >= WITHOUT_REST or not still.since(begin)
            if calm and watching.missed == missed:
                return

    def _play(self, watching: Watching) -> None:
        expected: Verdicts = {end: Counter({code: N}) for end, code in self.scenario.standing.items()}

        def look(moment: str, stage: Stage) -> None:
            rooms: dict[End, Namespace] = {"client": stage.client.room, "server": stage.server.room}
            self.looks[moment] = {
                end: Look(time.monotonic(), counters(room), list(ss(room).values())) for end, room in rooms.items()
            }
            if moment == "trouble" and expected:
                self.standing = watching.until_seen(stage, expected)

        self.error, self._happened = None, None
        try:
            self._happened = self.scenario.run(N, audience=look)
        except BaseException as error:  # noqa: BLE001 - raised in the tests that look at this one
            self.error = error


def show_all() -> dict[str, Shown]:
    """The idle ones side by side; then, so that they disturb nobody, those that keep the machine busy, one after the
    other."""
    shown = {name: Shown(scenario) for name, scenario in SCENARIOS.items()}
    longest_first = sorted(shown.values(), key=lambda one: -one.scenario.seconds)
    with Watching() as watching, Standstill() as still:
        for quiet in (True, False):
            with ThreadPoolExecutor(LANES if quiet else 1) as lanes:
                for one in longest_first:
                    if one.scenario.quiet == quiet:
                        lanes.submit(one.run, watching, still)
        lives = watching.finish()
    for one in shown.values():
        one.lives = lives
    return shown
