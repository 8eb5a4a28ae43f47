"""Records as JSON lines: one object per line, every key in every line, unknown is null."""

from collections.abc import Iterator
from json.encoder import JSONEncoder, encode_basestring

import numpy as np

from tcpwatch.records.lines import Coded, Column, Decimal, Fixed, Hexadecimal, join
from tcpwatch.records.parts import Label, Number, Part, Records, Sequences, Value

_nested = JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class JsonLines:
    def header(self) -> bytes:
        return b""

    def lines(self, records: Records) -> memoryview:
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
    if isinstance(part, Sequences):
        yield Fixed(f'"{part.name}":')
        yield from pairs(part)
        return
    if isinstance(part, Label):
        yield Fixed(f'"{part.name}":')
        yield Coded(["null", '"'], part.known)
        yield from numbers(part)
        yield Coded(["", '"'], part.known)
        return
    template = ",".join(f'"{name}":%s' for name in part.values)
    yield Coded([template % texts for texts in zip(*(map(encode, v) for v in part.values.values()))], part.codes)


def numbers(part: Label) -> Iterator[Column]:
    """Hexadecimal, with dashes between them."""
    for place, values in enumerate(part.numbers):
        shown = part.known & (values != 0) if place else part.known
        if shown.all() and (values == values[:1]).all():  # one namespace, mostly
            yield Fixed("-" * bool(place) + "".join(f"{number:x}" for number in values[:1].tolist()))
            continue
        if place:
            yield Coded(["", "-"], shown)
        yield Hexadecimal(values, ~shown)


def pairs(part: Sequences, quote: str = '"') -> Iterator[Column]:
    """Lists of [word, number] as JSON."""
    yield Fixed("[")
    for place in range(int(part.lengths.max(initial=0))):
        absent = part.lengths <= place
        opened = [f"{',' if place else ''}[{quote}{word}{quote}," for word in part.words]
        yield Coded([*opened, ""], np.where(absent, len(opened), part.codes[place]))
        yield Decimal(Number("", part.values[place], part.known[place]), "null", absent=absent)
        yield Coded(["]", ""], absent)
    yield Fixed("]")


def encode(value: Value) -> str:
    """One value as JSON. Says what an encoder would, faster for the kinds of value there are most of."""
    if value is None:
        return "null"
    if isinstance(value, str):
        return encode_basestring(value)
    return str(value) if type(value) is int else _nested(value)
