"""The numbers of a record: where each comes from and when it is known. Knows nothing of names and formats."""

from collections.abc import Callable, Mapping

import numpy as np

from tcpwatch import rows, wire
from tcpwatch.records.parts import Array, Mask, Number

Rule = Callable[[Array], Mask]  # (n,) bool: where it is known
NS_PER_US = 1000

# The states in which both ends have spoken, so windows, options and idle times mean something
_SYNCHRONIZED = (
    wire.ESTABLISHED,
    wire.FIN_WAIT1,
    wire.FIN_WAIT2,
    wire.CLOSE_WAIT,
    wire.LAST_ACK,
    wire.CLOSING,
)
_MAY_SEND = tuple(state for state in _SYNCHRONIZED if state != wire.FIN_WAIT2)


def has(numbers: Array, bit: int) -> Mask:
    result: Mask = (numbers & bit) != 0
    return result


def _listens(events: Array) -> Mask:
    """Listeners have a window and a segment size too, the defaults of a connection they will never be."""
    result: Mask = (events["old_state"] == wire.LISTEN) | (events["new_state"] == wire.LISTEN)
    return result


def from_socket(events: Array) -> Mask:
    """(n,) bool: the events that were read off a connection's own socket, and so have its measures."""
    result: Mask = has(events["flags"], wire.EVENT_SOCKET) & ~_listens(events)
    return result


def _always(events: Array) -> Mask:
    return np.ones(len(events), np.bool_)


EVENT: Mapping[str, Rule] = {  # besides: only where the event has measures; but for mss, which packets have too
    "srtt_us": lambda e: ~wire.unknown_rtt(e["srtt_us"]),
    "rttvar_us": lambda e: ~wire.unknown_rtt(e["srtt_us"]),
    "cwnd": lambda e: e["cwnd"] != 0,
    "ssthresh": lambda e: ~wire.unknown_ssthresh(e["ssthresh"]),
    "mss": lambda e: (e["mss"] != 0) & ~_listens(e),
    "min_rtt_us": lambda e: ~wire.unknown_min_rtt(e["min_rtt_us"]),
    **dict.fromkeys(("retrans", "bytes_sent", "bytes_acked", "bytes_received", "segs_in", "segs_out"), _always),
}


def full(sockets: Array) -> Mask:
    """Neither half-open nor in TIME_WAIT: those are smaller objects and lack most of it."""
    result: Mask = sockets["sort"] == wire.FULL
    return result


def alive(sockets: Array) -> Mask:
    """Has, or is about to have, a peer."""
    result: Mask = full(sockets) & (sockets["state"] != wire.LISTEN)
    return result


def synchronized(sockets: Array) -> Mask:
    result: Mask = full(sockets) & np.isin(sockets["state"], _SYNCHRONIZED)
    return result


def may_send(sockets: Array) -> Mask:
    result: Mask = full(sockets) & np.isin(sockets["state"], _MAY_SEND)
    return result


def negotiated(sockets: Array) -> Mask:
    """The peer's SYN has been read, so the options both ends agreed on are known."""
    result: Mask = synchronized(sockets) | (sockets["sort"] == wire.REQUEST)
    return result


def _alive_or_half_open(sockets: Array) -> Mask:
    result: Mask = alive(sockets) | (sockets["sort"] == wire.REQUEST)
    return result


SOCKET: Mapping[str, Rule] = {
    "srtt_us": lambda s: alive(s) & ~wire.unknown_rtt(s["srtt_us"]),
    "rttvar_us": lambda s: alive(s) & ~wire.unknown_rtt(s["srtt_us"]),
    "min_rtt_us": lambda s: alive(s) & ~wire.unknown_min_rtt(s["min_rtt_us"]),
    "cwnd": lambda s: alive(s) & (s["cwnd"] != 0),
    "ssthresh": lambda s: alive(s) & ~wire.unknown_ssthresh(s["ssthresh"]),
    "mss": lambda s: _alive_or_half_open(s) & (s["mss"] != 0),
    "pmtu": lambda s: alive(s) & (s["pmtu"] != 0),
    "snd_wnd": synchronized,
    "rcv_wnd": synchronized,
    "unacked": alive,
    "retrans": _alive_or_half_open,
    "lost": alive,
    "bytes_sent": alive,
    "bytes_acked": alive,
    "bytes_received": alive,
    "segs_out": alive,
    "segs_in": alive,
    "send_queue": full,
    "recv_queue": full,
    "pacing_rate": lambda s: alive(s) & (s["pacing_rate"] != wire.UNLIMITED) & (s["pacing_rate"] != 0),
    "delivery_rate": lambda s: alive(s) & (s["delivery_rate"] != 0),
    "bytes_retrans": alive,
    "backoff": alive,
}

