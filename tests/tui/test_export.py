"""Is what `e` writes what the view shows, in each of them; and what is said where it cannot be written?"""

import io
import json
import re
import resource
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tcpwatch import wire
from tcpwatch.commands.screen import _export
from tcpwatch.errors import TcpwatchError
from tcpwatch.frame import Snapshot
from tcpwatch.recording.reader import Recording
from tcpwatch.records import contract
from tcpwatch.text.export import export
from tcpwatch.text.writer import Writer
from tcpwatch.tracker.tracker import Tracker
from tcpwatch.tracker.view import View
from tcpwatch.tui import units
from tcpwatch.tui.app import TcpwatchApp
from tcpwatch.tui.views import VIEWS

from . import picture
from .hand import Hand, hand

DOCS = Path(__file__).parents[2] / "docs"
UNSAFE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
PORTS = (
    *("schema", "time_ns", "netns", "laddr", "raddr", "rport", "pid", "comm", "used", "time_wait", "free", "ports"),
    *("taken", "new_s", "growth_s", "lasts_ms", "failed"),
)
FINDINGS = (
    *("schema", "time_ns", "finding", "harm", "what", "where", "numbers", "count", "since_ns", "earlier"),
    *("explanation", "advice", "filter"),
)


class Writing(TcpwatchApp):
    """With the export that the commands give it."""

    def __init__(
        self, feed: picture.Still, expression: str = "", *, loader: str = "", theme: str | None = None
    ) -> None:
        super().__init__(feed, expression, loader=loader, theme=theme, export=_export)


def lists(view: View) -> Iterator[bool]:
    """Which of those that views are made of have several lines."""
    listeners = view.connections["state"] == wire.LISTEN
    yield from (len(one) > 1 for one in (view.idle, view.ports, view.findings, listeners.nonzero()[0]))


class Demo:
    """The real recording of the documentation. now: a picture in its midst, with several lines in every view; end: the
    last one. told: what `events --format jsonl` writes of it."""

    def __init__(self) -> None:
        tracker = Tracker(keep_closed=5000, history_bytes=1, keep_events=20_000, nat_timeout_s=350.0)
        out = io.BytesIO()
        writer = Writer("events", "jsonl", out)
        for number, frame in enumerate(Recording(str(DOCS / "demo" / "demo.tcpw")).frames()):
            writer.write(tracker.fold(frame))
            if number % 20 == 0 and all(lists(view := tracker.view())):
                self.now = view
        self.end = tracker.view()
        self.told = [json.loads(line) for line in out.getvalue().splitlines()]
        for record, inode in zip(self.told, self.end.events["netns"].tolist(), strict=True):
            record["netns"] = self.end.namespaces.get(inode)  # as they are called by now, like on the screen


@pytest.fixture(scope="module")
def demo() -> Demo:
    return Demo()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where tcpwatch was started."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


async def written(h: Hand, view: View, name: str, place: Path, *keys: str) -> list[dict[str, Any]]:
    """What `e` writes in the view of that name, after these keys. The screen says so, and none but its owner may read
    the file."""
    h.feed.put(view)
    await h.settle()
    await h.press(str([known for known, _ in VIEWS].index(name) + 1), *keys, "e")
    (file,) = place.iterdir()
    text = file.read_text(encoding="utf-8")
    assert file.stat().st_mode & 0o777 == 0o600
    assert not UNSAFE.search(text)
    records = [json.loads(line) for line in text.splitlines()]
    assert f"{len(records):,} line{'s' * (len(records) != 1)} written to {file.name}" in h.lines()[-1]
    return records


def cells(h: Hand, *columns: str) -> Iterator[tuple[str, ...]]:
    """The texts of these columns, line by line from the top, of however many do not fit the screen."""
    shown = h.table.shown
    assert shown is not None
    for i in h.order():
        drawn = (h.page.sheet.column(name).draw(shown.view, shown.rows, i, 400)[0] for name in columns)
        yield tuple(text.strip() for text in drawn)


def drawn_as(unit: Callable[[float], str], value: float | None) -> str:
    return unit(float("nan") if value is None else value).strip()


def endpoint(record: dict[str, Any], side: str) -> str:
    host, port = record[f"{side}addr"], record[f"{side}port"]
    return "–" if host is None else f"[{host}]:{port or '*'}" if ":" in host else f"{host}:{port or '*'}"


