"""Is the verdict right, 23 of 23? Of each finished connection as `tcpwatch life` tells it, and, while a trouble lasts,
of each living one in the tracker's view."""

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tcpwatch.kernel.programs import Knobs
from tcpwatch.kernel.source import KernelSource, Pace
from tcpwatch.live import Session
from tcpwatch.scenarios import SCENARIOS
from tcpwatch.scenarios.stage import End, Stage
from tcpwatch.tracker.tracker import Tracker
from tcpwatch.verdicts import CODES

from .shown import LANES, Shown

JUDGED = [(name, end) for name, scenario in SCENARIOS.items() for end in scenario.verdicts]
STANDING = [(name, end) for name, scenario in SCENARIOS.items() for end in scenario.standing if not scenario.long]
SEEN_S = 4.0  # within which a trouble that stands must be seen; shorter than the shortest of them lasts

Verdicts = dict[End, Counter[str | None]]


@pytest.mark.parametrize(("name", "end"), JUDGED)
def test_the_finished_ones(shown: dict[str, Shown], name: str, end: End) -> None:
    """Exactly this verdict, and a sentence that goes with it."""
    lives = shown[name].told(end)
    assert Counter(life["verdict"] for life in lives) == {SCENARIOS[name].verdicts[end]: 23}
    assert all(life["explanation"] for life in lives)


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    source = KernelSource(8 << 20, Knobs(want_time_wait=True), pace=Pace(tick=0.2))
    session = Session(source, Tracker())
    session.start()
    yield session
    session.stop()


@pytest.fixture(scope="module")
def standing(session: Session) -> dict[str, "Future[Verdicts]"]:
    """What the view made of each end's connections at the scene "trouble", side by side."""
    names = {name for name, _ in STANDING}

    def run(name: str) -> Verdicts:
        found: Verdicts = {}

        def look(moment: str, stage: Stage) -> None:
            if moment == "trouble":
                found.update(until_seen(session, stage, name))

        SCENARIOS[name].run(audience=look)
        return found

    with ThreadPoolExecutor(LANES) as quiet, ThreadPoolExecutor(1) as busy:
        return {name: (quiet if SCENARIOS[name].quiet else busy).submit(run, name) for name in names}


def until_seen(session: Session, stage: Stage, name: str) -> Verdicts:
    """The verdicts of the connections under judgement, as soon as they are the expected ones, or else at last."""
    give_up = time.monotonic() + SEEN_S
    while True:
        found = {end: verdicts(session, stage, end) for end in SCENARIOS[name].standing}
        expected = all(found[end] == {code: 23} for end, code in SCENARIOS[name].standing.items())
        if expected or time.monotonic() > give_up:
            return found
        time.sleep(0.1)


def verdicts(session: Session, stage: Stage, end: End) -> Counter[str | None]:
    wanted = {(one.netns, one.lport, one.rport) for one in getattr(stage.happened(), end)}
    view = session.latest()
    rows = [] if view is None else view.connections[["netns", "lport", "rport", "verdict"]].tolist()
    return Counter(CODES[code] for netns, lport, rport, code in rows if (netns, lport, rport) in wanted)


@pytest.mark.parametrize(("name", "end"), STANDING)
def test_the_living_ones(standing: dict[str, "Future[Verdicts]"], name: str, end: End) -> None:
    """Exactly this verdict while the trouble lasts, whatever comes of it in the end."""
    assert standing[name].result()[end] == {SCENARIOS[name].standing[end]: 23}
