"""The facts of one connection in blocks: counters, path, what was negotiated, who owns it. Pure; a fact the kernel did
not give is a dash."""

from collections.abc import Sequence

import numpy as np

from tcpwatch import wire, words
from tcpwatch.tracker import rows as shapes
from tcpwatch.tracker.view import Focus, View
from tcpwatch.tui import cells, units
from tcpwatch.tui.columns import Cell, Role
from tcpwatch.tui.lines import Line, cropped

_NAME = 13
Fact = tuple[str, str] | tuple[str, str, Role]
Block = tuple[str, list[Fact]]


def head(view: View, focus: Focus) -> list[Line]:
    """Who talks to whom, and since when: the two or three lines everything else is about."""
    row = focus.row
    arrow = {shapes.CLIENT: " → ", shapes.SERVER: " ← "}.get(int(row["role"]), " ↔ ")
    state = int(row["state"])
    over = bool(row["flags"] & shapes.CLOSED)
    first: list[Cell] = [
        (words.endpoint(row["laddr"].tobytes(), int(row["lport"])), "bright"),
        (arrow, "info"),
        (words.endpoint(row["raddr"].tobytes(), int(row["rport"])), "bright"),
        ("   ", "plain"),
        (("× " if over else "") + cells.state_name(state), "dim" if over else cells.state_role(state)),
        ("   ", "plain"),
        (shapes.ROLES[int(row["role"])] or "", "dim"),
    ]
    return [first, _times(view, row), *_owner(view, focus)]


def _times(view: View, row: np.void) -> Line:
    opened, closed = (_unix(view, int(row[name])) for name in ("opened_ns", "closed_ns"))
    age = units.duration(((closed or view.time_ns) - opened) / 1e6) if opened else units.UNKNOWN
    line: list[Cell] = [("opened ", "dim"), (units.clock(opened), "plain"), ("   age ", "dim"), (age, "plain")]
    if closed:
        line += [("   ended ", "dim"), (units.clock(closed), "plain")]
    if row["flags"] & shapes.VANISHED:
        line += [("   its end was not seen, only its absence", "warn")]
    return line


def _unix(view: View, time_ns: int) -> int:
    """A row's time is CLOCK_MONOTONIC; 0 stays unknown."""
    return time_ns + view.host.realtime_offset_ns if time_ns else 0


def _owner(view: View, focus: Focus) -> list[Line]:
    row, owner = focus.row, focus.process
    pid = int(row["pid"]) or (owner.pid if owner else 0)
    who = cells.process_text(row["comm"] or (owner.comm.encode() if owner else b""), pid, 40)
    command = words.clean(owner.command) if owner and owner.command else ""
    namespace = int(row["netns"])
    cgroup = words.clean(view.cgroups.get(int(row["cgroup"]), "") or (owner.cgroup if owner else ""))
    return [
        [("owner  ", "dim"), (who, "bright"), ("   ", "plain"), (command, "plain")],
        [
            ("cgroup ", "dim"),
            (cgroup or units.UNKNOWN, "plain"),
            ("   network namespace ", "dim"),
            (words.clean(view.namespaces.get(namespace) or str(namespace)), "plain"),
            (" (tcpwatch's own)" if namespace == view.host.netns else "", "dim"),
        ],
    ]


def blocks(view: View, focus: Focus) -> list[Block]:
    row, socket = focus.row, focus.socket
    if socket is not None and socket["sort"] != wire.FULL:
        socket = None  # half-open and TIME_WAIT sockets hold almost none of this, and their zeros mean nothing
    return [_counters(row, socket), _path(view, row, socket), _negotiated(view, row, socket)]


def _counters(row: np.void, socket: np.void | None) -> Block:
    counted = bool(row["flags"] & shapes.HAS_COUNTERS)
    facts: list[Fact] = [
        (name, units.size(float(row[field])) if counted else units.UNKNOWN)
        for name, field in (("sent", "bytes_sent"), ("acknowledged", "bytes_acked"), ("received", "bytes_received"))
    ]
    out, again = int(row["segs_out"]), int(row["retrans"])
    ratio = f"{units.whole(again)} of {units.whole(out)}, {units.percent(again / out if out else np.nan)}"
    return "counters", [
        *facts,
        ("segments in", units.whole(int(row["segs_in"])) if counted else units.UNKNOWN),
        ("retransmitted", ratio if counted else units.UNKNOWN, "warn" if again else "plain"),
        ("in flight", _segments(socket, "unacked")),
        ("thought lost", _segments(socket, "lost")),
        ("send queue", _bytes(socket, "send_queue")),
        ("receive queue", _bytes(socket, "recv_queue")),
        ("resets", f"{row['resets_sent']} sent, {row['resets_received']} received"),
    ]


