"""What is to be said of one connection in lines: who talks to whom, the verdict, what it does now, what held it back,
what was dealt badly. Pure; a fact the kernel did not give is a dash."""

from textwrap import wrap

import numpy as np

from tcpwatch import rows as shapes
from tcpwatch import wire, words
from tcpwatch.tracker import audit, flow
from tcpwatch.tracker.view import Focus, View
from tcpwatch.tui import cells, units
from tcpwatch.tui.columns import Cell, Role
from tcpwatch.tui.life import LABEL
from tcpwatch.tui.lines import Line, cropped, length
from tcpwatch.verdicts import HIGH, LOW, MEDIUM, Explanation, harm_of

_HARM: dict[int, tuple[str, Role]] = {HIGH: ("✕", "bad"), MEDIUM: ("▲", "warn"), LOW: ("·", "info")}
_SHARES: tuple[tuple[str, str, str, Role], ...] = (
    ("path", "path", "█", "good"),
    ("receiver", "receiver", "▓", "bad"),
    ("buffer", "send buffer", "▒", "warn"),
    ("application", "application", "░", "dim"),
)
_LIMITERS = {key: word for key, word, _, _ in _SHARES} | {"": units.UNKNOWN, "pacing": "pacing"}
_LEAST_BAR = 10


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


def full(focus: Focus) -> np.void | None:
    """The socket's measures. Half-open and TIME_WAIT sockets hold almost none, and their zeros mean nothing."""
    here = focus.socket is not None and focus.socket["sort"] == wire.FULL and focus.socket["state"] != wire.LISTEN
    return focus.socket if here else None


def socket_of_deal(focus: Focus) -> np.void | None:
    """A half-open socket knows what was offered."""
    half_open = focus.socket is not None and focus.socket["sort"] == wire.REQUEST
    return focus.socket if half_open else full(focus)


def ticks(view: View, count: float) -> str:
    """A number of jiffies as a time."""
    return units.duration(count * 1e3 / view.host.hz) if view.host.hz else units.UNKNOWN


def now_ns(view: View) -> int:
    """CLOCK_MONOTONIC."""
    return view.time_ns - view.host.realtime_offset_ns


def passage(label: str, text: str, role: Role, width: int, sign: Cell = ("", "plain")) -> list[Line]:
    """Text over as many lines as it takes, after a label and a sign."""
    indent = LABEL + (len(sign[0]) + 1 if sign[0] else 0)
    first, *more = wrap(words.clean(text), max(20, width - indent)) or [""]
    lead: list[Cell] = [(label.ljust(LABEL), "dim")]
    if sign[0]:
        lead += [sign, (" ", "plain")]
    return [[*lead, (first, role)], *([(" " * indent + line, role)] for line in more)]


def verdict(explanation: Explanation | None, width: int) -> list[Line]:
    """Its name and sentence; one calm line where nothing is wrong."""
    if explanation is None:
        return []
    sign, role = _HARM.get(harm_of(explanation.code), ("✓", "good") if explanation.certain else ("·", "dim"))
    if explanation.code is None:
        return passage("verdict", explanation.sentence, "plain", width, (sign, role))
    name = f"{explanation.code} ({'certain' if explanation.certain else 'likely'})"
    return passage("verdict", f"{name}: {explanation.sentence}", "bright", width, (sign, role))


def advice(explanation: Explanation | None, width: int) -> list[Line]:
    """What to do about it."""
    if explanation is None or not explanation.advice:
        return []
    return passage("to do", explanation.advice, "plain", width, ("→", "info"))


def evidence(view: View, explanation: Explanation | None, width: int) -> list[Line]:
    """What the verdict rests on, with its times."""
    if explanation is None or not explanation.evidence:
        return []
    lines: list[Line] = [[("EVIDENCE", "title"), ("  what the verdict rests on", "dim")]]
    for time_ns, text in explanation.evidence:
        when = units.clock(_unix(view, time_ns or 0)) if time_ns else ""
        lines.append(cropped([(f"{when:<12}  ", "dim"), (words.clean(text), "plain")], width))
    return [*lines, ()]


def remarks(found: list[audit.Remark], grave: bool, width: int) -> list[Line]:
    """What was dealt badly at the handshake: the grave remarks, or the others."""
    sign: Cell = ("▲", "warn") if grave else ("·", "dim")
    chosen = [remark for remark in found if remark.grave == grave]
    labels = ["deal", *([""] * len(chosen))]
    return [
        line
        for label, remark in zip(labels, chosen, strict=False)
        for line in passage(label, remark.text, "plain" if grave else "dim", width, sign)
    ]


