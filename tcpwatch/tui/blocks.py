"""The facts of one connection in titled blocks, side by side: handshake, congestion, windows and timers, what was sent
again, how it ends, counters. Pure; a fact the kernel did not give is a dash."""

from collections.abc import Sequence
from textwrap import wrap

import numpy as np

from tcpwatch import rows as shapes
from tcpwatch import wire, words
from tcpwatch.tracker import audit, ending, flow
from tcpwatch.tracker.view import Focus, View
from tcpwatch.tui import units
from tcpwatch.tui.columns import Cell, Role
from tcpwatch.tui.facts import full, now_ns, ticks
from tcpwatch.tui.happenings import CAUSES
from tcpwatch.tui.lines import Line, cropped, length
from tcpwatch.verdicts.amounts import error_name

_NAME = 13
_BAR = 8
_BLOCK = 38  # the least width that a block can be read in
Fact = tuple[str, str] | tuple[str, str, Role]
Block = tuple[str, list[Fact]]


def blocks(view: View, focus: Focus, deal: audit.Deal) -> list[Block]:
    row, socket = focus.row, full(focus)
    found = [_handshake(view, row, deal)]
    if socket is not None or flow.met(row):
        found += [_congestion(row, socket), _flow_control(view, row, socket)]
    found += [_sent_again(view, row), _ending(view, focus), _counters(row)]
    return [_kept(block) for block in found] if row["flags"] & shapes.CLOSED else found


def _kept(block: Block) -> Block:
    """What is gone with the socket is not unknown: it is over."""
    title, facts = block
    return title, [fact for fact in facts if fact[1] != units.UNKNOWN] or facts[:1]


def _handshake(view: View, row: np.void, deal: audit.Deal) -> Block:
    hand = audit.handshake(row, now_ns(view))
    took = units.UNKNOWN if hand.took_us is None else units.duration(hand.took_us / 1e3)
    if hand.took_us is not None:
        took += (" half-open" if row["role"] == shapes.SERVER else "") if hand.done else ", not established"
    again = ", ".join(
        f"{count} {name}" for count, name in ((hand.syns_again, "SYN"), (hand.synacks_again, "SYN-ACK")) if count
    )
    seen = row["opened_ns"] or hand.syns_again or hand.synacks_again
    room = f", fits {deal.room:,}" if deal.room is not None else ""
    asked = f", asked {deal.asked:,}" if deal.asked is not None and deal.asked != deal.mss else ""
    return "handshake", [
        ("took", took),
        ("sent again", again or ("none" if seen else units.UNKNOWN), "warn" if again else "plain"),
        ("MSS", _bytes(deal.mss) + asked),
        ("path MTU", _bytes(deal.pmtu) + room),
        ("window scale", _scales(deal)),
        ("SACK", _option(deal.sack)),
        ("timestamps", _option(deal.timestamps)),
        ("ECN", _option(deal.ecn)),
        ("fast open", _option(deal.fast_open)),
    ]


def _scales(deal: audit.Deal) -> str:
    if deal.scales is None:
        return _option(deal.scaling)
    return f"peer ×{1 << deal.scales[0]}, ours ×{1 << deal.scales[1]}"


def _congestion(row: np.void, socket: np.void | None) -> Block:
    algorithm = words.clean(socket["ca_name"]) if socket is not None else ""
    rtt = float(row["srtt_us"]) or np.nan
    least = np.nan if wire.unknown_min_rtt(row["min_rtt_us"]) else float(row["min_rtt_us"])
    floor = "not reached" if wire.unknown_ssthresh(row["ssthresh"]) else _segments(int(row["ssthresh"]))
    variation = float(row["rttvar_us"]) if rtt == rtt else np.nan
    return "congestion", [
        ("algorithm", algorithm or units.UNKNOWN),
        ("phase", flow.phase(row, algorithm) or units.UNKNOWN, "warn" if row["ca_state"] > 1 else "plain"),
        ("cwnd", _segments(int(row["cwnd"])) if row["cwnd"] else units.UNKNOWN),
        ("ssthresh", floor if row["cwnd"] else units.UNKNOWN),
        ("RTT", f"{_latency(rtt)} ± {_latency(variation)}" if rtt == rtt else units.UNKNOWN),
        ("lowest RTT", _latency(least)),
        ("under way", units.UNKNOWN if socket is None else _under_way(socket)),
        ("thought lost", units.UNKNOWN if socket is None else units.whole(float(socket["lost"]))),
        ("pacing", _speed(socket, "pacing_rate")),
        ("delivery", _speed(socket, "delivery_rate")),
    ]


