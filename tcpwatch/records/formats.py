"""In which formats do machines read records? What each is called, and what a format is."""

from collections.abc import Mapping
from typing import Protocol

from tcpwatch.records.contract import KEYS
from tcpwatch.records.csv import Csv
from tcpwatch.records.jsonl import JsonLines
from tcpwatch.records.parts import Records
from tcpwatch.records.selection import FaceName


class Format(Protocol):
    def header(self) -> bytes:
        """What stands before the first record."""

    def lines(self, batch: Records) -> bytes | memoryview: ...


class _Maker(Protocol):
    def __call__(self, face: FaceName) -> Format: ...


FORMATS: Mapping[str, _Maker] = {"jsonl": lambda face: JsonLines(), "csv": lambda face: Csv(KEYS[face])}
