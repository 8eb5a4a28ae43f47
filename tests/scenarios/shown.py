"""What was seen of each scenario? Runs them side by side under one `tcpwatch life` and notes what ss, the kernel's own
counters and tcpwatch say at each scene; judges nothing."""

from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from tcpwatch.scenarios import SCENARIOS
from tcpwatch.scenarios.namespace import Namespace
from tcpwatch.scenarios.scenario import Scenario
from tcpwatch.scenarios.stage import Connection, End, Happened, Stage
from tests.kernel.watch import Record, Watch
from tests.kernel.witness import Line, counters, ss

# Beside the one lane for those that keep the machine busy. Each namespace makes a snapshot dearer, and so rarer
LANES = 4

Ends = tuple[str, int | None, str, int | None]


@dataclass(frozen=True)
class Look:
    """One end's namespace at one moment, seen by others."""

    counters: dict[str, int]
    sockets: list[Line]

    def count(self, state: str) -> int:
        return sum(line.state == state for line in self.sockets)


@dataclass
class Shown:
    """looks: by scene and end. lives: what `tcpwatch life` told meanwhile, of all scenarios:
    each has addresses of its own."""

    scenario: Scenario
    looks: dict[str, dict[End, Look]] = field(default_factory=dict)
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
            ends: Ends = (one.laddr, one.lport, one.raddr, one.rport)
            if not one.lport:  # connect() failed before there was a port, and perhaps an address, of its own
                mine = [life for key in found if key[2:] == ends[2:] and not key[1] for life in found[key]]
                assert len(mine) == len(connections), mine
                return mine
            assert len(found[ends]) == 1, (ends, found[ends])
            lives += found[ends]
        return lives

    def run(self) -> None:
        def look(moment: str, stage: Stage) -> None:
            rooms: dict[End, Namespace] = {"client": stage.client.room, "server": stage.server.room}
            self.looks[moment] = {end: Look(counters(room), list(ss(room).values())) for end, room in rooms.items()}

        try:
            self._happened = self.scenario.run(audience=look)
        except BaseException as error:  # noqa: BLE001 - raised in the tests that look at this one
            self.error = error


def show_all() -> dict[str, Shown]:
    """The idle ones side by side, those that keep the machine busy one after the other."""
    shown = {name: Shown(scenario) for name, scenario in SCENARIOS.items()}
    with Watch("life", "--netns", "all") as watch:
        with ThreadPoolExecutor(LANES) as quiet, ThreadPoolExecutor(1) as busy:
            for one in sorted(shown.values(), key=lambda one: -one.scenario.seconds):
                (quiet if one.scenario.quiet else busy).submit(one.run)
        lives = watch.finish()
    for one in shown.values():
        one.lives = lives
    return shown
