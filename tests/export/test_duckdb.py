import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tcpwatch import __version__
from tcpwatch.export.export import export
from tcpwatch.export.tables import FACES, FORMS, TABLES, TableName
from tcpwatch.frame import Frame
from tcpwatch.records.contract import KEYS
from tcpwatch.script import ScriptedSource
from tests.text.build import event, step
from tests.text.test_formats import HOSTILE
from tests.tracker.machine import Machine, Weather

from .read import Record, batches, plain

WEATHER = Weather(seed=41, sockets=211, frames=307, loss=0.02)


class Base:
    """The three tables as DuckDB sees them, and what the frames themselves say."""

    def __init__(self, directory: Path, frames: list[Frame]) -> None:
        export(ScriptedSource(frames), "parquet", str(directory))
        self.told: dict[TableName, list[Record]] = {
            table: [record for batch in batches(FACES[table], frames) for record in plain(batch)] for table in TABLES
        }
        self.directory = directory
        self._connection = duckdb.connect()
        for table in TABLES:
            self._connection.execute(f"CREATE VIEW {table} AS FROM '{directory}/{table}.parquet'")

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(sql).fetchall()

    def close(self) -> None:
        self._connection.close()


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Base]:
    made = Base(tmp_path_factory.mktemp("tables"), list(Machine(WEATHER).frames()))
    yield made
    made.close()


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ("events", "event"),
        ("events", "new_state"),
        ("events", "reason"),
        ("events", "comm"),
        ("events", "raddr"),
        ("events", "conn"),
        ("events", "pid"),
        ("lives", "verdict"),
        ("lives", "role"),
        ("lives", "explanation"),
        ("samples", "state"),
        ("samples", "netns"),
        ("samples", "lport"),
    ],
)
def test_counts_are_the_frames_own(base: Base, table: TableName, key: str) -> None:
    """Grouped by DuckDB and by hand; what is unknown is a group too."""
    counted = dict(base.ask(f"SELECT {key}, count(*) FROM {table} GROUP BY 1"))
    assert counted == Counter(record[key] for record in base.told[table])
    assert len(counted) > 1


@pytest.mark.parametrize("table", TABLES)
def test_sums_and_nulls_of_every_column(base: Base, table: TableName) -> None:
    """Unknown is null, never 0; and every number adds up."""
    for key in KEYS[FACES[table]]:
        values = [record[key] for record in base.told[table]]
        known = [value for value in values if value is not None]
        assert base.ask(f"SELECT count({key}), count(*) FROM {table}") == [(len(known), len(values))], key
        if known and isinstance(known[0], int) and not key.endswith("_ns"):
            assert base.ask(f"SELECT sum({key}::UBIGINT) FROM {table}") == [(sum(known),)], key


def test_lives_join_their_events(base: Base) -> None:
    """By `conn`: as many state changes as by hand, for each connection that ended."""
    sql = "SELECT conn, count(*) FROM lives JOIN events USING (conn) WHERE event = 'state' GROUP BY conn"
    ended = {record["conn"] for record in base.told["lives"]}
    moved = Counter(r["conn"] for r in base.told["events"] if r["event"] == "state" and r["conn"] in ended)
    assert dict(base.ask(sql)) == moved
    assert len(moved) > 100


def test_samples_join_their_lives(base: Base) -> None:
    """Which end came to those that were seen open."""
    sql = "SELECT verdict, count(DISTINCT conn) FROM samples JOIN lives USING (conn) GROUP BY 1"
    seen = {record["conn"] for record in base.told["samples"]}
    assert dict(base.ask(sql)) == Counter(r["verdict"] for r in base.told["lives"] if r["conn"] in seen)