def process(record: dict[str, Any]) -> str:
    return "–" if record["pid"] is None else f"{record['comm']} {record['pid']}"


def same_measures(records: list[dict[str, Any]], cells_: Iterator[tuple[str, ...]]) -> None:
    """Round-trip time and bytes, in the shape of the screen."""
    for record, (rtt, received) in zip(records, cells_, strict=True):
        assert drawn_as(units.latency, record["srtt_us"]) == rtt
        assert drawn_as(units.lined, record["bytes_received"]) == received


@pytest.mark.asyncio
async def test_events_are_what_the_events_face_wrote(demo: Demo, place: Path) -> None:
    """Each of them with each key, the newest first."""
    async with hand(demo.end.connections, app=Writing) as h:
        records = await written(h, demo.end, "Events", place)
    assert len(records) == len(demo.told) > 1000
    assert [pair for pair in zip(records, demo.told[::-1], strict=True) if pair[0] != pair[1]][:3] == []
    assert list(records[0]) == list(contract.EVENTS)


@pytest.mark.asyncio
async def test_events_as_they_are_picked_and_sorted(demo: Demo, place: Path) -> None:
    """By a filter, and by what happened."""
    async with hand(demo.end.connections, "dport = 8080 and comm = client", app=Writing, page="Events") as h:
        records = await written(h, demo.end, "Events", place, "s")
        assert h.page.wish.sort == "event"
        drawn = list(cells(h, "local", "remote", "process"))
        same_measures(records, cells(h, "rtt", "received"))
    assert 0 < len(records) < len(demo.told)
    assert [(endpoint(one, "l"), endpoint(one, "r"), process(one)) for one in records] == drawn
    kinds = [wire.KINDS.index(one["event"]) for one in records]
    assert kinds == sorted(kinds)
    assert len(set(kinds)) > 1


@pytest.mark.asyncio
async def test_events_are_remembered_for_longer_than_their_connections(demo: Demo, place: Path) -> None:
    """Each is still said to be of the same connection, or of an unknown one; never of another."""
    gone = replace(demo.end, connections=demo.end.connections[:0])
    async with hand(gone.connections, app=Writing) as h:
        records = await written(h, gone, "Events", place)
    pairs = [(one["conn"], before["conn"]) for one, before in zip(records, demo.told[::-1], strict=True)]
    assert {one for one, before in pairs if one != before} == {None}
    listening = {one["conn"] for one in demo.told if "LISTEN" in (one["old_state"], one["new_state"])}
    assert {before for one, before in pairs if one != before} <= listening
    assert all(one == {**before, "conn": one["conn"]} for one, before in zip(records, demo.told[::-1], strict=True))


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("name", "keys"),
    [("Connections", ()), ("Connections", ("s", "s", "S")), ("Listeners", ()), ("Idle", ()), ("Idle", ("s", "S"))],
)
async def test_connections_are_records_of_the_snapshot(
    demo: Demo, place: Path, name: str, keys: tuple[str, ...]
) -> None:
    """Those of the view that have a socket, in its order."""
    async with hand(demo.now.connections, app=Writing) as h:
        records = await written(h, demo.now, name, place, *keys)
        here = (demo.now.connections["snap"][h.order()] >= 0).tolist()
        drawn = [one for one, has in zip(cells(h, "local", "process"), here, strict=True) if has]
        assert ("without a socket left out" in h.lines()[-1]) == (not all(here))
    assert [(endpoint(one, "l"), process(one)) for one in records] == drawn
    assert len(records) > 1
    assert list(records[0]) == list(contract.SNAPSHOT)
    assert ({one["state"] for one in records} == {"LISTEN"}) == (name == "Listeners")


@pytest.mark.asyncio
@pytest.mark.parametrize("keys", [(), ("s", "s", "S")])
async def test_ports_are_a_line_each(demo: Demo, place: Path, keys: tuple[str, ...]) -> None:
    """With the numbers of the columns, and null where there is none."""
    async with hand(demo.now.connections, size=(250, 40), app=Writing) as h:
        records = await written(h, demo.now, "Ports", place, *keys)
        drawn = list(cells(h, *(column.name for column in h.page.sheet.columns)))
    assert len(records) == len(demo.now.ports)
    for one, line in zip(records, drawn, strict=True):
        assert tuple(one) == PORTS
        assert (one["schema"], one["time_ns"]) == (1, demo.now.time_ns)
        growth = one["growth_s"]
        sign = "" if not growth else "+" if growth > 0 else "−"
        assert line == (
            endpoint(one, "r"),
            one["laddr"],
            process(one),
            *(drawn_as(units.whole, one[key]) for key in ("used", "time_wait", "free", "ports")),
            "–" if one["taken"] is None else f"{'■' * round(one['taken'] * 8):·<8} {units.percent(one['taken']):>5}",
            drawn_as(units.rate, one["new_s"]),
            sign + drawn_as(units.rate, None if growth is None else abs(growth)),
            "none" if one["lasts_ms"] == 0 else drawn_as(units.duration, one["lasts_ms"]),
            drawn_as(units.compact, one["failed"]),
            one["netns"],
        )


