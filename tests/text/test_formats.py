import csv
import io
import json
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tcpwatch import rows, wire
from tcpwatch.frame import Frame, Host, Snapshot
from tcpwatch.records import contract
from tcpwatch.records.jsonl import JsonLines
from tcpwatch.records.lines import Decimal, Fixed, digits, join
from tcpwatch.records.parts import Number, Records, group
from tcpwatch.records.selection import FaceName
from tcpwatch.text.writer import FormatName
from tcpwatch.tracker.step import Step

from .build import END_NS, HOST, event, step, table_of, told, written

HOSTILE = [
    b'"\\',
    b"\x1b[2J",
    b"a,b\nc",
    b"\xff\xfe",
    b"</script>",
    "日本語".encode(),
    b"=1+1",
    "\u2028\u202e".encode(),
]


def noise(dtype: np.dtype[Any], size: int) -> st.SearchStrategy[np.ndarray]:
    """Records of any bytes at all."""
    raw = arrays.arrays(np.uint8, (size, dtype.itemsize), elements=st.integers(0, 255), fill=st.integers(0, 255))
    return raw.map(lambda lines: lines.copy().view(dtype).ravel())


@st.composite
def steps(draw: st.DrawFn) -> Step:
    """What a source could never be trusted not to bring."""
    events, sockets, table = (draw(noise(t, draw(st.integers(0, 5)))) for t in (wire.EVENT, wire.SOCKET, rows.ROW))
    lives = draw(noise(rows.ROW, draw(st.integers(0, 5))))
    lives["role"] %= 3
    events["comm"] = draw(st.lists(st.binary(max_size=16), min_size=len(events), max_size=len(events)))
    lines = draw(arrays.arrays(np.int32, len(events), elements=st.integers(-1, len(table) - 1)))
    host = Host("h", "k", "b", draw(st.sampled_from([0, 100, 1000])), 1, draw(st.integers(0, 2**61)), ("A", 'B"'))
    paths = draw(st.dictionaries(st.integers(0, 2**64 - 1), st.text(max_size=5)))
    frame = Frame(1, 2, host, events=events, snapshot=Snapshot(1, 2, sockets, frozenset()))
    lost = draw(arrays.arrays(np.uint64, len(wire.KINDS)))
    return Step(frame, lines, table, lives, lost, paths, {n & 0xFFFFFFFF: name for n, name in paths.items()}, {})


def everything(what: Step) -> list[tuple[FaceName, Records]]:
    return [
        ("events", contract.events(what, slice(None))),
        ("life", contract.lives(what, slice(None))),
        ("snapshot", contract.sockets(what, slice(None))),
    ]


@settings(deadline=None, max_examples=150)
@given(steps())
def test_json_says_what_the_records_hold(what: Step) -> None:
    """Whatever bytes come in: valid JSON, one line per record, the keys in order, the values unharmed."""
    for face, batch in everything(what):
        columns = batch.columns()
        lines = bytes(JsonLines().lines(batch)).decode().split("\n")
        assert lines.pop() == ""
        parsed = [json.loads(line) for line in lines]
        assert len(parsed) == batch.size
        for number, record in enumerate(parsed):
            assert tuple(record) == contract.KEYS[face]
            assert record == {key: columns[key][number] for key in record}


@settings(deadline=None, max_examples=150)
@given(steps())
def test_csv_says_what_json_says(what: Step) -> None:
    """The same columns; null is an empty field, everything else is the JSON value or the text itself."""
    for face in ("events", "life", "snapshot"):
        for record, line in zip(told(face, what), table_of(face, what), strict=True):
            assert list(record) == list(line)
            assert {key: as_csv(value) for key, value in record.items()} == line


