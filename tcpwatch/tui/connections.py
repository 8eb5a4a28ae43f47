"""The Connections table. Declares its columns and those it shares with other tables of sockets, and nothing of how a
table is drawn."""

from collections.abc import Hashable, Sequence

import numpy as np

from tcpwatch import rows as shapes
from tcpwatch import verdicts, wire, words
from tcpwatch.tracker.view import Key, View
from tcpwatch.tui import cells, units
from tcpwatch.tui.columns import Cell, Column, Role
from tcpwatch.tui.sheet import Sheet


def _retransmits(view: View, rows: np.ndarray, i: int, width: int) -> Cell:
    count, sent = float(rows["retrans"][i]), float(rows["segs_out"][i])
    if count != count:
        return units.UNKNOWN, "dim"
    if not count:
        return "0", "dim"
    return units.compact(count), "bad" if sent and count > 0.02 * sent else "warn"


def _ratio(view: View, rows: np.ndarray, i: int, width: int) -> Cell:
    share = float(_ratio_keys(view, rows, np.array([i]))[0][0])
    return units.percent(share), "dim" if not share > 0 else "bad" if share > 0.02 else "warn"


def _ratio_keys(view: View, rows: np.ndarray, which: np.ndarray) -> Sequence[np.ndarray]:
    sent = rows["segs_out"][which]
    return (np.divide(rows["retrans"][which], sent, out=np.full(len(which), np.nan), where=sent > 0),)


def _role(view: View, rows: np.ndarray, i: int, width: int) -> Cell:
    name = shapes.ROLES[int(rows["role"][i])]
    return (name, "plain") if name else (units.UNKNOWN, "dim")


def _namespace(view: View, rows: np.ndarray, i: int, width: int) -> Cell:
    number = int(rows["netns"][i])
    return words.clean(view.namespaces.get(number) or str(number)), "plain"


def _cgroup(view: View, rows: np.ndarray, i: int, width: int) -> Cell:
    path = words.clean(view.cgroups.get(int(rows["cgroup"][i]), ""))
    if not path:
        return units.UNKNOWN, "dim"
    return path if len(path) <= width else "…" + path[1 - width :], "plain"


def _command(view: View, rows: np.ndarray, i: int, width: int) -> Cell:
    owner = view.processes.get(int(rows["pid"][i]))
    if owner is not None and owner.comm != words.clean(bytes(rows["comm"][i])):
        owner = None  # the number has gone over to another process
    return (words.clean(owner.command), "plain") if owner and owner.command else (units.UNKNOWN, "dim")


_BY_HARM: dict[int, Role] = {verdicts.HIGH: "bad", verdicts.MEDIUM: "warn", verdicts.LOW: "plain"}


def _verdict(view: View, rows: np.ndarray, i: int, width: int) -> Cell:
    code = verdicts.CODES[int(rows["verdict"][i])]
    if code is not None:
        return code.replace("_", " "), _BY_HARM.get(verdicts.harm_of(code), "dim")
    return (units.UNKNOWN if cells.closed(rows[i : i + 1])[0] else "ok"), "dim"


_HARM = np.array([0, *(verdicts.harm_of(rule.code) for rule in verdicts.RULES)], float)


def _verdict_keys(view: View, rows: np.ndarray, which: np.ndarray) -> Sequence[np.ndarray]:
    """The worst first, equal ones together."""
    verdict = rows["verdict"][which]
    return _HARM[verdict], verdict.astype(float)


def sign(view: View, rows: np.ndarray, i: int) -> Cell:
    if _HARM[rows["verdict"][i]] >= verdicts.MEDIUM:
        return "!", "bad" if _HARM[rows["verdict"][i]] >= verdicts.HIGH else "warn"
    if cells.closed(rows[i : i + 1])[0]:
        return "×", "dim"
    if view.time_ns - int(rows["changed_ns"][i]) < cells.FRESH_NS:
        return "•", "fresh"
    return " ", "dim" if float(rows["idle_ms"][i]) > cells.STALE_MS else "plain"


def name(view: View, rows: np.ndarray, i: int) -> Hashable:
    """A socket that was connected before is several lines."""
    return int(rows["netns"][i]), int(rows["cookie"][i]), int(rows["turn"][i])


def place(view: View, rows: np.ndarray, name: Hashable) -> int | None:
    """Where the connection with that name is in the rows; or, by namespace and cookie alone, a socket's newest."""
    if not isinstance(name, tuple):
        return None
    netns, cookie, *turn = name
    found = _lives(rows, netns, cookie)
    turns = rows["turn"][found]
    found = found[turns == (turn[0] if turn else max(turns, default=0))]
    return int(found[0]) if len(found) else None


