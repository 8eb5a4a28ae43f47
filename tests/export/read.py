"""How are tables written and read in these tests? Into memory, and back as plain Python in the shape of JSON lines."""

import io
import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tcpwatch.export.parquet import ParquetTable
from tcpwatch.export.tables import TableName
from tcpwatch.frame import Frame
from tcpwatch.records.parts import Records
from tcpwatch.records.selection import Selection
from tcpwatch.tracker.tracker import Tracker

Record = dict[str, Any]
LATEST_NS = 1 << 63


def written(table: TableName, batches: Iterable[Records]) -> io.BytesIO:
    """The batches as a Parquet file."""
    file = io.BytesIO()
    with ThreadPoolExecutor(1) as thread:
        writer = ParquetTable(table, file, thread)
        for batch in batches:
            writer.add(batch)
        writer.finish({})
    return io.BytesIO(file.getvalue())


def parquet(table: TableName, batches: Iterable[Records]) -> pa.Table:
    """The batches, written and read again."""
    return pq.read_table(written(table, batches), page_checksum_verification=True)


def records(table: pa.Table) -> list[Record]:
    """Row by row as JSON lines have them; times as integers, for Python's datetime knows no nanoseconds."""
    columns = {name: _plain(table[name].combine_chunks()) for name in table.column_names}
    return [dict(zip(columns, row)) for row in zip(*columns.values())]


def _plain(column: pa.Array) -> list[Any]:
    if pa.types.is_timestamp(column.type):
        return column.cast(pa.int64()).to_pylist()
    if pa.types.is_list(column.type):
        inner = _plain(column.flatten())
        ends = [0, *pc.cumulative_sum(pc.fill_null(pc.list_value_length(column), 0)).to_pylist()]
        return [
            inner[begin:end] if known else None
            for begin, end, known in zip(ends, ends[1:], column.is_valid().to_pylist())
        ]
    if pa.types.is_struct(column.type):
        pairs = zip(*(_plain(part) for part in column.flatten()))
        return [list(pair) if known else None for pair, known in zip(pairs, column.is_valid().to_pylist())]
    return column.to_pylist()


def batches(face: Any, frames: Iterable[Frame]) -> list[Records]:
    """What the frames bring for one face."""
    tracker, selection = Tracker(), Selection(face)
    return [batch for frame in frames for batch in selection.of(tracker.fold(frame))]


def plain(batch: Records) -> list[Record]:
    """Records as they are, one by one."""
    columns = {name: values for name, values in batch.columns().items() if name in batch.names()}
    return [dict(zip(columns, row)) for row in zip(*columns.values())]


def lines(path: Path) -> list[Record]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]
