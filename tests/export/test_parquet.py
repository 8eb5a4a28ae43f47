import io
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings

from tcpwatch import wire
from tcpwatch.export import parquet as writing
from tcpwatch.export.tables import FACES, TABLES, TableName
from tcpwatch.export.types import schema
from tcpwatch.records import contract
from tcpwatch.records.contract import KEYS
from tcpwatch.tracker.step import Step
from tests.text.build import END_NS, event, step
from tests.text.test_formats import HOSTILE, everything, steps
from tests.text.test_lives import life
from tests.tracker.machine import Machine
from tests.tracker.test_model import weathers

from .read import LATEST_NS, Record, batches, parquet, plain, records, written

TABLE_OF: dict[str, TableName] = {face: table for table, face in FACES.items()}


def possible(record: Record) -> Record:
    """Times that Arrow has no room for are unknown: clocks that say so are broken."""
    kept = {key: None if key.endswith("_ns") and _late(value) else value for key, value in record.items()}
    if evidence := kept.get("evidence"):
        kept["evidence"] = [[None if _late(at) else at, what] for at, what in evidence]
    return kept


def _late(time_ns: int | None) -> bool:
    return time_ns is not None and time_ns >= LATEST_NS


@settings(max_examples=60)
@given(steps())
def test_parquet_says_what_the_records_hold(what: Step) -> None:
    """Whatever bytes come in: every key, every value, null where unknown; nothing is added and nothing changed."""
    for face, batch in everything(what):
        assert records(parquet(TABLE_OF[face], [batch])) == [possible(record) for record in plain(batch)]


@settings(max_examples=30)
@given(weathers)
def test_a_stream_is_the_sum_of_its_frames(weather: object) -> None:
    """Lives of every kind, cut into frames anywhere, with losses: all batches in their order, as one table."""
    frames = list(Machine(weather).frames())  # type: ignore[arg-type]
    for table in TABLES:
        told = batches(FACES[table], frames)
        assert records(parquet(table, told)) == [record for batch in told for record in plain(batch)]


def test_row_groups_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that memory is; and the seams do not show, though each group has words of its own."""
    monkeypatch.setattr(writing, "ROWS", 23)
    steps = [
        step([event(cookie=n * 7 + m, raddr=f"10.0.{n}.{m}", rport=m) for m in range(n % 5 + 1)]) for n in range(101)
    ]
    told = [contract.events(one, slice(None)) for one in steps]
    huge = contract.events(step([event(cookie=n + 1, rport=n) for n in range(1009)]), slice(None))
    file = written("events", [*told, huge, *told])
    groups = pq.ParquetFile(file).metadata
    sizes = [groups.row_group(place).num_rows for place in range(groups.num_row_groups)]
    assert max(sizes) <= 23 + 4
    assert sum(sizes) == sum(batch.size for batch in told) * 2 + 1009
    assert records(pq.read_table(file)) == [record for batch in [*told, huge, *told] for record in plain(batch)]


def test_nothing_has_a_schema_too() -> None:
    """The columns are there before the first record is."""
    for table in TABLES:
        empty = parquet(table, [])
        assert (empty.num_rows, tuple(empty.column_names)) == (0, KEYS[FACES[table]])


@pytest.mark.parametrize("comm", HOSTILE)
def test_hostile_names_are_data(comm: bytes) -> None:
    """Quotes, escape sequences, formulas: the harmless name that every face shows."""
    batch = contract.events(step([event(pid=7, comm=comm)]), slice(None))
    (record,) = records(parquet("events", [batch]))
    assert record["comm"] == plain(batch)[0]["comm"]
    assert record["comm"].isprintable()


def test_hostile_reasons_of_a_recording() -> None:
    """The kernel's names come with the file, and a file may hold anything: also what is no text."""
    what = step([event(kind=wire.RESET_SENT, flags=wire.EVENT_REASON, reason=0)])
    frame = replace(what.frame, host=replace(what.frame.host, reset_reasons=("\x1b[2J\ud800",)))
    (record,) = records(parquet("events", [contract.events(replace(what, frame=frame), slice(None))]))
    assert record["reason"] == "?[2J?"


def test_columns_say_what_they_are() -> None:
    """A description each; a unit wherever the name has one."""
    for table in TABLES:
        read = parquet(table, []).schema
        assert read.equals(schema(table), check_metadata=False)
        for field in read:
            told = {key.decode(): text.decode() for key, text in field.metadata.items()}
            assert told["description"]
            suffix = field.name.rsplit("_", 1)[-1]
            if suffix in ("ns", "us", "ms"):
                assert told["unit"] == suffix


def test_types_that_fit() -> None:
    """Times that know their zone, numbers without a sign, words that repeat, lists of pairs."""
    lives = schema("lives")
    assert lives.field("time_ns").type == pa.timestamp("ns", "UTC")
    assert pa.types.is_dictionary(lives.field("verdict").type)
    assert lives.field("conn").type == pa.string()
    assert lives.field("bytes_sent").type == pa.uint64()
    assert lives.field("states").type == pa.list_(pa.struct([("state", pa.string()), ("duration_us", pa.uint64())]))


def test_every_nanosecond_counts() -> None:
    """Neither rounded to microseconds nor shifted by a zone."""
    facts = [event(time_ns=END_NS + n) for n in (1, 2, 999)]
    what = step(facts, lives=[life()])
    (times,) = [parquet("events", [contract.events(what, slice(None))])["time_ns"].cast(pa.int64()).to_pylist()]
    assert [moment - what.frame.host.realtime_offset_ns for moment in times] == [END_NS + 1, END_NS + 2, END_NS + 999]


def test_a_flipped_bit_is_noticed() -> None:
    """Pages have checksums: whoever asks for it hears of damage instead of reading other numbers."""
    batch = contract.events(step([event(cookie=n + 1, bytes_acked=n**5) for n in range(997)]), slice(None))
    data = bytearray(written("events", [batch]).getvalue())
    column = pq.ParquetFile(io.BytesIO(data)).metadata.row_group(0).column(KEYS["events"].index("conn"))
    data[column.data_page_offset + column.total_compressed_size // 4] ^= 4
    with pytest.raises(OSError, match="CRC"):
        pq.read_table(io.BytesIO(bytes(data)), columns=["conn"], page_checksum_verification=True)
