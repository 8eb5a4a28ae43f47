"""Records as CSV (RFC 4180, lines end in LF): a header, the same columns as the JSON keys, unknown is an empty field.
Data stays what it is: a name that starts with `=` is not rewritten for the sake of spreadsheets."""

import re
from collections.abc import Iterator, Sequence

from tcpwatch.records.jsonl import encode, numbers, pairs
from tcpwatch.records.lines import Coded, Column, Decimal, Fixed, join
from tcpwatch.records.parts import Label, Number, Part, Records, Sequences, Value

_SPECIAL = re.compile('[,"\r\n]').search


class Csv:
    def __init__(self, names: Sequence[str]) -> None:
        self._header = (",".join(names) + "\n").encode()

    def header(self) -> bytes:
        return self._header

    def lines(self, records: Records) -> memoryview:
        columns: list[Column] = []
        for part in records.parts:
            columns += [*_columns(part), Fixed(",")]
        columns[-1] = Fixed("\n")
        return join(columns, records.size)


def _columns(part: Part) -> Iterator[Column]:
    if isinstance(part, Number):
        yield Decimal(part, "")
    elif isinstance(part, Sequences):
        quoted = part.lengths == 0
        yield Coded(['"', ""], quoted)
        yield from pairs(part, quote='""')
        yield Coded(['"', ""], quoted)
    elif isinstance(part, Label):
        yield from numbers(part)
    else:
        yield Coded([",".join(map(_field, row)) for row in zip(*part.values.values())], part.codes)


def _field(value: Value) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else encode(value)
    return '"' + text.replace('"', '""') + '"' if _SPECIAL(text) else text