TICKS: Mapping[str, Rule] = {  # these are <name>_ticks in the record and <name>_ms to a reader
    "keepalive": lambda s: alive(s) & has(s["options"], wire.KEEPALIVE),
    "idle": synchronized,
    "rto": alive,
    "busy": alive,
    "rwnd_limited": alive,
    "sndbuf_limited": alive,
}


def event_number(events: Array, name: str, measured: Mask | None = None) -> Number:
    """measured: from_socket() of the events, for whoever wants several numbers of them."""
    known = EVENT[name](events)
    if name != "mss":
        known &= from_socket(events) if measured is None else measured
    return Number(name, events[name], known)


def socket_number(sockets: Array, name: str) -> Number:
    return Number(name, sockets[name], SOCKET[name](sockets))


def socket_time(sockets: Array, name: str, hz: int) -> Number:
    """One of TICKS in milliseconds; unknown where the length of a jiffy (hz) is."""
    known = TICKS[name](sockets) & (hz > 0)
    return Number(f"{name}_ms", sockets[f"{name}_ticks"].astype(np.uint64) * 1000 // max(hz, 1), known)


def _less(whole: Array, part: Array) -> Array:
    """whole - part, 0 where the two were not read at the same moment and part is the larger."""
    rest: Array = whole - np.minimum(whole, part)
    return rest


def between(name: str, begin_ns: Array, end_ns: Array, known: Mask) -> Number:
    """Whole microseconds from one moment to another, where both are known and in this order."""
    known = known & (begin_ns != 0) & (end_ns != 0) & (end_ns >= begin_ns)
    return Number(name, _less(end_ns, begin_ns) // np.uint64(NS_PER_US), known)


def counted(lives: Array) -> Mask:
    return has(lives["flags"], rows.HAS_COUNTERS)


def ended(lives: Array) -> Mask:
    """The moment of the end is known: it was seen, not inferred."""
    result: Mask = ~has(lives["flags"], rows.VANISHED) & (lives["closed_ns"] != 0)
    return result


def _bytes_sent(lives: Array) -> Number:
    return Number("bytes_sent", _less(lives["bytes_sent"], lives["bytes_retrans"]), counted(lives))


def _bytes_received(lives: Array) -> Number:
    fin = has(lives["flags"], rows.FIN_RECEIVED).astype(np.uint64)
    return Number("bytes_received", _less(lives["bytes_received"], fin), counted(lives))


def _plain(name: str, rule: Rule) -> Callable[[Array], Number]:
    return lambda lives: Number(name, lives[name], counted(lives) & rule(lives))


LIFE: Mapping[str, Callable[[Array], Number]] = {
    "duration_us": lambda v: between("duration_us", v["opened_ns"], v["closed_ns"], ended(v)),
    # equal where nobody saw the request: a server's life begins with its handshake's end then
    "handshake_us": lambda v: between(
        "handshake_us",
        v["opened_ns"],
        v["established_ns"],
        (v["role"] != rows.UNKNOWN_ROLE) & (v["opened_ns"] != v["established_ns"]),
    ),
    "bytes_sent": _bytes_sent,
    "bytes_received": _bytes_received,
    "bytes_acked": _plain("bytes_acked", counted),
    "retrans": _plain("retrans", counted),
    "srtt_us": _plain("srtt_us", lambda v: ~wire.unknown_rtt(v["srtt_us"])),
    "rttvar_us": _plain("rttvar_us", lambda v: ~wire.unknown_rtt(v["srtt_us"])),
    "min_rtt_us": _plain("min_rtt_us", lambda v: ~wire.unknown_min_rtt(v["min_rtt_us"])),
    "cwnd": _plain("cwnd", lambda v: v["cwnd"] != 0),
    "ssthresh": _plain("ssthresh", lambda v: ~wire.unknown_ssthresh(v["ssthresh"])),
    "mss": _plain("mss", lambda v: v["mss"] != 0),
    "segs_in": _plain("segs_in", counted),
    "segs_out": _plain("segs_out", counted),
}
