"""The Events table: the stream of what the kernel told, newest first. Each event is also given the shape of a
connection, so that the filter that picks connections picks events too."""

import errno
from collections.abc import Hashable, Sequence

import numpy as np

from tcpwatch import rows as shapes
from tcpwatch import wire, words
from tcpwatch.tracker.view import View
from tcpwatch.tui import cells, connections, units
from tcpwatch.tui.columns import Cell, Column, Draw, Role
from tcpwatch.tui.sheet import Sheet

_SAME = ("cookie", "netns", "laddr", "raddr", "lport", "rport", "family")
_COUNTED = ("cwnd", "mss", "bytes_sent", "bytes_acked", "bytes_received", "retrans", "segs_out", "segs_in")
_UNMEASURED = ("age_ms", "state_ms", "send_queue", "recv_queue", "idle_ms")

_SIGNS: dict[int, tuple[str, Role]] = {
    wire.STATE: ("◆", "info"),
    wire.RETRANSMIT: ("▲", "warn"),
    wire.SYNACK_RETRANSMIT: ("▲", "warn"),
    wire.RESET_SENT: ("✕", "bad"),
    wire.RESET_RECEIVED: ("✕", "bad"),
    wire.CONGESTION: ("●", "warn"),
    wire.LISTEN_DROP: ("✕", "bad"),
    wire.LISTEN_OVERFLOW: ("✕", "bad"),
    wire.COOKIE_SENT: ("○", "warn"),
    wire.COOKIE_ACCEPTED: ("○", "info"),
    wire.COOKIE_REJECTED: ("○", "warn"),
}

CAUSES = {  # of segments that are sent again
    wire.TIMEOUT: "time-out",
    wire.FAST: "fast",
    wire.LOSS_PROBE: "tail probe",
    wire.SYN: "SYN",
    wire.SYNACK: "SYN-ACK",
    wire.ZERO_WINDOW: "zero window",
    wire.UNKNOWN_CAUSE: "cause unknown",
}


def as_connections(view: View) -> np.ndarray:
    """The view's events as rows.CONNECTION: the connection as it was at that moment. What an event does not tell is
    unknown."""
    events = view.events
    rows = np.zeros(len(events), shapes.CONNECTION)
    for field in _SAME:
        rows[field] = events[field]
    rows["pid"], rows["comm"] = view.event_pids, view.event_comms
    rows["state"] = events["new_state"]
    rows["changed_ns"] = rows["opened_ns"] = events["time_ns"] + np.uint64(view.host.realtime_offset_ns)
    told = (events["flags"] & wire.EVENT_SOCKET) != 0
    for field in _COUNTED:
        rows[field] = np.where(told, events[field], np.nan)
    rows["rtt_us"] = np.where(wire.unknown_rtt(events["srtt_us"]), np.nan, events["srtt_us"])
    rows["rttvar_us"] = np.where(wire.unknown_rtt(events["srtt_us"]), np.nan, events["rttvar_us"])
    rows["min_rtt_us"] = np.where(wire.unknown_min_rtt(events["min_rtt_us"]), np.nan, events["min_rtt_us"])
    rows["ssthresh"] = np.where(wire.unknown_ssthresh(events["ssthresh"]), np.nan, events["ssthresh"])
    for field in _UNMEASURED:
        rows[field] = np.nan
    return rows


def kind_name(kind: int) -> str:
    return wire.KINDS[kind].replace("_", " ") if kind < len(wire.KINDS) else units.UNKNOWN


def sign_of(kind: int) -> tuple[str, Role]:
    return _SIGNS.get(kind, ("?", "plain"))


def told(view: View, event: np.void) -> str:
    """What happened, in words: `SYN_SENT → ESTABLISHED`, `retransmit: fast ×3`, `reset sent: not specified`."""
    kind = int(event["kind"])
    if kind == wire.STATE:
        return f"{_state(event['old_state'])} → {_state(event['new_state'])}{_errno(int(event['error']))}"
    if kind == wire.CONGESTION:
        return f"congestion {_congestion(event['ca_state'])} → {_congestion(event['reason'])}"
    return kind_name(kind) + _detail(view, event, kind)


