"""The one door to the room: folds a stream of frames and writes its tables."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from tcpwatch import words
from tcpwatch.errors import TcpwatchError
from tcpwatch.export import place
from tcpwatch.export.facts import Facts
from tcpwatch.export.lines import LineTable
from tcpwatch.export.progress import Progress
from tcpwatch.export.tables import FACES, TABLES, FormName, Table, TableName
from tcpwatch.narration import say
from tcpwatch.records.selection import Selection
from tcpwatch.source import Source
from tcpwatch.tracker.tracker import Tracker

if TYPE_CHECKING:
    from tcpwatch.filter import Filter

Make = Callable[[TableName, BinaryIO], Table]


def export(
    source: Source,
    form: FormName,
    out: str,
    *,
    table: TableName | None = None,
    wanted: "Filter | None" = None,
    force: bool = False,
    span: tuple[int, int] | None = None,
) -> None:
    """Write the source's frames as tables: into the directory `out`, or one table into the file `out`. All of them
    appear when they are whole, or none does. The source is the caller's to stop, which ends the tables early, and to
    close.

    wanted: only these records. force: replace files. span: the stream's begin and end, CLOCK_MONOTONIC ns, for the
    progress that is told on stderr. Raises UsageError, TcpwatchError for what cannot be written, and what the source
    raises."""
    tables = TABLES if table is None else (table,)
    found = place.paths(out, form, tables, single=table is not None, force=force)
    facts = Facts("" if wanted is None else wanted.expression)
    with _maker(form) as make, place.files(found) as files:
        rows = _fill(source, found, {name: make(name, file) for name, file in files.items()}, wanted, facts, span)
    told = ", ".join(f"{count:,} {name}" for name, count in rows.items())
    say(f"tcpwatch: {told} written to {words.clean(out)}{f'; {facts.lost:,} events were lost' if facts.lost else ''}")


@contextmanager
def _maker(form: FormName) -> Iterator[Make]:
    if form != "parquet":
        yield lambda name, file: LineTable(name, form, file)
        return
    try:
        from tcpwatch.export.parquet import ParquetTable
    except ImportError as error:
        raise TcpwatchError(f"writing Parquet needs pyarrow: {error}", "pip install tcpwatch-ebpf[parquet]") from error
    with ThreadPoolExecutor(1) as thread:
        yield lambda name, file: ParquetTable(name, file, thread)


def _fill(
    source: Source,
    found: Mapping[TableName, str],
    tables: Mapping[TableName, Table],
    wanted: "Filter | None",
    facts: Facts,
    span: tuple[int, int] | None,
) -> dict[TableName, int]:
    """How many rows each table got."""
    tracker, progress = Tracker(), Progress(span)
    selections = {name: Selection(FACES[name], wanted) for name in tables}
    rows = dict.fromkeys(tables, 0)
    try:
        for frame in source.frames():
            step = tracker.fold(frame)
            facts.note(step)
            for name, table in tables.items():
                for batch in selections[name].of(step):
                    rows[name] += batch.size
                    with place.writing(found[name]):
                        table.add(batch)
            progress.note(sum(rows.values()), frame.end_ns)
        for name, table in tables.items():
            with place.writing(found[name]):
                table.finish(facts.of(name))
    except BaseException:
        for table in tables.values():
            table.abandon()
        raise
    return rows
