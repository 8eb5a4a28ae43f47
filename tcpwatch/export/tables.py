"""Which tables are there, which records go into which, and in which forms? Knows nothing of files."""

from collections.abc import Mapping
from typing import Literal, Protocol, get_args

from tcpwatch.records.parts import Records
from tcpwatch.records.selection import FaceName

TableName = Literal["events", "lives", "samples"]
FormName = Literal["parquet", "csv", "jsonl"]
TABLES: tuple[TableName, ...] = get_args(TableName)
FORMS: tuple[FormName, ...] = get_args(FormName)

FACES: Mapping[TableName, FaceName] = {"events": "events", "lives": "life", "samples": "snapshot"}


class Table(Protocol):
    """A table on its way into a file. Its methods raise the file's OSError."""

    def add(self, batch: Records) -> None: ...

    def finish(self, facts: Mapping[str, str]) -> None:
        """Nothing more will be added. facts: what is true of the whole stream, for forms that have room for it."""

    def abandon(self) -> None:
        """Instead of finish(), where that or add() failed; the file is still open. Raises nothing."""
