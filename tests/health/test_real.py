"""Does real trouble become a finding, and real health none? Scenarios under a session, as it is on a machine."""

import os
import time
from collections.abc import Iterator

import pytest

from tcpwatch.errors import TcpwatchError
from tcpwatch.health import Finding
from tcpwatch.kernel.programs import Knobs
from tcpwatch.kernel.source import KernelSource, Pace
from tcpwatch.live import Session
from tcpwatch.scenarios import SCENARIOS
from tcpwatch.scenarios.show import check
from tcpwatch.scenarios.stage import Stage
from tcpwatch.tracker.tracker import Tracker
from tcpwatch.verdicts.conditions import STALE_NS
from tests import again
from tests.kernel.witness import skipped
from tests.scenarios.standstill import Standstill

pytestmark = pytest.mark.played_again

PATIENCE_S = 40.0  # in which a finding must have come; for so long each trouble lasts
PICTURES = 3  # the first of them may be of the time before
ATTEMPTS = 3
N = 23
EXPECTED = {
    "refused": "refused",
    "no_answer": "no_answer",
    "accept_queue_full": "accept_queue_full",
    "out_of_ports_time_wait": "out_of_ports",
    "reset_by_us_unread_data": "reset_by_us_unread_data",
    "half_closed_lingering": "close_wait",
}
HEALTHY = ["clean", "clean_half_close", "clean_simultaneous_open", "clean_kept_alive"]


@pytest.fixture(scope="module", autouse=True)
def machine() -> None:
    """Skips where the machine lacks something, and fails where CI says that it lacks nothing."""
    try:
        check()
    except TcpwatchError as lacking:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(str(lacking))


@pytest.fixture
def session() -> Iterator[Session]:
    pace = Pace(tick=0.2, share=0.5)  # others' namespaces must not make snapshots rare
    source = KernelSource(8 << 20, Knobs(want_time_wait=True), pace)
    session = Session(source, Tracker(keep_closed=5000, history_bytes=1 << 20, keep_events=100))
    before = skipped(os.getpid())
    session.start()
    yield session
    again.note_skipped(skipped(os.getpid()) - before)
    session.stop()
    assert session.error is None


def findings(session: Session, stage: Stage) -> list[Finding]:
    """Of this stage: the machine may have its own."""
    view = session.latest()
    ours = {stage.client.room.inode, stage.server.room.inode}
    found = () if view is None else view.findings
    subjects = ((one, one.subject if isinstance(one.subject, tuple) else (one.subject,)) for one in found)
    return [one for one, subject in subjects if subject[:1] and subject[0] in ours]


def whole(finding: Finding) -> bool:
    """A picture may be of the moment at which some of them are yet to come."""
    return finding.lead.page != "connections" or finding.count == N


@pytest.mark.parametrize("name", EXPECTED)
def test_trouble_is_found(session: Session, name: str) -> None:
    """While it lasts or soon after, with all 23 of them."""
    seen: dict[str, Finding] = {}

    def look(moment: str, stage: Stage) -> None:
        # at the last scene all of it has happened, and where it stands there is one before it
        waits = moment == ("trouble" if SCENARIOS[name].standing else "over")
        give_up = time.monotonic() + (PATIENCE_S if waits else 0)
        while True:
            seen.update((one.code, one) for one in findings(session, stage))
            found = seen.get(EXPECTED[name])
            if (found and whole(found)) or time.monotonic() >= give_up:
                return
            time.sleep(0.1)

    SCENARIOS[name].run(N, audience=look)
    assert EXPECTED[name] in seen, seen
    found = seen[EXPECTED[name]]
    assert whole(found), found
    assert found.since_ns > 0
    assert found.advice


def test_a_pool_whose_server_had_closed(session: Session) -> None:
    """Its connections are written to again, long after the goodbye that nobody read."""
    found: list[Finding] = []
    with Stage() as stage:
        stage.listen()
        stage.dial(N)
        stage.server.do("close")
        stage.wait(STALE_NS / 1e9 + 0.5)
        stage.client.do("send", sizes=[23] * N)
        stage.client.do("gone")
        stage.client.do("close")
        give_up = time.monotonic() + PATIENCE_S
        while not (found and whole(found[0])) and time.monotonic() < give_up:
            found = [one for one in findings(session, stage) if one.code == "reset_after_goodbye"]
            time.sleep(0.1)
    assert [one.count for one in found] == [N]
    assert "shorter idle limit" in found[0].advice[0]


@pytest.mark.parametrize("name", HEALTHY)
def test_health_is_not(session: Session, name: str) -> None:
    """Not at any scene, nor some pictures after the end; played again where the machine stood still, which is no
    health."""
    with Standstill() as still:
        for _ in range(ATTEMPTS):
            begin = time.monotonic()
            seen = played(session, name)
            if not still.since(begin):
                break
    assert seen == []


def played(session: Session, name: str) -> list[Finding]:
    seen: list[Finding] = []

    def look(moment: str, stage: Stage) -> None:
        pictures: set[int | None] = set()
        give_up = time.monotonic() + PATIENCE_S
        while len(pictures) < PICTURES and moment != "ready":
            view = session.latest()
            pictures.add(view.time_ns if view else None)
            seen.extend(findings(session, stage))
            assert time.monotonic() < give_up, session.error
            time.sleep(0.1)

    SCENARIOS[name].run(N, audience=look)
    return seen
