"""Do the tables say what really happened? Real connections, their frames recorded, the recording exported and asked in
SQL."""

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from tcpwatch import wire
from tcpwatch.errors import TcpwatchError
from tcpwatch.export.export import export
from tcpwatch.frame import Frame
from tcpwatch.kernel.programs import Knobs
from tcpwatch.kernel.source import KernelSource, Pace
from tcpwatch.recording.source import open_recording
from tcpwatch.recording.writer import Writer
from tcpwatch.scenarios.actor import Actor
from tcpwatch.scenarios.namespace import DEADLINE_S, Namespace
from tcpwatch.scenarios.show import check
from tcpwatch.scenarios.talk import CONNECTIONS, Talk
from tcpwatch.tracker.tracker import Tracker
from tests import again

Ask = Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture(scope="module", autouse=True)
def machine() -> None:
    """Skips where the machine lacks something, and fails where CI says that it lacks nothing."""
    try:
        check()
    except TcpwatchError as lacking:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(str(lacking))


class Recorder(threading.Thread):
    """Records one namespace. lives: how many ended so far; a snapshot was taken while as many as `seen` were open."""

    def __init__(self, room: Namespace, path: Path) -> None:
        super().__init__()
        self._source = KernelSource(8 << 20, Knobs(want_netns=room.inode), Pace(tick=0.05, snapshot=0.1, share=1.0))
        self._writer, self._tracker = Writer(path), Tracker()
        self._changed = threading.Condition()
        self.lives = self.seen = 0

    def run(self) -> None:
        for frame in self._source.frames():
            self._writer.write(frame)
            with self._changed:
                self._note(frame)
                self._changed.notify_all()
        self._source.close()
        self._writer.close()

    def _note(self, frame: Frame) -> None:
        self.lives += len(self._tracker.fold(frame).lives)
        if frame.snapshot is not None:
            open_ones = frame.snapshot.sockets["state"] == wire.ESTABLISHED
            self.seen = max(self.seen, int(np.count_nonzero(open_ones)))

    def until(self, wanted: Callable[["Recorder"], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: wanted(self), DEADLINE_S), (self.lives, self.seen)

    def end(self) -> None:
        self._source.stop()
        self.join()
        again.note_skipped(self._source.programs.interrupted)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Talk, int, int, Ask]]:
    """What was talked, by whom (pids), and the tables."""
    (talk, client, server), directory = again.undisturbed(
        lambda: recorded(tmp_path_factory.mktemp("real")), again.PLAYS
    )
    source = open_recording(directory / "session")
    export(source, "parquet", str(directory))
    source.close()
    with duckdb.connect() as base:
        for table in ("events", "lives", "samples"):
            base.execute(f"CREATE VIEW {table} AS FROM '{directory}/{table}.parquet'")
        yield talk, client, server, lambda sql: base.execute(sql).fetchall()


def recorded(directory: Path) -> tuple[tuple[Talk, int, int], Path]:
    with Namespace() as room, Actor(room, b"tw-client") as client, Actor(room, b"tw-server") as server:
        recorder = Recorder(room, directory / "session")
        recorder.start()
        try:
            talk = Talk(client, server)
            talk.open()
            talk.exchange()
            recorder.until(lambda one: one.seen >= 2 * CONNECTIONS)
            talk.hang_up(client)
            recorder.until(lambda one: one.lives >= 2 * CONNECTIONS)
        finally:
            recorder.end()
        return (talk, client.pid, server.pid), directory


def test_the_lives_are_those_that_were_lived(told: tuple[Talk, int, int, Ask]) -> None:
    """23 connections, both their ends: ports, bytes, processes, verdicts."""
    talk, client, server, ask = told
    columns = "bytes_sent, bytes_received, pid, comm, verdict"
    clients = ask(f"SELECT lport, {columns} FROM lives WHERE role = 'client' AND rport = {talk.port}")
    servers = ask(f"SELECT rport, {columns} FROM lives WHERE role = 'server' AND lport = {talk.port}")
    asked, answered = dict(zip(talk.ports, talk.asked)), dict(zip(talk.ports, talk.answered))
    assert sorted(clients) == sorted(
        (port, asked[port], answered[port], client, "tw-client", "clean") for port in talk.ports
    )
    assert sorted(servers) == sorted(
        (port, answered[port], asked[port], server, "tw-server", "clean") for port in talk.ports
    )


def test_states_are_the_textbooks(told: tuple[Talk, int, int, Ask]) -> None:
    """In order, out of the lists; and their times add up to the life."""
    talk, _, _, ask = told
    paths = ask(f"""
        SELECT [s.state for s in states], count(*),
               bool_and(abs(list_sum([s.duration_us for s in states]) - duration_us) <= len(states))
        FROM lives WHERE rport = {talk.port} GROUP BY 1
    """)
    assert paths == [(["SYN_SENT", "ESTABLISHED", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT"], CONNECTIONS, True)]


def test_events_lead_to_lives_and_samples(told: tuple[Talk, int, int, Ask]) -> None:
    """Each connection has one name in all three tables, and what it did lies within its life."""
    talk, _, _, ask = told
    rows = ask(f"""
        SELECT lport, count(*) FILTER (event = 'state' AND new_state = 'ESTABLISHED'),
               bool_and(events.time_ns BETWEEN opened_ns AND closed_ns),
               any_value((SELECT count(*) > 0 FROM samples WHERE samples.conn = lives.conn AND state = 'ESTABLISHED'))
        FROM lives JOIN events USING (conn, lport) WHERE lives.rport = {talk.port} GROUP BY lport
    """)
    assert sorted(rows) == sorted((port, 1, True, True) for port in talk.ports)