def as_csv(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


@settings(deadline=None, max_examples=50)
@given(steps(), st.sampled_from(["events", "life", "snapshot"]))
def test_text_has_one_line_per_record(what: Step, face: FaceName) -> None:
    """A snapshot's details begin with a tab; nothing else stands there that a terminal would obey."""
    lines = written(face, "text", what).decode().split("\n")
    assert lines.pop() == ""
    assert len([line for line in lines if not line.startswith("\t")]) == 1 + len(told(face, what))
    assert not any(ord(c) < 32 for line in lines for c in line.removeprefix("\t"))


@pytest.mark.parametrize("comm", HOSTILE)
def test_hostile_names(comm: bytes) -> None:
    """Quotes, commas, escape sequences, formulas: in every format the same harmless name."""
    what = step([event(pid=7, comm=comm)])
    (record,), (line,) = told("events", what), table_of("events", what)
    assert record["comm"] == line["comm"]
    assert record["pid"] == 7
    assert record["comm"].isprintable()


@pytest.mark.parametrize("form", ["jsonl", "csv", "text"])
def test_more_lines_than_fit_into_one_page(form: FormatName) -> None:
    """The seams between pages do not show, and the order is the kernel's."""
    count = 20_011
    what = step([event(bytes_acked=n, flags=wire.EVENT_SOCKET, time_ns=END_NS + n) for n in range(count)])
    lines = written("events", form, what).splitlines()
    assert len(lines) == count + (form != "jsonl")
    if form == "jsonl":
        assert [json.loads(line)["bytes_acked"] for line in lines] == list(range(count))


def test_csv_has_a_header_even_without_records() -> None:
    """So that what reads it knows the columns."""
    for face, keys in contract.KEYS.items():
        text = written(face, "csv", step()).decode()  # type: ignore[arg-type]
        assert next(csv.reader(io.StringIO(text))) == list(keys)


@given(st.lists(st.integers(0, 2**64 - 1), min_size=1), st.integers(0, 25), st.integers(0, 3))
def test_numbers(numbers: list[int], width: int, places: int) -> None:
    """As Python writes them, with a point where asked for; all as wide as the widest where a width is given."""
    texts = [f"{n // 10**places}.{n % 10**places:0{places}}" if places else str(n) for n in numbers]
    width = max(width, places + 2) if width else 0
    widest = max(width, *map(len, texts)) if width else 0
    column = Decimal(Number("", np.array(numbers, np.uint64)), "", width, places)
    assert bytes(join([column, Fixed("\n")], len(numbers))).decode().splitlines() == [
        text.rjust(widest) for text in texts
    ]


@given(st.lists(st.integers(0, 2**64 - 1), min_size=1))
def test_hexadecimal_numbers(numbers: list[int]) -> None:
    """As Python writes them."""
    words = digits(np.array(numbers, np.uint64), radix=16, size=2)
    lines = zip(*(word.tolist() for word in words))
    assert [b"".join(n.to_bytes(2, sys.byteorder) for n in line).strip(b"\0").decode() for line in lines] == [
        f"{n:x}" for n in numbers
    ]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2**64 - 1))))
def test_groups_hold_what_is_equal(pairs: list[tuple[int, int]]) -> None:
    """Each record's group has its very values; nothing is joined that differs."""
    columns = [np.array([pair[n] for pair in pairs], np.uint64) for n in (0, 1)]
    first, codes = group(*columns)
    assert all((column[first][codes] == column).all() for column in columns)
    assert codes.tolist() == [] or codes.max() == len(first) - 1


def test_groups_are_few() -> None:
    """Ten thousand records of 23 connections are 23 groups, but for the rare collision."""
    first, _ = group(np.arange(10_007, dtype=np.uint64) % np.uint64(23))
    assert 23 <= len(first) < 230


def test_the_host_is_the_same_for_all() -> None:
    """A name from a recording passes through the same cleaning as a live one."""
    (record,) = told("events", step([event(netns=5)], namespaces={5: 'x"\x9b'}, host=HOST))
    assert record["netns"] == 'x"?'