@pytest.mark.parametrize("table", TABLES)
def test_times_are_right(base: Base, table: TableName) -> None:
    """Since 1970, in UTC. Before its version 2, DuckDB kept the microseconds of a time with a zone."""
    read = [moment for (moment,) in base.ask(f"SELECT epoch_ns(time_ns) // 1000 FROM {table}")]
    assert read == [record["time_ns"] // 1000 for record in base.told[table]]


def test_one_snapshot_has_one_time(base: Base) -> None:
    """So that a table of samples can be taken apart again."""
    sizes = [count for (count,) in base.ask("SELECT count(*) FROM samples GROUP BY time_ns ORDER BY time_ns")]
    assert sizes == [count for _, count in sorted(Counter(r["time_ns"] for r in base.told["samples"]).items())]


def test_states_unnest(base: Base) -> None:
    """How long connections were in each state, out of the lists."""
    sql = """
        SELECT s.state, count(*), count(s.duration_us), coalesce(sum(s.duration_us), 0)
        FROM (SELECT unnest(states) AS s FROM lives) GROUP BY 1
    """
    pairs = [pair for record in base.told["lives"] for pair in record["states"]]
    by_hand = {
        state: (
            sum(name == state for name, _ in pairs),
            sum(name == state and us is not None for name, us in pairs),
            sum(us or 0 for name, us in pairs if name == state),
        )
        for state in {name for name, _ in pairs}
    }
    assert {state: tuple(rest) for state, *rest in base.ask(sql)} == by_hand


def test_evidence_unnests(base: Base) -> None:
    """In its order, with its times."""
    sql = "SELECT conn, epoch_ns(e.time_ns) // 1000, e.what FROM (SELECT conn, unnest(evidence) AS e FROM lives)"
    told = [
        (record["conn"], at and at // 1000, what)
        for record in base.told["lives"]
        for at, what in record["evidence"] or []
    ]
    assert base.ask(sql) == told
    assert any(at is None for _, at, _ in told)


def test_the_files_say_whose_they_are(base: Base) -> None:
    """The host, the span, the schema and what was lost: in the files' own metadata."""
    sql = f"SELECT decode(key), decode(value) FROM parquet_kv_metadata('{base.directory}/events.parquet')"
    facts = dict(base.ask(sql))
    lost = Counter[str]()
    for record in base.told["events"]:
        if record["event"] == "lost":
            lost[record["reason"]] += record["count"]
    assert json.loads(facts["tcpwatch.lost"]) == lost
    assert (facts["tcpwatch.host"], facts["tcpwatch.kernel"], facts["tcpwatch.schema"]) == ("here", "6.18", "1")
    assert (facts["tcpwatch.version"], facts["tcpwatch.table"]) == (__version__, "events")
    times = [record["time_ns"] for record in base.told["events"]]
    assert int(facts["tcpwatch.begin_ns"]) <= min(times) <= max(times) <= int(facts["tcpwatch.end_ns"])


def test_the_documents_queries_work(base: Base) -> None:
    """Each example of docs/export.md is understood and finds something."""
    document = (Path(__file__).parents[2] / "docs" / "export.md").read_text("utf-8")
    (queries,) = re.findall(r"```sql\n(.*?)```", document, re.DOTALL)
    statements = [one for one in queries.replace("'OUT/", f"'{base.directory}/").split(";") if one.strip()]
    assert len(statements) == 5
    for statement in statements:
        assert base.ask(f"SELECT count(*) > 0 FROM ({statement}\n)") == [(True,)], statement


def test_hostile_names_are_data(tmp_path: Path) -> None:
    """Not SQL, not CSV, not a terminal's: in every form the same harmless text."""
    whole = step([event(pid=7 + n, comm=comm, cookie=n + 1) for n, comm in enumerate(HOSTILE)])
    for form in FORMS:
        export(ScriptedSource([whole.frame]), form, str(tmp_path))
    sql = "SELECT comm FROM '{}/events.{}' ORDER BY pid"
    parquet, csv, jsonl = (duckdb.execute(sql.format(tmp_path, form)).fetchall() for form in FORMS)
    assert parquet == csv == jsonl
    assert all(comm.isprintable() for (comm,) in parquet)
    assert len(parquet) == len(HOSTILE)
