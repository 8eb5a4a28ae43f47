"""Does the picture of some moment of a recording name connections as all else does that is said of it?"""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tcpwatch.recording.reader import Recording
from tcpwatch.recording.writer import Writer
from tests.tracker import build
from tests.tracker.machine import SECOND_NS

CALL = {"lport": 50_000, "rport": 443, "laddr": [0] * 10 + [255, 255, 10, 0, 0, 1], "family": 2}
CLIENTS, SECONDS = 23, 70


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Connections that are opened in its second second and stay. A snapshot begins with each second, and ends half a
    second later."""
    path = tmp_path_factory.mktemp("long") / "long.tcpw"
    calls = [build.moves((7, 2), (2, 1), at=1.25, cookie=cookie, **CALL) for cookie in range(1, CLIENTS + 1)]
    sockets = build.sockets(*({"cookie": cookie, "state": 1, **CALL} for cookie in range(1, CLIENTS + 1)))
    writer = Writer(path)
    for second in range(SECONDS):
        events = calls if second == 1 else []
        shown = sockets if second > 1 else sockets[:0]
        frame = build.frame(second + 0.5, *events, snapshot=shown, begin=float(second))
        writer.write(replace(frame, begin_ns=build.START_NS + second * SECOND_NS))
    writer.close()
    with Recording(path) as written:
        assert len(written.segments) > 2
    return path


def said(path: Path, *words: str) -> tuple[str, str]:
    command = [sys.executable, "-m", "tcpwatch", *words, "--from", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def names(out: str) -> set[str]:
    return {json.loads(line)["conn"] for line in out.splitlines()}


def test_one_name_everywhere(recording: Path) -> None:
    """However long before the moment, in the file, the connections were opened."""
    events, _ = said(recording, "events", "--format", "jsonl")
    told = names(events)
    assert len(told) == CLIENTS
    assert all(name.count("-") == 2 for name in told)
    for at in ("+3s", "+65s"):
        shown, _ = said(recording, "snapshot", "--format", "jsonl", "--at", at)
        assert names(shown) == told


def test_a_filter_knows_what_was_long_before(recording: Path) -> None:
    """Which end opened them, and when."""
    out, _ = said(recording, "snapshot", "--at", "+65s", "role = client and age > 60s")
    assert out.count("ESTAB") == CLIENTS
    assert out == said(recording, "snapshot", "--at", "+65s")[0]


@pytest.mark.parametrize(("at", "apart"), [("+65.5s", "0.000 s before"), ("+66.4s", "0.900 s before")])
def test_how_old_it_is(recording: Path, at: str, apart: str) -> None:
    """The sockets were read some time before the moment that was asked for, if one was."""
    _, told = said(recording, "snapshot", "--at", at)
    assert f", {apart} the moment asked for" in told
    assert "asked for" not in said(recording, "snapshot")[1]


def test_a_moment_before_the_first(recording: Path) -> None:
    """Then it is the first picture there is."""
    _, told = said(recording, "snapshot", "--at", "+0s")
    assert ", 0.500 s after the moment asked for" in told
