import io
import json
import os
from pathlib import Path
from typing import Any

import pytest

from tcpwatch import rows, wire
from tcpwatch.filter import parse
from tcpwatch.records.selection import FaceName
from tcpwatch.text.writer import Writer

from .build import BEGIN_NS, END_NS, NETNS, event, step, told, written
from .test_lives import life
from .test_sockets import socket


def test_a_limit_holds_over_steps() -> None:
    """23 records, then no more."""
    out = io.BytesIO()
    writer = Writer("events", "jsonl", out, limit=23)
    counts = [writer.write(step([event()] * 10)) for _ in range(4)]
    assert counts == [10, 10, 3, 0]
    assert writer.done
    assert len(out.getvalue().splitlines()) == 23


def test_losses_count_as_records() -> None:
    """They come after the events of their step, and stop at the limit."""
    what = step([event()] * 3, lost={0: 5, 1: 6, 2: 7})
    assert [r["event"] for r in told("events", what, limit=5)] == ["state"] * 3 + ["lost"] * 2
    assert [r["event"] for r in told("events", what, limit=2)] == ["state"] * 2


def test_without_a_limit_it_is_never_done() -> None:
    """Nor after nothing at all."""
    writer = Writer("life", "csv", io.BytesIO())
    assert writer.write(step()) == 0
    assert not writer.done


def test_the_limit_counts_what_the_filter_lets_through() -> None:
    """Not what it looked at."""
    events = [event(rport=n % 2, cookie=n) for n in range(20)]
    records = told("events", step(events), wanted="dport = 1", limit=4)
    assert [r["conn"] for r in records] == [f"{NETNS:x}-{n:x}" for n in (1, 3, 5, 7)]


@pytest.mark.parametrize(
    ("wanted", "kept"),
    [
        ("comm = owner", [1]),
        ("pid = 5", [0]),
        ("sport = 40001", [1]),
        ("src 10.0.0.7 and dport = 53122", [0, 1, 2]),
        ("rtt > 40us", [0]),
        ("retrans = 0", [0]),
        ("state fin-wait-1", [0, 1]),
        ("role client", [1]),
        ("cgroup = /a", [1]),
        ("netns = blue", [2]),
        ("age >= 3s", [1]),
        ("not rtt > 40us", []),
    ],
)
def test_filters_on_events(wanted: str, kept: list[int]) -> None:
    """The event's own facts, joined with what the table knows; what is unknown is let through by nothing."""
    table = [{"cookie": 2, "netns": NETNS, "pid": 9, "comm": b"owner", "lport": 40001, "role": 1, "cgroup": 3}]
    table[0]["opened_ns"] = BEGIN_NS - 3_000_000_000
    events = [
        event(cookie=1, pid=5, comm=b"actor", srtt_us=41, flags=wire.EVENT_SOCKET),
        event(cookie=2, lport=0),
        event(cookie=3, netns=12, new_state=7),
    ]
    what = step(events, rows_=[-1, 0, -1], table=table, cgroups={3: "/a/b"}, namespaces={12: "blue"})
    cookies = [int(r["conn"].split("-")[1]) - 1 for r in told("events", what, wanted=wanted)]
    assert cookies == kept


@pytest.mark.parametrize(
    ("wanted", "kept"),
    [
        ("role server", [2]),
        ("age > 20ms", [2]),
        ("bytes_sent > 5kb", [3]),
        ("comm = curl and min_rtt = 200us", [1, 2, 3]),
        ("idle > 0s", []),
    ],
)
def test_filters_on_lives(wanted: str, kept: list[int]) -> None:
    """They see the values that are shown."""
    lives = [
        life(cookie=1),
        life(cookie=2, role=rows.SERVER, closed_ns=1_021_000_000),
        life(cookie=3, bytes_sent=6000, bytes_retrans=0),
    ]
    assert [int(r["conn"].split("-")[1]) for r in told("life", step(lives=lives), wanted=wanted)] == kept


@pytest.mark.parametrize(
    ("wanted", "kept"),
    [
        ("idle >= 200ms", [2]),
        ("recv_queue > 300", [3]),
        ("state_age > 10s", [1]),
        ("age > 30s", [1]),
        ("comm = mine", [1]),
        ("state listening", [3]),
        ("rtt > 1us", [1, 2]),
        ("segs_out = 8", [1, 2]),
    ],
)
def test_filters_on_sockets(wanted: str, kept: list[int]) -> None:
    """The snapshot's numbers, and the table's memory of owners and times."""
    entered = [0, END_NS - 20_000_000_000] + [0] * (rows.PATH - 2)
    row = {"cookie": 1, "netns": NETNS, "snap": 0, "pid": 4, "comm": b"mine", "path_len": 2, "path_ns": entered}
    sockets = [socket(cookie=1), socket(cookie=2, idle_ticks=50), socket(cookie=3, state=wire.LISTEN, recv_queue=500)]
    what = step(sockets=sockets, table=[{**row, "opened_ns": END_NS - 40_000_000_000}])
    assert [int(r["conn"][-1]) for r in told("snapshot", what, wanted=wanted)] == kept


def test_each_step_is_one_write() -> None:
    """So a reader of a pipe gets whole lines at once."""

    class Counting(io.BytesIO):
        writes = 0

        def write(self, text: Any, /) -> int:
            self.writes += 1
            return super().write(text)

    out = Counting()
    writer = Writer("events", "jsonl", out)
    writer.header()
    writer.write(step([event()] * 23, lost={0: 1}))
    writer.write(step())
    assert out.writes == 1
    assert len(out.getvalue().splitlines()) == 24


@pytest.mark.parametrize("face", ["events", "life", "snapshot"])
def test_a_closed_pipe_is_the_callers_to_handle(face: FaceName) -> None:
    """It arrives as BrokenPipeError, unwrapped."""
    reading, writing = os.pipe()
    os.close(reading)
    with pytest.raises(BrokenPipeError), os.fdopen(writing, "wb", buffering=0) as out:
        Writer(face, "text", out).write(step([event()], lives=[life()], sockets=[socket()]))


def test_a_full_disk_is_the_callers_to_handle() -> None:
    """It arrives as OSError."""
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("needs /dev/full")
    with full.open("wb", buffering=0) as out, pytest.raises(OSError, match="No space left"):
        Writer("events", "jsonl", out).write(step([event()]))


def test_a_filter_may_be_empty() -> None:
    """It lets everything through."""
    assert len(told("events", step([event()] * 5), wanted="")) == 5


def test_one_filter_serves_many_steps() -> None:
    """Columns are made anew for each."""
    out = io.BytesIO()
    writer = Writer("events", "jsonl", out, parse("dport = 2"))
    counts = [writer.write(step([event(rport=port)])) for port in (1, 2, 3, 2)]
    assert counts == [0, 1, 0, 1]
    assert [json.loads(line)["rport"] for line in out.getvalue().splitlines()] == [2, 2]


def test_no_sockets_still_have_a_header() -> None:
    """As ss prints it."""
    assert written("snapshot", "text", step(sockets=[])).startswith(b"State ")