def _path(view: View, row: np.void, socket: np.void | None) -> Block:
    rtt = float(row["srtt_us"]) or np.nan
    least = np.nan if wire.unknown_min_rtt(row["min_rtt_us"]) else float(row["min_rtt_us"])
    floor = "not reached" if wire.unknown_ssthresh(row["ssthresh"]) else f"{row['ssthresh']} segments"
    return "path", [
        ("RTT", f"{_latency(rtt)} ± {_latency(float(row['rttvar_us']) if rtt == rtt else np.nan)}"),
        ("lowest RTT", _latency(least)),
        ("RTO", _ticks(view, socket, "rto_ticks")),
        ("cwnd", f"{row['cwnd']} segments" if row["cwnd"] else units.UNKNOWN),
        ("ssthresh", floor),
        ("congestion", _congestion(row)),
        ("pacing", _speed(socket, "pacing_rate")),
        ("delivery", _speed(socket, "delivery_rate")),
        ("busy sending", _ticks(view, socket, "busy_ticks")),
        ("stopped by", _limits(socket)),
    ]


def _negotiated(view: View, row: np.void, socket: np.void | None) -> Block:
    algorithm = words.clean(socket["ca_name"]) if socket is not None else ""
    return "negotiated", [
        ("MSS", f"{row['mss']} B" if row["mss"] else units.UNKNOWN),
        ("path MTU", units.UNKNOWN if socket is None else f"{socket['pmtu']} B"),
        ("window scale", _scales(socket)),
        ("SACK", _option(socket, wire.SACK)),
        ("timestamps", _option(socket, wire.TIMESTAMPS)),
        ("ECN", _option(socket, wire.ECN)),
        ("fast open", _option(socket, wire.FASTOPEN)),
        ("algorithm", algorithm or units.UNKNOWN),
        ("peer's window", _bytes(socket, "snd_wnd")),
        ("our window", _bytes(socket, "rcv_wnd")),
        ("keep-alive", _keepalive(view, socket)),
    ]


def _segments(socket: np.void | None, field: str) -> str:
    if socket is None:
        return units.UNKNOWN
    return "1 segment" if socket[field] == 1 else f"{units.whole(int(socket[field]))} segments"


def _bytes(socket: np.void | None, field: str) -> str:
    return units.UNKNOWN if socket is None else units.size(float(socket[field]))


def _latency(microseconds: float) -> str:
    return units.latency(microseconds).strip()


def _ticks(view: View, socket: np.void | None, field: str) -> str:
    if socket is None or not view.host.hz:
        return units.UNKNOWN
    return units.duration(float(socket[field]) * 1e3 / view.host.hz)


def _speed(socket: np.void | None, field: str) -> str:
    if socket is None or not socket[field]:
        return units.UNKNOWN
    return "unlimited" if int(socket[field]) == wire.UNLIMITED else f"{units.size(float(socket[field]))}/s"


def _limits(socket: np.void | None) -> str:
    """Who held it back while there was something to send."""
    if socket is None or not socket["busy_ticks"]:
        return units.UNKNOWN
    busy = float(socket["busy_ticks"])
    receiver, buffer = float(socket["rwnd_limited_ticks"]) / busy, float(socket["sndbuf_limited_ticks"]) / busy
    return f"peer {units.percent(receiver)}, buffer {units.percent(buffer)}"


def _congestion(row: np.void) -> str:
    number = int(row["ca_state"])
    return wire.CA_STATES[number] if number < len(wire.CA_STATES) else units.UNKNOWN


def _scales(socket: np.void | None) -> str:
    if socket is None:
        return units.UNKNOWN
    return f"send {socket['snd_wscale']}, receive {socket['rcv_wscale']}" if socket["options"] & wire.WSCALE else "no"


def _option(socket: np.void | None, bit: int) -> str:
    return units.UNKNOWN if socket is None else "✓ yes" if socket["options"] & bit else "no"


def _keepalive(view: View, socket: np.void | None) -> str:
    if socket is None:
        return units.UNKNOWN
    return f"after {_ticks(view, socket, 'keepalive_ticks')} idle" if socket["options"] & wire.KEEPALIVE else "off"


def grid(parts: Sequence[Block], width: int) -> list[Line]:
    """The blocks side by side, as many as fit."""
    across = max(1, min(len(parts), width // 38))
    each = width // across
    lines: list[Line] = []
    for begin in range(0, len(parts), across):
        chosen = [_block(part, each) for part in parts[begin : begin + across]]
        tall = max(len(block) for block in chosen)
        filled = [block + [cropped((), each)] * (tall - len(block)) for block in chosen]
        lines += [[piece for line in row for piece in line] for row in zip(*filled, strict=True)]
        lines.append(())
    return lines


def _block(part: Block, width: int) -> list[list[Cell]]:
    title, facts = part
    lines = [cropped([(title.upper(), "title")], width)]
    for name, text, *role in facts:
        shown: Role = "dim" if text in (units.UNKNOWN, "no") else role[0] if role else "plain"
        lines.append([*cropped([(name.ljust(_NAME) + " ", "dim"), (text, shown)], width - 2), ("  ", "plain")])
    return lines
