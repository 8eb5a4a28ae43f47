"""Records as JSON lines: one object per line, every key in every line, unknown is null."""

from collections.abc import Iterator
from json.encoder import JSONEncoder, encode_basestring

from tcpwatch.text.lines import Coded, Column, Decimal, Fixed, join
from tcpwatch.text.parts import Number, Part, Records, Value

_nested = JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class JsonLines:
    def header(self) -> bytes:
        return b""

    def lines(self, records: Records) -> bytes:
        columns: list[Column] = [Fixed("{")]
        for part in records.parts:
            columns += [*_columns(part), Fixed(",")]
        columns[-1] = Fixed("}\n")
        return join(columns, records.size)


def _columns(part: Part) -> Iterator[Column]:
    if isinstance(part, Number):
        yield Fixed(f'"{part.name}":')
        yield Decimal(part, "null")
        return
    template = ",".join(f'"{name}":%s' for name in part.values)
    yield Coded([template % texts for texts in zip(*(map(encode, v) for v in part.values.values()))], part.codes)


def encode(value: Value) -> str:
    """One value as JSON. Says what an encoder would, faster for the kinds of value there are most of."""
    if value is None:
        return "null"
    if isinstance(value, str):
        return encode_basestring(value)
    return str(value) if type(value) is int else _nested(value)
