"""Tables as lines of text, byte for byte what `tcpwatch events`, `life` and `snapshot` write in that format."""

from collections.abc import Mapping
from typing import BinaryIO, Literal

from tcpwatch.export.tables import FACES, TableName
from tcpwatch.records.formats import FORMATS
from tcpwatch.records.parts import Records


class LineTable:
    """A Table (tables.py). file: buffered."""

    def __init__(self, name: TableName, form: Literal["csv", "jsonl"], file: BinaryIO) -> None:
        self._format, self._file = FORMATS[form](FACES[name]), file
        file.write(self._format.header())

    def add(self, batch: Records) -> None:
        self._file.write(self._format.lines(batch))

    def finish(self, facts: Mapping[str, str]) -> None:
        self._file.flush()

    def abandon(self) -> None:
        pass
