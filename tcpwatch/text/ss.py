"""A snapshot as `ss -tin` prints it: two lines per socket, with ss's own names for states and numbers."""

from collections.abc import Iterator, Mapping

from tcpwatch.text.columns import DASH
from tcpwatch.text.parts import Records, Value

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
_TITLES = ("Recv-Q", "Send-Q", "Local Address:Port", "Peer Address:Port")
_STATE = 10
_BITS = 8

Row = Mapping[str, Value]


class SocketColumns:
    """The header stands before the first batch's lines, as wide as that batch needs."""

    def __init__(self) -> None:
        self._widths = [len(title) for title in _TITLES]
        self._titled = False

    def header(self) -> bytes:
        return b""

    def lines(self, records: Records) -> bytes:
        columns = records.columns()
        rows = [dict(zip(columns, row)) for row in zip(*columns.values())]
        cells = [_cells(row) for row in rows]
        self._widths = [max(map(len, column)) for column in zip(_TITLES, ["0" * w for w in self._widths], *cells)]
        text = "".join(self._line(row, four) + _details(row) for row, four in zip(rows, cells))
        title = "" if self._titled else self._aligned("State", _TITLES, "Process")
        self._titled = True
        return (title + text).encode()

    def _line(self, row: Row, cells: tuple[str, ...]) -> str:
        state = str(row["state"])
        return self._aligned(_STATES.get(state, state), cells, _process(row))

    def _aligned(self, state: str, cells: tuple[str, ...], process: str) -> str:
        received, sent, local, peer = self._widths
        a, b, c, d = cells
        return f"{state:<{_STATE}} {a:<{received}} {b:<{sent}} {c:>{local}} {d:>{peer}} {process}".rstrip() + "\n"


def _cells(row: Row) -> tuple[str, ...]:
    return (
        *(DASH if row[name] is None else str(row[name]) for name in ("recv_queue", "send_queue")),
        *(_end(row["laddr"], row["lport"]), _end(row["raddr"], row["rport"])),
    )


def _end(host: Value, port: Value) -> str:
    shown = str(port) if port else "*"
    return f"[{host}]:{shown}" if ":" in str(host) else f"{host}:{shown}"


def _process(row: Row) -> str:
    return "" if row["pid"] is None else f'users:(("{row["comm"] or DASH}",pid={row["pid"]}))'


def _details(row: Row) -> str:
    tokens = list(_tokens(row))
    return f"\t {' '.join(tokens)}\n" if tokens else ""


def _tokens(row: Row) -> Iterator[str]:
    """ss's tokens in ss's order; what is unknown, and what ss leaves out while it is zero, is left out."""
    yield from (name for key, name in (("timestamps", "ts"), ("sack", "sack"), ("ecn", "ecn")) if row[key])
    if row["congestion_algorithm"]:
        yield str(row["congestion_algorithm"])
    if isinstance(row["wscale"], list):
        yield "wscale:{},{}".format(*row["wscale"])
    yield from _named(row, rto="rto_ms", backoff="backoff")
    yield from _round_trip(row)
    yield from _named(row, mss="mss", pmtu="pmtu", cwnd="cwnd", ssthresh="ssthresh", bytes_sent="bytes_sent")
    yield from _named(row, bytes_retrans="bytes_retrans", bytes_acked="bytes_acked", bytes_received="bytes_received")
    yield from _named(row, segs_out="segs_out", segs_in="segs_in")
    yield from _rates(row)
    yield from _limits(row)
    yield from _named(row, unacked="unacked")
    if row["retrans"]:
        yield f"retrans:{row['retrans']}"
    yield from _named(row, lost="lost")
    if row["min_rtt_us"] is not None:
        yield f"minrtt:{_ms(row['min_rtt_us'])}"
    yield from _named(row, snd_wnd="snd_wnd", rcv_wnd="rcv_wnd")


def _named(row: Row, **tokens: str) -> Iterator[str]:
    return (f"{token}:{row[key]}" for token, key in tokens.items() if row[key])


def _round_trip(row: Row) -> Iterator[str]:
    if row["srtt_us"] is not None:
        yield f"rtt:{_ms(row['srtt_us'])}/{_ms(row['rttvar_us'])}"


def _rates(row: Row) -> Iterator[str]:
    srtt_us, cwnd, mss = row["srtt_us"], row["cwnd"], row["mss"]
    if isinstance(srtt_us, int) and isinstance(cwnd, int) and isinstance(mss, int):
        yield f"send {cwnd * mss * _BITS * 1_000_000 // srtt_us}bps"
    if row["idle_ms"] is not None:
        yield f"idle:{row['idle_ms']}"
    for key in ("pacing_rate", "delivery_rate"):
        rate = row[key]
        if isinstance(rate, int):
            yield f"{key} {rate * _BITS}bps"


def _limits(row: Row) -> Iterator[str]:
    if row["limited_by"]:
        yield f"limited_by:{row['limited_by']}"
    busy = row["busy_ms"]
    if not busy or not isinstance(busy, int):
        return
    yield f"busy:{busy}ms"
    for key in ("rwnd_limited", "sndbuf_limited"):
        spent = row[f"{key}_ms"]
        if spent and isinstance(spent, int):
            yield f"{key}:{spent}ms({100 * spent / busy:.1f}%)"


def _ms(microseconds: Value) -> str:
    return f"{microseconds / 1000:g}" if isinstance(microseconds, int) else DASH