def key(view: View, rows: np.ndarray, i: int) -> Key | None:
    """By when something happened to it last, which is the same in every picture; turns depend on where one begins."""
    if not rows["cookie"][i]:
        return None
    changed_ns = int(rows["changed_ns"][i])
    moment_ns = changed_ns - view.host.realtime_offset_ns if changed_ns else None
    return Key(int(rows["netns"][i]), int(rows["cookie"][i]), moment_ns)


def at(view: View, key: Key) -> int | None:
    """Where it is among the view's connections."""
    rows = view.connections
    found = _lives(rows, key.netns, key.cookie)
    found = found[np.argsort(rows["turn"][found])]
    seen = (rows["opened_ns"][found] != 0) & (rows["turn"][found] != 0)
    offset_ns = np.int64(view.host.realtime_offset_ns).view(np.uint64)  # may be negative
    life = key.among(np.where(seen, rows["opened_ns"][found] - offset_ns, np.uint64(0)))
    return None if life is None else int(found[life])


def _lives(rows: np.ndarray, netns: int, cookie: int) -> np.ndarray:
    return np.flatnonzero((rows["cookie"] == np.uint64(cookie)) & (rows["netns"] == netns))


def _connected(view: View, rows: np.ndarray, with_closed: bool) -> np.ndarray:
    mask: np.ndarray = rows["state"] != wire.LISTEN
    return mask if with_closed else mask & ~cells.closed(rows)


_LOCAL = Column("local", "LOCAL", 15, "left", 3, cells.endpoint("l"), cells.endpoint_keys("l"), widest=46)
PROCESS = Column("process", "PROCESS", 12, "left", 2, cells.process, cells.process_keys, widest=24)
AGE = Column("age", "AGE", 6, "right", 7, cells.measure("age_ms", units.duration), cells.field_keys("age_ms"))
NETNS = Column("netns", "NETNS", 10, "left", 20, _namespace, cells.field_keys("netns"), widest=16)
CGROUP = Column("cgroup", "CGROUP", 16, "left", 21, _cgroup, cells.field_keys("cgroup"), widest=46)
COMMAND = Column("command", "COMMAND", 16, "left", 22, _command, cells.process_keys, widest=1000)


def _number(name: str, title: str, width: int, priority: int, field: str, unit: str = "lined") -> Column:
    """A measure whose largest values are the interesting ones."""
    draw = cells.measure(field, getattr(units, unit))
    return Column(name, title, width, "right", priority, draw, cells.field_keys(field), descending=True)


CONNECTIONS = Sheet(
    noun="connections",
    kind="connections",
    sort="state",
    columns=(
        Column("state", "STATE", 11, "left", 0, cells.state, cells.state_keys),
        _LOCAL,
        Column("remote", "REMOTE", 21, "left", 1, cells.endpoint("r"), cells.endpoint_keys("r"), widest=46),
        PROCESS,
        AGE,
        _number("rtt", "RTT", 7, 4, "rtt_us", "latency"),
        _number("cwnd", "CWND", 5, 8, "cwnd", "whole"),
        _number("sent", "SENT", 6, 9, "bytes_sent"),
        _number("received", "RECV", 6, 10, "bytes_received"),
        Column("retrans", "RETR", 5, "right", 5, _retransmits, cells.field_keys("retrans"), descending=True),
        Column("verdict", "VERDICT", 14, "left", 6, _verdict, _verdict_keys, descending=True, widest=24),
        Column("ratio", "RETR%", 7, "right", 14, _ratio, _ratio_keys, descending=True),
        _number("send_queue", "SENDQ", 6, 11, "send_queue"),
        _number("recv_queue", "RECVQ", 6, 12, "recv_queue"),
        _number("idle", "IDLE", 6, 13, "idle_ms", "duration"),
        Column("role", "SIDE", 6, "left", 15, _role, cells.field_keys("role")),
        _number("state_for", "IN STATE", 9, 16, "state_ms", "duration"),
        _number("min_rtt", "MIN RTT", 8, 17, "min_rtt_us", "latency"),
        _number("ssthresh", "SSTHR", 6, 18, "ssthresh", "whole"),
        _number("mss", "MSS", 5, 19, "mss", "whole"),
        NETNS,
        CGROUP,
        COMMAND,
    ),
    rows=lambda view: view.connections,
    belongs=_connected,
    name=name,
    place=place,
    key=key,
    sign=sign,
)
