"""A snapshot as `ss -tin` prints it: a socket's line and the line of its details, with ss's own names for states and
numbers. What is unknown, and what ss leaves out while it is zero, is left out."""

from dataclasses import replace

import numpy as np

from tcpwatch.records.lines import Coded, Column, Decimal, Fixed, join
from tcpwatch.records.parts import Mask, Number, Records, Value
from tcpwatch.text.columns import DASH

_STATES = {
    "ESTABLISHED": "ESTAB",
    "SYN_SENT": "SYN-SENT",
    "SYN_RECV": "SYN-RECV",
    "FIN_WAIT1": "FIN-WAIT-1",
    "FIN_WAIT2": "FIN-WAIT-2",
    "TIME_WAIT": "TIME-WAIT",
    "CLOSE": "UNCONN",
    "CLOSE_WAIT": "CLOSE-WAIT",
    "LAST_ACK": "LAST-ACK",
}
_LOCAL, _PEER = "Local Address:Port", "Peer Address:Port"
_STATE, _QUEUE = 10, 6
_BITS = 8

_MOST = 2.0**63  # more bits per second than anything sends, and it still fits
_COUNTERS = (
    *("mss", "pmtu", "cwnd", "ssthresh", "bytes_sent", "bytes_retrans", "bytes_acked", "bytes_received"),
    *("segs_out", "segs_in"),
)


class SocketColumns:
    """The header stands before the first batch's lines, as wide as that batch needs."""

    def __init__(self) -> None:
        self._local, self._peer = len(_LOCAL), len(_PEER)
        self._titled = False

    def header(self) -> bytes:
        return b""

    def lines(self, records: Records) -> bytes:
        ends = self._ends(records)
        title = "" if self._titled else self._title()
        self._titled = True
        return title.encode() + join([*_state(records), ends, _process(records), *_details(records)], records.size)

    def _title(self) -> str:
        queues = f"{'Recv-Q':>{_QUEUE}} {'Send-Q':>{_QUEUE}}"
        return f"{'State':<{_STATE}} {queues} {_LOCAL:>{self._local}} {_PEER:>{self._peer}} Process\n"

    def _ends(self, records: Records) -> Column:
        local, peer = (
            list(map(_end, records.shared(host).decode(host), records.number(port).decode()))
            for host, port in (("laddr", "lport"), ("raddr", "rport"))
        )
        self._local, self._peer = max([self._local, *map(len, local)]), max([self._peer, *map(len, peer)])
        return Coded([f"{a:>{self._local}} {b:>{self._peer}}" for a, b in zip(local, peer)], np.arange(records.size))


def _state(records: Records) -> list[Column]:
    shared = records.shared("state")
    names = [_STATES.get(str(state), str(state)) for state in shared.values["state"]]
    received, sent = (Decimal(records.number(name), DASH, _QUEUE) for name in ("recv_queue", "send_queue"))
    return [Coded([f"{name:<{_STATE}} " for name in names], shared.codes), received, Fixed(" "), sent, Fixed(" ")]


def _end(host: Value, port: Value) -> str:
    shown = str(port) if port else "*"
    return f"[{host}]:{shown}" if ":" in str(host) else f"{host}:{shown}"


def _process(records: Records) -> Column:
    shared = records.shared("pid")
    pairs = zip(shared.values["pid"], shared.values["comm"])
    return Coded(["" if pid is None else f' users:(("{comm or DASH}",pid={pid}))' for pid, comm in pairs], shared.codes)


def _details(records: Records) -> list[Column]:
    """The second line; there is none for listeners and TIME_WAIT, of which there is nothing more to say."""
    number = records.number
    return [
        _where(number("retrans").known, "\n\t"),
        *_agreed(records),
        *_plain(records, ("rto", "rto_ms"), ("backoff", "backoff")),
        *_token(" rtt:", number("srtt_us"), places=3),
        *_token("/", number("rttvar_us"), places=3),
        *_plain(records, *((name, name) for name in _COUNTERS)),
        *_token(" send ", _send_rate(records), "bps"),
        *_plain(records, ("idle", "idle_ms")),
        *_token(" pacing_rate ", _bits(number("pacing_rate")), "bps"),
        *_token(" delivery_rate ", _bits(number("delivery_rate")), "bps"),
        *_limits(records),
        *_plain(records, *((name, name) for name in ("unacked", "retrans", "lost"))),
        *_token(" minrtt:", number("min_rtt_us"), places=3),
        *_plain(records, ("snd_wnd", "snd_wnd"), ("rcv_wnd", "rcv_wnd")),
        Fixed("\n"),
    ]


def _where(shown: Mask | None, text: str) -> Column:
    return Fixed(text) if shown is None else Coded(["", text], shown)


def _token(before: str, number: Number, after: str = "", places: int = 0) -> list[Column]:
    """A number and the text around it, where it is known."""
    columns = [_where(number.known, before), Decimal(number, "", places=places)]
    return [*columns, _where(number.known, after)] if after else columns


def _plain(records: Records, *tokens: tuple[str, str]) -> list[Column]:
    """Tokens of the form name:number, given as (name, key)."""
    return [column for name, key in tokens for column in _token(f" {name}:", _nonzero(records.number(key)))]


def _nonzero(number: Number) -> Number:
    shown = number.values != 0
    return replace(number, known=shown if number.known is None else shown & number.known)


def _bits(rate: Number) -> Number:
    return replace(rate, values=rate.values * np.uint64(_BITS))


def _send_rate(records: Records) -> Number:
    """What one window per round trip makes, in bits per second."""
    window, segment, srtt = (records.number(name) for name in ("cwnd", "mss", "srtt_us"))
    known = np.logical_and.reduce([n.known for n in (window, segment, srtt) if n.known is not None])
    bits = window.values.astype(np.float64) * segment.values * (_BITS * 1e6) / np.maximum(srtt.values, 1)
    return Number("send", np.minimum(bits, _MOST).astype(np.uint64), known)


def _limits(records: Records) -> list[Column]:
    """Which limit holds now, and which share of the time with something to send the others took."""
    now = records.shared("limited_by")
    busy = _nonzero(records.number("busy_ms"))
    columns = [
        Coded(["" if limit is None else f" limited_by:{limit}" for limit in now.values["limited_by"]], now.codes),
        *_token(" busy:", busy, "ms"),
    ]
    for name in ("rwnd_limited", "sndbuf_limited"):
        spent = _nonzero(records.number(f"{name}_ms"))
        tenths = replace(spent, values=spent.values * np.uint64(1000) // np.maximum(busy.values, np.uint64(1)))
        columns += [*_token(f" {name}:", spent, "ms("), *_token("", tenths, "%)", places=1)]
    return columns


def _agreed(records: Records) -> list[Column]:
    """ts sack ecn, the congestion algorithm, the window scales."""
    shared = records.shared("sack")
    keys = ("timestamps", "sack", "ecn", "congestion_algorithm", "wscale")
    return [Coded([_manner(*row) for row in zip(*(shared.values[key] for key in keys))], shared.codes)]


def _manner(timestamps: Value, sack: Value, ecn: Value, algorithm: Value, wscale: Value) -> str:
    words = [word for word, holds in (("ts", timestamps), ("sack", sack), ("ecn", ecn)) if holds]
    if algorithm:
        words.append(str(algorithm))
    if isinstance(wscale, list):
        words.append("wscale:{},{}".format(*wscale))
    return "".join(f" {word}" for word in words)