def _under_way(socket: np.void) -> str:
    return f"{units.whole(float(socket['unacked']))}, {units.size(float(flow.under_way(socket)))}"


def _flow_control(view: View, row: np.void, socket: np.void | None) -> Block:
    def held(field: str) -> str:
        return units.UNKNOWN if socket is None else units.size(float(socket[field]))

    stalled: Fact = ("stalled", "at some time" if row["marks"] & shapes.STALLED else "never seen")
    if row["stalled_ns"]:
        stalled = ("stalled", f"since {units.clock(_unix(view, int(row['stalled_ns'])))}", "bad")
    shut = socket is not None and row["state"] != wire.SYN_SENT and not socket["snd_wnd"]
    return "windows and timers", [
        ("peer's window", "0 B, shut" if shut else held("snd_wnd"), "bad" if shut else "plain"),
        ("our window", held("rcv_wnd")),
        ("never sent", held("unsent")),
        ("send queue", held("send_queue")),
        ("receive queue", held("recv_queue")),
        stalled,
        ("RTO", _rto(view, socket)),
        ("timer", _timer(view, socket)),
        ("probes", units.UNKNOWN if socket is None else f"{socket['probes']} unanswered"),
        ("keep-alive", _keepalive(view, socket)),
    ]


def _rto(view: View, socket: np.void | None) -> str:
    if socket is None:
        return units.UNKNOWN
    rto = ticks(view, float(socket["rto_ticks"]))  # the kernel keeps it doubled already
    missed = int(socket["backoff"])
    return f"{rto}, doubled {missed}×" if missed else rto


def _timer(view: View, socket: np.void | None) -> str:
    if socket is None:
        return units.UNKNOWN
    running = flow.timer(socket)
    return "none runs" if running is None else f"{running[0]} in {ticks(view, running[1])}"


def _keepalive(view: View, socket: np.void | None) -> str:
    if socket is None:
        return units.UNKNOWN
    if not socket["options"] & wire.KEEPALIVE:
        return "off"
    return f"after {ticks(view, float(socket['keepalive_ticks']))} idle, {socket['probes_most']} probes"


def _sent_again(view: View, row: np.void) -> Block:
    if not row["flags"] & shapes.HAS_COUNTERS and not row["again_ns"]:
        return "sent again", [("segments", units.UNKNOWN)]
    total, out = int(row["retrans"]), int(row["segs_out"])
    ratio = f" of {units.whole(out)}, {units.percent(total / out)}" if out else ""
    counts = {name: int(row["causes"][cause]) for cause, name in CAUSES.items() if row["causes"][cause]}
    before = total - sum(counts.values())
    if before > 0:
        counts["not seen"] = before
    most = max(counts.values(), default=1)
    facts: list[Fact] = [("segments", f"{units.whole(total)}{ratio}", "warn" if total else "plain")]
    for name, count in counts.items():
        facts.append((name, f"{units.whole(count):>6} {'▇' * max(1, round(count / most * _BAR))}", "warn"))
    if row["again_ns"]:
        facts.append(("last", units.clock(_unix(view, int(row["again_ns"])))))
        facts.append(("bytes", units.size(float(row["bytes_retrans"]))))
    vain = int(row["spurious"])
    facts.append(("in vain", f"{units.whole(vain)} (DSACK)" if vain else "none known", "warn" if vain else "plain"))
    return "sent again", facts


