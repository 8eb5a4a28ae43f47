"""Steps made by hand: arrays whose fields are given by name, everything else zero."""

import csv
import io
import ipaddress
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tcpwatch import rows, wire
from tcpwatch.filter import parse
from tcpwatch.frame import Frame, Host, Snapshot
from tcpwatch.records.selection import FaceName
from tcpwatch.text.writer import FormatName, Writer
from tcpwatch.tracker.step import Step

BEGIN_NS, END_NS = 500_000_000_000, 500_050_000_000
OFFSET_NS = 1_700_000_000_000_000_000
NETNS = 0xF0000075
HOST = Host("box", "6.18.0", "boot", 250, NETNS, OFFSET_NS, ("NOT_SPECIFIED", "NO_SOCKET", "TCP_ABORT_ON_CLOSE"))

Fields = Mapping[str, Any]


def address(text: str) -> list[int]:
    """16 bytes, IPv4 mapped."""
    parsed = ipaddress.ip_address(text)
    six = parsed if parsed.version == 6 else ipaddress.ip_address(f"::ffff:{text}")
    return list(six.packed)


def array(dtype: np.dtype[Any], lines: Sequence[Fields]) -> np.ndarray:
    made = np.zeros(len(lines), dtype)
    for line, fields in zip(made, lines):
        for name, value in fields.items():
            line[name] = address(value) if name.endswith("addr") else value
    return made


def ends(laddr: str = "10.0.0.7", lport: int = 443, raddr: str = "10.0.0.9", rport: int = 53122) -> dict[str, Any]:
    return {"laddr": laddr, "lport": lport, "raddr": raddr, "rport": rport, "netns": NETNS, "family": wire.INET}


def event(**fields: Any) -> dict[str, Any]:
    """A change of state of connection 0xbeef."""
    usual = {"cookie": 0xBEEF, "time_ns": BEGIN_NS + 1, "count": 1, "old_state": 1, "new_state": 4}
    return {**ends(), **usual, **fields}


def step(
    events: Sequence[Fields] = (),
    *,
    rows_: Sequence[int] | None = None,
    table: Sequence[Fields] = (),
    lives: Sequence[Fields] = (),
    sockets: Sequence[Fields] | None = None,
    lost: Mapping[int, int] | None = None,
    host: Host = HOST,
    cgroups: Mapping[int, str] | None = None,
    namespaces: Mapping[int, str] | None = None,
) -> Step:
    snapshot = None
    if sockets is not None:
        found = array(wire.SOCKET, sockets)
        snapshot = Snapshot(BEGIN_NS, END_NS, found, frozenset(found["netns"].tolist()))
    losses = np.zeros(len(wire.KINDS), np.uint64)
    for kind, count in (lost or {}).items():
        losses[kind] = count
    return Step(
        Frame(BEGIN_NS, END_NS, host, events=array(wire.EVENT, events), snapshot=snapshot),
        np.array([-1] * len(events) if rows_ is None else rows_, np.int32),
        array(rows.ROW, table),
        array(rows.ROW, lives),
        losses,
        cgroups or {},
        namespaces or {},
        {},
    )


def written(
    face: FaceName, form: FormatName, what: Step, *, wanted: str | None = None, limit: int | None = None
) -> bytes:
    out = io.BytesIO()
    writer = Writer(face, form, out, None if wanted is None else parse(wanted), limit)
    writer.header()
    writer.write(what)
    return out.getvalue()


def told(face: FaceName, what: Step, **how: Any) -> list[dict[str, Any]]:
    """The records of a step, by way of JSON lines."""
    return [json.loads(line) for line in written(face, "jsonl", what, **how).decode().splitlines()]


def table_of(face: FaceName, what: Step) -> list[dict[str, str]]:
    """The records of a step, by way of CSV."""
    text = written(face, "csv", what).decode()
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