def _detail(view: View, event: np.void, kind: int) -> str:
    count, reason = int(event["count"]), int(event["reason"])
    if kind == wire.RETRANSMIT:
        cause = int(event["cause"])
        why = f": {CAUSES[cause]}" if cause in CAUSES and cause != wire.UNKNOWN_CAUSE else ""
        failed = " failed" + _errno(-reason & 0xFFFFFFFF if reason > 0x7FFFFFFF else reason) if reason else ""
        return why + (f" ×{count}{failed}" if count != 1 or failed else "")
    if kind == wire.SYNACK_RETRANSMIT or kind > wire.RELEASED:
        return f" ×{count:,}"
    known = int(event["flags"]) & wire.EVENT_REASON and reason < len(view.host.reset_reasons)
    return ": " + words.clean(view.host.reset_reasons[reason]).lower().replace("_", " ") if known else ""


def _state(number: int) -> str:
    return cells.state_name(int(number))


def _congestion(number: int) -> str:
    return wire.CA_STATES[int(number)] if int(number) < len(wire.CA_STATES) else units.UNKNOWN


def _errno(number: int) -> str:
    return f" ({errno.errorcode.get(number, number)})" if number else ""


def _endpoint(side: str) -> Draw:
    """What a namespace counted may be any of its listeners'."""
    draw = cells.endpoint(side)
    return lambda view, rows, i, width: draw(view, rows, i, width) if rows["family"][i] else (units.UNKNOWN, "dim")


def _when(view: View, rows: np.ndarray, i: int, width: int) -> Cell:
    return units.clock(int(rows["changed_ns"][i])), "plain"


def _when_keys(view: View, rows: np.ndarray, which: np.ndarray) -> Sequence[np.ndarray]:
    return (which.astype(np.uint64),)  # they are in order already, and times may be equal


def _what(view: View, rows: np.ndarray, i: int, width: int) -> Cell:
    return told(view, view.events[i]), sign_of(int(view.events["kind"][i]))[1]


def _what_keys(view: View, rows: np.ndarray, which: np.ndarray) -> Sequence[np.ndarray]:
    events = view.events[which]
    return events["kind"], events["old_state"], events["new_state"]


def _sign(view: View, rows: np.ndarray, i: int) -> Cell:
    fresh = view.time_ns - int(rows["changed_ns"][i]) < cells.FRESH_NS
    return sign_of(int(view.events["kind"][i]))[0], "fresh" if fresh else "plain"


_NAMED_BY = ("time_ns", "cookie", "netns", "kind", "old_state", "new_state", "lport", "rport")


def _name(view: View, rows: np.ndarray, i: int) -> Hashable:
    """Not by its number: that of a recording's events depends on where the picture begins."""
    return tuple(int(view.events[i][field]) for field in _NAMED_BY)


def _place(view: View, rows: np.ndarray, name: Hashable) -> int | None:
    wanted = name if isinstance(name, tuple) else (0,)
    at = np.flatnonzero(view.events["time_ns"] == np.uint64(wanted[0]))
    return next((i for i in at.tolist() if _name(view, rows, i) == name), None)


def _measure(name: str, title: str, width: int, priority: int, field: str, unit: str) -> Column:
    draw = cells.measure(field, getattr(units, unit))
    return Column(name, title, width, "right", priority, draw, cells.field_keys(field), descending=True)


EVENTS = Sheet(
    noun="events",
    kind="events",
    sort="time",
    columns=(
        Column("time", "TIME", 12, "left", 0, _when, _when_keys, descending=True),
        Column("event", "EVENT", 24, "left", 1, _what, _what_keys, widest=40),
        Column("local", "LOCAL", 15, "left", 4, _endpoint("l"), cells.endpoint_keys("l"), widest=46),
        Column("remote", "REMOTE", 18, "left", 2, _endpoint("r"), cells.endpoint_keys("r"), widest=46),
        Column("process", "PROCESS", 12, "left", 3, cells.process, cells.process_keys, widest=24),
        _measure("rtt", "RTT", 7, 5, "rtt_us", "latency"),
        _measure("cwnd", "CWND", 5, 6, "cwnd", "whole"),
        _measure("retrans", "RETR", 6, 7, "retrans", "lined"),
        _measure("sent", "SENT", 6, 8, "bytes_sent", "lined"),
        _measure("received", "RECV", 6, 9, "bytes_received", "lined"),
    ),
    rows=as_connections,
    belongs=lambda view, rows, with_closed: np.ones(len(rows), bool),
    name=_name,
    place=_place,
    key=connections.key,
    sign=_sign,
    follows=True,
)
