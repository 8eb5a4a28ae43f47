"""How do batches of records become one Arrow batch? Column by column, without an object per record: numbers stay
arrays, and what repeats becomes text only once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from tcpwatch.export.types import TEXT, WORD
from tcpwatch.records.jsonl import numbers
from tcpwatch.records.lines import Fixed, join
from tcpwatch.records.parts import (
    Array,
    Codes,
    Label,
    Mask,
    Number,
    Part,
    Records,
    Sequences,
    Shared,
    Value,
    group,
    names_of,
)

_LATEST_NS = np.uint64(2**63)  # what a timestamp cannot hold, only a damaged clock says
_NEWLINE = ord("\n")
_PAIR = ("state", "duration_us")


@dataclass(frozen=True, slots=True)
class _Names:
    """Labels, each different one held once, or nearly. codes: (n,) which of them each record has."""

    few: Label
    codes: Codes


Compact = Mapping[str, Number | Shared | Sequences | _Names]  # the columns of a batch


def compact(batch: Records) -> Compact:
    """To be kept until a row group is together: without the frame, and made while that is still in the cache."""
    return {name: _compact(part) for part in batch.parts for name in names_of(part)}


def _compact(part: Part) -> Number | Shared | Sequences | _Names:
    if isinstance(part, Number):
        return Number(part.name, np.ascontiguousarray(part.values), part.known)
    if isinstance(part, Label):
        first, codes = group(*part.numbers, part.known.view(np.uint8))
        return _Names(Label(part.name, [numbers[first] for numbers in part.numbers], part.known[first]), codes)
    return part


def gather(batches: Sequence[Compact], kinds: pa.Schema) -> pa.RecordBatch:
    """All records of the batches, at least one, in order; the columns of `kinds`."""
    columns = [_column(field.name, field.type, [batch[field.name] for batch in batches]) for field in kinds]
    return pa.RecordBatch.from_arrays(columns, schema=kinds)


def _column(name: str, kind: pa.DataType, parts: Sequence[Any]) -> pa.Array:
    if isinstance(parts[0], _Names):
        return _labels(kind, parts)
    if isinstance(parts[0], Sequences):
        return _lists(parts)
    if kind == WORD:
        return _words(name, parts)
    if pa.types.is_nested(kind):
        return pa.concat_arrays([_nested(name, kind, part) for part in parts])
    return _numbers(name, kind, parts)


def _numbers(name: str, kind: pa.DataType, parts: Sequence[Number | Shared]) -> pa.Array:
    """Numbers, times and truths, which are a Number in some batches and Shared in others."""
    is_time = pa.types.is_timestamp(kind)
    dtype = np.dtype("uint64" if is_time else str(kind))
    columns = [_number(name, dtype, part) for part in parts]
    values, known = (np.concatenate(column) for column in zip(*columns))
    if is_time:
        known &= values < _LATEST_NS
        values = values.view(np.int64)
    return pa.array(values, kind, mask=None if known.all() else ~known)


def _number(name: str, dtype: np.dtype[Any], part: Number | Shared) -> tuple[Array, Mask]:
    if isinstance(part, Number):
        known = np.ones(len(part.values), np.bool_) if part.known is None else part.known
        return part.values.astype(dtype, copy=False), known
    few = part.values[name]
    known = np.array([value is not None for value in few], np.bool_)
    return np.array([value or 0 for value in few], dtype)[part.codes], known[part.codes]


def _words(name: str, parts: Sequence[Shared]) -> pa.DictionaryArray:
    words: dict[Value, int] = {}
    columns = []
    for part in parts:
        few = [-1 if word is None else words.setdefault(word, len(words)) for word in part.values[name]]
        columns.append(np.array(few, np.int32)[part.codes])
    codes = np.concatenate(columns)
    return _dictionary(codes, pa.array(words, pa.string()), codes < 0)


def _labels(kind: pa.DataType, parts: Sequence[_Names]) -> pa.Array:
    columns = [np.concatenate(column) for column in zip(*(part.few.numbers for part in parts))]
    known = np.concatenate([part.few.known for part in parts])
    begins = np.cumsum([0, *(len(part.few.known) for part in parts)])
    places = np.concatenate([part.codes + begin for part, begin in zip(parts, begins)])
    texts = _texts(Label("", columns, known))
    if kind == TEXT:
        return texts.take(pa.array(places, mask=~known[places]))
    words = texts.dictionary_encode()  # a name may be there twice
    return _dictionary(words.indices.to_numpy()[places], words.dictionary, ~known[places])


def _texts(label: Label) -> pa.StringArray:
    count = len(label.known)
    lines = np.frombuffer(join([*numbers(label), Fixed("\n")], count), np.uint8)
    breaks = lines == _NEWLINE
    offsets = np.zeros(count + 1, np.int32)
    offsets[1:] = np.flatnonzero(breaks) - np.arange(count)
    return pa.StringArray.from_buffers(count, pa.py_buffer(offsets), pa.py_buffer(lines[~breaks]))


def _lists(parts: Sequence[Sequences]) -> pa.ListArray:
    """Lists of pairs of a word and a number."""
    words: dict[Value, int] = {}
    codes, values, known = (np.concatenate(column) for column in zip(*(_flat(part, words) for part in parts)))
    pairs = pa.StructArray.from_arrays(
        [_dictionary(codes, pa.array(words, pa.string())), pa.array(values, mask=~known)], _PAIR
    )
    offsets = np.cumsum(np.concatenate([[0], *(part.lengths for part in parts)])).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pairs)


def _flat(part: Sequences, words: dict[Value, int]) -> tuple[Array, Array, Mask]:
    used = np.arange(len(part.codes)) < part.lengths[:, None]
    places = np.array([words.setdefault(word, len(words)) for word in part.words], np.int32)
    return places[part.codes.T[used]], part.values.T[used], part.known.T[used]


def _nested(name: str, kind: pa.DataType, part: Shared) -> pa.Array:
    """Pairs, or lists of pairs of a time and a text, that records share."""
    paired = _timed if pa.types.is_list(kind) else tuple
    values: Sequence[Any] = part.values[name]
    few = [None if value is None else paired(value) for value in values]
    return pa.array(few, kind).take(pa.array(part.codes))


def _timed(evidence: list[list[Any]]) -> list[tuple[int | None, str]]:
    return [(at if at is None or at < _LATEST_NS else None, what) for at, what in evidence]


def _dictionary(codes: Array, words: pa.Array, absent: Mask | None = None) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(codes, mask=absent), words)
