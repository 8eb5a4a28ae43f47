"""Says what a picture shows as JSON lines: connections and events by the contract of the records, destinations and
findings likewise (docs/output.md). Knows nothing of screens and files."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from math import isfinite
from typing import Any, Literal

import numpy as np

from tcpwatch import rows, wire
from tcpwatch.frame import Frame, Snapshot
from tcpwatch.records import contract, identity
from tcpwatch.records.jsonl import JsonLines
from tcpwatch.records.parts import Records
from tcpwatch.tracker.step import Step
from tcpwatch.tracker.view import View
from tcpwatch.verdicts import HARMS
from tcpwatch.words import address, clean

Kind = Literal["connections", "events", "ports", "findings"]  # the view's list of that name

_compact = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def lines(view: View, kind: Kind, which: np.ndarray) -> bytes:
    """which: indices into that list, in the order wanted. A connection without a socket has no line."""
    return _LINES[kind](view, which)


def _connections(view: View, which: np.ndarray) -> bytes:
    """The chosen sockets as a snapshot of their own."""
    table = view.connections[which]
    table = table[table["snap"] >= 0]
    sockets = view.snapshot.sockets[table["snap"]] if view.snapshot is not None else np.empty(0, wire.SOCKET)
    table["snap"] = np.arange(len(table))
    table["opened_ns"] = _monotonic(view, table["opened_ns"])
    now_ns = view.time_ns - view.host.realtime_offset_ns
    frame = Frame(now_ns, now_ns, view.host, snapshot=Snapshot(now_ns, now_ns, sockets, frozenset()))
    return _written(contract.sockets(_step(view, frame, table), slice(None)))


def _events(view: View, which: np.ndarray) -> bytes:
    """The chosen events as a frame of their own, each with a line of the table that says of which life it is."""
    events = view.events[which]
    events["pid"], events["comm"] = view.event_pids[which], view.event_comms[which]
    births = _births(view, events)
    events["cookie"][[birth is None for birth in births]] = 0  # nameless
    table = np.zeros(len(events), rows.ROW)
    table["cookie"], table["netns"] = events["cookie"], events["netns"]
    table["role"], table["opened_ns"] = rows.CLIENT, [birth or 0 for birth in births]  # a client goes by when it opened
    return _written(contract.events(_step(view, Frame(0, 0, view.host, events=events), table), slice(None)))


def _births(view: View, events: np.ndarray) -> list[int | None]:
    """What tells the life of each event from others of the same socket, as identity.births() has it; None: unknown.
    Events may be remembered for longer than their connection: then its beginning tells, if it is among them."""
    every = view.events
    moved = every["kind"] == wire.STATE
    accepted = every[(moved & (every["old_state"] == wire.SYN_RECV)) | (every["kind"] == wire.SYNACK_RETRANSMIT)]
    opens = every[moved & (every["old_state"] == wire.CLOSE) & (every["new_state"] == wire.SYN_SENT)]
    table = view.connections[np.isin(view.connections["cookie"], events["cookie"])]
    opened_ns = _monotonic(view, table["opened_ns"])
    first = np.zeros(len(accepted), np.uint64)  # a socket that accept() gave has one life
    lives: defaultdict[tuple[int, int], dict[int, int]] = defaultdict(dict)  # since when, and what it goes by
    for about, since_ns, births in (
        (accepted, first, first),
        (opens, opens["time_ns"], opens["time_ns"]),
        (table, opened_ns, identity.births(table["role"], opened_ns, table["turn"])),
    ):
        for netns, cookie, since, birth in _each(about["netns"], about["cookie"], since_ns, births):
            lives[netns, cookie][since] = birth
    found: list[int | None] = []
    for netns, cookie, now in _each(events["netns"], events["cookie"], events["time_ns"]):
        known = lives.get((netns, cookie), {})
        began = max((since for since in known if since <= now), default=None)
        found.append(None if began is None else known[began])
    return found


def _each(*columns: np.ndarray) -> Iterator[tuple[int, ...]]:
    return zip(*(column.tolist() for column in columns))


def _step(view: View, frame: Frame, table: np.ndarray) -> Step:
    """The frame with the view in the tracker's place. table: a line for each of the frame's events or sockets."""
    nobody, lost = np.empty(0, rows.ROW), np.zeros(len(wire.KINDS), np.uint64)
    at = np.arange(len(frame.events))
    return Step(frame, at, table, nobody, lost, view.cgroups, view.namespaces, view.processes)


def _monotonic(view: View, unix_ns: np.ndarray) -> np.ndarray:
    """As the tracker has it; 0 stays unknown."""
    offset_ns = np.int64(view.host.realtime_offset_ns).view(np.uint64)  # may be negative
    return np.where(unix_ns != 0, unix_ns - offset_ns, np.uint64(0))


def _written(records: Records) -> bytes:
    return bytes(JsonLines().lines(records))


def _ports(view: View, which: np.ndarray) -> bytes:
    return _dumped(_destination(view, line) for line in view.ports[which])


def _destination(view: View, line: np.void) -> dict[str, Any]:
    pid = int(line["pid"])
    free, reusable, ports, lasts_s = (float(line[name]) for name in ("free", "reusable", "ports", "exhausted_s"))
    return {
        "schema": contract.SCHEMA,
        "time_ns": view.time_ns,
        "netns": identity.namespace_name(int(line["netns"]), view.namespaces),
        "laddr": address(line["laddr"].tobytes()),
        "raddr": address(line["raddr"].tobytes()),
        "rport": int(line["rport"]),
        "pid": pid or None,
        "comm": (clean(bytes(line["comm"])) or None) if pid else None,
        "used": _rounded(line["used"]),
        "time_wait": _rounded(line["time_wait"]),
        "free": _rounded(free),
        "ports": _rounded(ports),
        "taken": _rounded(1 - (free + reusable) / ports, 4) if ports else None,
        "new_s": _rounded(line["rate"], 3),
        "growth_s": _rounded(line["growth"], 3),
        "lasts_ms": _rounded(lasts_s * 1000),
        "failed": _rounded(line["failures"]),
    }


def _rounded(value: float, digits: int | None = None) -> float | None:
    return round(float(value), digits) + 0 if isfinite(value) else None  # + 0: of -0.0


def _findings(view: View, which: np.ndarray) -> bytes:
    return _dumped(_finding(view, int(i)) for i in which)


def _finding(view: View, i: int) -> dict[str, Any]:
    one = view.findings[i]
    return {
        "schema": contract.SCHEMA,
        "time_ns": view.time_ns,
        "finding": one.code,
        "harm": HARMS[one.severity],
        **{name: clean(getattr(one, name)) or None for name in ("what", "where", "numbers")},
        "count": int(one.count),
        "since_ns": int(one.since_ns) or None,
        "earlier": bool(one.earlier),
        "explanation": clean(one.sentence),
        "advice": [clean(advice) for advice in one.advice],
        "filter": clean(one.lead.expression) or None,
    }


def _dumped(records: Iterator[dict[str, Any]]) -> bytes:
    return "".join(_compact(one) + "\n" for one in records).encode()


_LINES: Mapping[Kind, Callable[[View, np.ndarray], bytes]] = {
    "connections": _connections,
    "events": _events,
    "ports": _ports,
    "findings": _findings,
}