@pytest.mark.asyncio
async def test_ports_that_run_out_say_when(demo: Demo, place: Path) -> None:
    """In milliseconds, 0 where there is none; and a growth that rounds to nothing has no sign."""
    ports = np.repeat(demo.now.ports[:1], 4)
    ports["rport"] = (1, 2, 3, 4)
    ports["exhausted_s"], ports["growth"] = (0, 41.5, np.nan, 3), (-1e-9, -2.5, np.nan, 0)
    ports["ports"], ports["free"], ports["reusable"] = (20, 0, np.nan, 23), (4, 0, np.nan, 23), (1, 0, 0, 0)
    async with hand(demo.now.connections, app=Writing) as h:
        records = await written(h, replace(demo.now, ports=ports), "Ports", place)
    keys = ("lasts_ms", "growth_s", "ports", "free", "taken")
    assert {one["rport"]: tuple(str(one[key]) for key in keys) for one in records} == {
        1: ("0", "0.0", "20", "4", "0.75"),
        2: ("41500", "-2.5", "0", "0", "None"),
        3: ("None", "None", "None", "None", "None"),
        4: ("3000", "0.0", "23", "23", "0.0"),
    }


@pytest.mark.asyncio
@pytest.mark.parametrize("keys", [(), ("s", "s")])
async def test_findings_are_a_line_each(demo: Demo, place: Path, keys: tuple[str, ...]) -> None:
    """With what the columns say, the sentence and the cure."""
    async with hand(demo.now.connections, size=(160, 40), app=Writing) as h:
        records = await written(h, demo.now, "Health", place, *keys)
        drawn = list(cells(h, "harm", "what", "where", "numbers", "for", "since"))
        findings = [demo.now.findings[i] for i in h.order()]
    assert len(records) == len(demo.now.findings)
    for one, line, finding in zip(records, drawn, findings, strict=True):
        assert tuple(one) == FINDINGS
        lasts_ms = (one["time_ns"] - one["since_ns"]) / 1e6
        assert line == (
            *(one[key] for key in ("harm", "what", "where", "numbers")),
            "≥" * one["earlier"] + units.duration(lasts_ms),
            units.clock(one["since_ns"])[:8],
        )
        assert (one["finding"], one["count"]) == (finding.code, finding.count)
        assert (one["explanation"], tuple(one["advice"])) == (finding.sentence, finding.advice)
        assert one["filter"] == (finding.lead.expression or None)


@pytest.mark.asyncio
@pytest.mark.parametrize("name", ["Events", "Ports", "Health", "Connections"])
async def test_names_are_made_harmless(demo: Demo, place: Path, name: str) -> None:
    """Of processes, namespaces and services; what they are is still seen."""
    evil = "\x1b[2J\u202e\x07"
    rows, ports, comms = demo.now.connections.copy(), demo.now.ports.copy(), demo.now.event_comms.copy()
    for array in (rows, ports):
        array["comm"], array["pid"] = evil.encode(), 7
    comms[:] = evil.encode()
    findings = tuple(
        replace(one, what=evil, where=evil, numbers=evil, sentence=evil, advice=(evil,)) for one in demo.now.findings
    )
    named = dict.fromkeys(demo.now.namespaces, evil)
    hostile = replace(demo.now, connections=rows, ports=ports, event_comms=comms, findings=findings, namespaces=named)
    async with hand(rows, app=Writing) as h:
        records = await written(h, hostile, name, place)
    seen = {one["where"] if name == "Health" else one["comm"] for one in records}
    assert "?[2J??" in seen