def present(view: View, focus: Focus, width: int) -> list[Line]:
    """What it does at this moment, or waits for."""
    row, small = focus.row, focus.socket
    if small is not None and small["sort"] == wire.TIME_WAIT_SORT:
        left = ticks(view, float(small["timer_ticks"]))
        return [cropped([("now".ljust(LABEL), "dim"), (f"holds its ports for another {left}", "plain")], width)]
    socket = full(focus)
    pieces: list[Cell] = []
    if row["state"] in (wire.SYN_SENT, wire.SYN_RECV) and not row["flags"] & shapes.CLOSED:
        pieces = _knocking(view, row)
    elif socket is not None:
        pieces = [*_trouble(view, row, socket), *_sending(row, socket)]
    running = flow.timer(socket) if socket is not None else None
    if running is not None:
        pieces.append((f"{running[0]} in {ticks(view, running[1])}", "plain"))
    return [cropped([("now".ljust(LABEL), "dim"), *pieces], width)] if pieces else []


def _knocking(view: View, row: np.void) -> list[Cell]:
    hand = audit.handshake(row, now_ns(view))
    since = f" for {units.duration(hand.took_us / 1e3)}" if hand.took_us else ""
    what, again = ("no answer to our SYN", hand.syns_again) if row["state"] == wire.SYN_SENT else ("", 0)
    if row["state"] != wire.SYN_SENT:
        what, again = "half-open, the peer's last ACK is missing,", hand.synacks_again
    return [(f"{what}{since}   ", "warn" if again else "plain"), (f"sent again {again}×   " if again else "", "warn")]


def _trouble(view: View, row: np.void, socket: np.void) -> list[Cell]:
    pieces: list[Cell] = []
    if row["stalled_ns"]:
        since = units.duration((now_ns(view) - int(row["stalled_ns"])) / 1e6)
        pieces.append((f"✕ stalled for {since}: the peer's window is shut   ", "bad"))
    if socket["probes"]:
        pieces.append((f"✕ {socket['probes']} probes without an answer   ", "bad"))
    return pieces


def _sending(row: np.void, socket: np.void) -> list[Cell]:
    name = flow.phase(row, words.clean(socket["ca_name"]))
    limiter = _LIMITERS[flow.limiter(socket)]
    bytes_out = units.size(float(flow.under_way(socket)))
    return [
        (f"{name or units.UNKNOWN}   ", "warn" if int(row["ca_state"]) > 1 else "bright"),
        ("limited by ", "dim"),
        (f"{limiter}   ", "plain"),
        ("under way ", "dim"),
        (f"{units.whole(float(socket['unacked']))} of {units.whole(float(row['cwnd']))}, {bytes_out}   ", "plain"),
    ]


def limits(view: View, focus: Focus, width: int) -> list[Line]:
    """What held it back, as shares of its time."""
    found = flow.shares(focus.row, measured_ns(view, focus), view.host.hz)
    if found is None:
        return []
    known = [(*each, getattr(found, each[0])) for each in _SHARES]
    known = [each for each in known if each[4] == each[4]]
    told: list[Cell] = []
    for _, name, sign, role, share in known:
        told += [(f"{sign} ", role), (f"{name} ", "dim"), (f"{units.percent(share)}  ", "plain")]
    of = "" if found.application == found.application else " with data to send"
    span: Cell = (f"of {units.duration(found.span_ns / 1e6)}{of}", "dim")
    told += [span] if length([*told, span]) <= width - LABEL else []
    line: list[Cell] = [("limits".ljust(LABEL), "dim")]
    room = min(30, width - LABEL - length(told) - 2)
    if room >= _LEAST_BAR:
        bar = _bar([each[4] for each in known], room)
        line += [(sign * wide, role) for (_, _, sign, role, _), wide in zip(known, bar, strict=True)]
        line.append(("  ", "plain"))
    return [cropped([*line, *told], width)]


def measured_ns(view: View, focus: Focus) -> int:
    """When the newest snapshot that still held the socket was read."""
    if len(focus.samples):
        return int(focus.samples["time_ns"][-1]) - view.host.realtime_offset_ns
    return int(focus.row["seen_ns"])


def _bar(parts: list[float], room: int) -> list[int]:
    """Cells for each part; what is not nothing gets one."""
    wide = [max(1, round(share * room)) if share > 0 else 0 for share in parts]
    if any(wide):
        wide[wide.index(max(wide))] += room - sum(wide)
    return wide