def _ending(view: View, focus: Focus) -> Block:
    row, now = focus.row, now_ns(view)
    bye = ending.goodbye(row, now)
    closers = {None: "nobody yet", "us": "this side", "peer": "the peer", "both": "both at once"}
    if ending.abortive(row):
        closers[None] = "nobody: it was cut off"
    elif row["state"] == wire.TIME_WAIT or row["flags"] & shapes.CLOSED:  # met: there were some, but who saw them?
        closers[None] = units.UNKNOWN if flow.met(row) else "nobody"
    facts: list[Fact] = [("first FIN", closers[bye.first])]
    if bye.first is not None:
        apart = units.UNKNOWN if bye.apart_us is None else units.duration(bye.apart_us / 1e3)
        facts.append(("half-closed", f"{apart} so far" if bye.waits else apart))
    if focus.socket is not None and focus.socket["sort"] == wire.TIME_WAIT_SORT:
        name = "FIN_WAIT2" if focus.socket["state"] == wire.FIN_WAIT2 else "TIME_WAIT"
        facts.append((name, f"{ticks(view, float(focus.socket['timer_ticks']))} left"))
    if row["error"]:
        facts.append(("error", error_name(int(row["error"])), "bad"))
    reset = ending.newest_reset(row, now, view.host.reset_reasons)
    return "ending", [*facts, *([("reset", "none")] if reset is None else _reset(view, row, reset))]


def _reset(view: View, row: np.void, reset: ending.Reset) -> list[Fact]:
    counts = f"{row['resets_sent']} sent, {row['resets_received']} received"
    when = f"{'sent' if reset.sent else 'received'} {units.clock(_unix(view, reset.time_ns))}"
    meaning = reset.meaning + (" (inferred)" if reset.meaning and reset.inferred else "")
    return [
        ("resets", counts, "bad"),
        ("newest", when, "bad"),
        ("by", reset.who),
        ("why", meaning or units.UNKNOWN),
        ("kernel says", words.clean(reset.reason).lower().replace("_", " ") or units.UNKNOWN),
    ]


def _counters(row: np.void) -> Block:
    counted = bool(row["flags"] & shapes.HAS_COUNTERS)

    def amount(name: str, write: units.Write) -> str:
        return write(float(row[name])) if counted else units.UNKNOWN

    return "counters", [
        ("sent", amount("bytes_sent", units.size)),
        ("acknowledged", amount("bytes_acked", units.size)),
        ("received", amount("bytes_received", units.size)),
        ("segments out", amount("segs_out", units.whole)),
        ("segments in", amount("segs_in", units.whole)),
    ]


def _unix(view: View, time_ns: int) -> int:
    return time_ns + view.host.realtime_offset_ns if time_ns else 0


def _bytes(count: int | None) -> str:
    return units.UNKNOWN if count is None else f"{count:,} B"


def _segments(count: int) -> str:
    return "1 segment" if count == 1 else f"{count:,} segments"


def _latency(microseconds: float) -> str:
    return units.latency(microseconds).strip()


def _speed(socket: np.void | None, field: str) -> str:
    if socket is None or not socket[field]:
        return units.UNKNOWN
    return "unlimited" if int(socket[field]) == wire.UNLIMITED else f"{units.size(float(socket[field]))}/s"


def _option(agreed: bool | None) -> str:
    return units.UNKNOWN if agreed is None else "✓ yes" if agreed else "no"


def grid(parts: Sequence[Block], width: int) -> list[Line]:
    """The blocks side by side, in as few rows as fit, none much emptier than the others."""
    fitting = max(1, min(len(parts), width // _BLOCK))
    across = -(-len(parts) // -(-len(parts) // fitting))
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
    """Long facts go on in the next line."""
    title, facts = part
    lines = [cropped([(title.upper(), "title")], width)]
    for name, text, *role in facts:
        shown: Role = "dim" if text in (units.UNKNOWN, "no") else role[0] if role else "plain"
        for label, piece in zip((name, *[""] * 9), wrap(text, max(8, width - _NAME - 3)) or [""], strict=False):
            line: list[Cell] = [(label.ljust(_NAME) + " ", "dim"), (piece, shown)]
            lines.append([*cropped(line, width - 2), ("  ", "plain")] if length(line) < width else cropped(line, width))
    return lines