@pytest.mark.asyncio
@pytest.mark.parametrize("name", [name for name, _ in VIEWS])
async def test_where_nothing_is_shown_nothing_is_written(place: Path, name: str) -> None:
    """And that is said."""
    nothing = picture.connections(0)
    async with hand(nothing, page=name, app=Writing) as h:
        await h.press("e")
        assert "nothing to write: nothing is shown" in h.lines()[-1]
    assert not list(place.iterdir())


@pytest.mark.asyncio
@pytest.mark.parametrize("name", [name for name, _ in VIEWS])
async def test_what_cannot_be_written_is_said(demo: Demo, place: Path, name: str) -> None:
    """In the view where it was asked for."""
    async with hand(demo.now.connections, size=(160, 40), page=name, app=Writing) as h:
        h.feed.put(demo.now)
        await h.settle()
        place.rmdir()
        await h.press("e")
        assert "not exported: No such file or directory: ./tcpwatch-" in h.lines()[-1]


@pytest.mark.asyncio
async def test_nothing_is_overwritten(demo: Demo, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not a file of the same second, nor what a link leads to."""
    monkeypatch.setattr("time.strftime", lambda *_: "tcpwatch-now")
    (place / "tcpwatch-now.jsonl").write_text("mine")
    (place / "tcpwatch-now-2.jsonl").symlink_to(place / "elsewhere")
    async with hand(demo.now.connections, page="Ports", app=Writing) as h:
        h.feed.put(demo.now)
        await h.settle()
        await h.press("e")
        assert f"{len(demo.now.ports)} lines written to tcpwatch-now-3.jsonl" in h.lines()[-1]
        await h.press("e")
    assert (place / "tcpwatch-now.jsonl").read_text() == "mine"
    assert not (place / "elsewhere").exists()
    texts = [(place / f"tcpwatch-now-{number}.jsonl").read_text() for number in (3, 4)]
    assert texts[0] == texts[1]


@pytest.mark.parametrize(
    ("page", "title", "keys"),
    [("ports-and-idle.md", "### Ports in a file", PORTS), ("output.md", "| key of a finding |", FINDINGS)],
)
def test_every_key_is_documented(page: str, title: str, keys: tuple[str, ...]) -> None:
    """And no other, in the order in which they stand."""
    _, _, told = (DOCS / page).read_text().partition(title)
    lines = re.split(r"\n## ", told)[0].splitlines()
    firsts = [line.split("|")[1] for line in lines if line.startswith("| `")]
    assert [name for first in firsts for name in re.findall("`(.*?)`", first)] == list(keys)


def test_where_no_name_is_free(view: View, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is written, and nothing lost."""
    monkeypatch.setattr("time.strftime", lambda *_: "tcpwatch-now")
    monkeypatch.setattr("os.path.lexists", lambda _: False)  # somebody takes it after it was looked for
    (tmp_path / "tcpwatch-now.jsonl").write_text("mine")
    with pytest.raises(TcpwatchError, match=r"^File exists: .*tcpwatch-now\.jsonl"):
        export(view, "connections", np.arange(23), str(tmp_path))
    assert (tmp_path / "tcpwatch-now.jsonl").read_text() == "mine"


@pytest.fixture
def view() -> View:
    """23 connections, each with its socket."""
    rows = picture.connections(23)
    rows["snap"] = np.arange(23)
    return replace(picture.view(rows), snapshot=Snapshot(0, 0, np.zeros(23, wire.SOCKET), frozenset()))


def test_where_there_is_room(view: View, tmp_path: Path) -> None:
    """A line each; one alone is one line."""
    said = export(view, "connections", np.arange(23), str(tmp_path))
    (file,) = tmp_path.iterdir()
    assert said == f"23 lines written to {file}"
    assert file.read_text().count("\n") == 23
    assert export(view, "connections", np.arange(1), str(tmp_path)).startswith("1 line written to ")


def test_a_full_disk(view: View, tmp_path: Path) -> None:
    """What happened and to which file, in words; and nothing half-written stays."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(TcpwatchError) as refused:
            export(view, "connections", np.arange(23), str(tmp_path))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert refused.value.what.startswith(f"File too large: {tmp_path}/tcpwatch-")
    assert not list(tmp_path.iterdir())


def test_no_such_directory(view: View, tmp_path: Path) -> None:
    """Likewise."""
    with pytest.raises(TcpwatchError, match=r"^No such file or directory: .*gone/tcpwatch-"):
        export(view, "connections", np.arange(23), str(tmp_path / "gone"))
