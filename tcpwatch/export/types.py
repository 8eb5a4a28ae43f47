"""What is each column of a table to Arrow: its type, its unit, its meaning. The keys and their order are the contract's
(tcpwatch/records/contract.py). The one place that names Arrow types."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

import pyarrow as pa

from tcpwatch.export.tables import FACES, TableName
from tcpwatch.records.contract import KEYS

TIME = pa.timestamp("ns", "UTC")
WORD = pa.dictionary(pa.int32(), pa.string())  # one of a few
TEXT = pa.string()  # one of many: what tables are joined on
STATES = pa.list_(pa.struct([("state", pa.string()), ("duration_us", pa.uint64())]))
EVIDENCE = pa.list_(pa.struct([("time_ns", TIME), ("what", pa.string())]))
_FAST_STATES = pa.list_(pa.struct([("state", WORD), ("duration_us", pa.uint64())]))
SCALES = pa.struct([("snd", pa.uint8()), ("rcv", pa.uint8())])

_U8, _U16, _U32, _U64, _BOOL = pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64(), pa.bool_()


@dataclass(frozen=True, slots=True)
class Key:
    """One column. unit: "" where it has none."""

    type: pa.DataType
    unit: str
    description: str


_COMMON = {
    "schema": Key(_U8, "", "version of the meaning of the keys"),
    "time_ns": Key(TIME, "ns", "when it happened"),
    "conn": Key(TEXT, "", "names the connection: the same in all three tables; null: there is no socket"),
    "netns": Key(WORD, "", "network namespace: its name, else its inode number"),
    "laddr": Key(TEXT, "", "local address"),
    "lport": Key(_U16, "", "local port"),
    "raddr": Key(TEXT, "", "remote address"),
    "rport": Key(_U16, "", "remote port; 0: a listener"),
    "pid": Key(_U32, "", "process that owns the socket"),
    "comm": Key(WORD, "", "its name, at most 15 bytes"),
    "srtt_us": Key(_U32, "us", "smoothed round-trip time"),
    "rttvar_us": Key(_U32, "us", "mean deviation of the round-trip time"),
    "min_rtt_us": Key(_U32, "us", "the kernel's windowed minimum of the round-trip time"),
    "cwnd": Key(_U32, "segments", "congestion window"),
    "ssthresh": Key(_U32, "segments", "slow-start threshold; null: slow start has not ended yet"),
    "mss": Key(_U32, "bytes", "largest segment sent"),
    "retrans": Key(_U32, "segments", "sent again, over the whole life"),
    "bytes_acked": Key(_U64, "bytes", "acknowledged by the peer; its SYN and FIN count as one each"),
    "bytes_received": Key(_U64, "bytes", "received in order; the FIN counts as one"),
}
_EVENTS = {
    "pid": Key(_U32, "", "process that acted, else the one that owns the socket"),
    "event": Key(WORD, "", "what happened; lost: the ring buffer was full"),
    "old_state": Key(WORD, "", "state before"),
    "new_state": Key(WORD, "", "state after"),
    "reason": Key(WORD, "", "why, in the kernel's words; lost: which kind of event was lost"),
    "count": Key(_U64, "", "how many: segments, SYN-ACKs, records lost; else 1"),
}
_LIVES = {
    "time_ns": Key(TIME, "ns", "when the connection ended, or was found to have"),
    "role": Key(WORD, "", "client: this end opened the connection; server: the other did"),
    "opened_ns": Key(TIME, "ns", "when the first SYN left or, for a server, its SYN-ACK"),
    "closed_ns": Key(TIME, "ns", "when the socket closed; null: nobody saw it"),
    "duration_us": Key(_U64, "us", "from opened_ns to closed_ns"),
    "handshake_us": Key(_U64, "us", "from opened_ns to ESTABLISHED"),
    "states": Key(STATES, "us", "each state in order, and the time in it"),
    "bytes_sent": Key(_U64, "bytes", "payload, each byte once however often it was sent"),
    "bytes_received": Key(_U64, "bytes", "payload, without the FIN"),
    "srtt_us": Key(_U32, "us", "smoothed round-trip time at the end"),
    "min_rtt_us": Key(_U32, "us", "the kernel's windowed minimum of the round-trip time at the end"),
    "verdict": Key(WORD, "", "why it ended as it did, in one word"),
    "explanation": Key(TEXT, "", "the same in one sentence"),
    "evidence": Key(EVIDENCE, "ns", "what was seen that bears on the verdict, and when"),
}
_SAMPLES = {
    "time_ns": Key(TIME, "ns", "when reading the sockets was finished: the same for all of one snapshot"),
    "state": Key(WORD, "", "state"),
    "pmtu": Key(_U32, "bytes", "path MTU"),
    "snd_wnd": Key(_U32, "bytes", "the peer's window for us; 0 is a closed window"),
    "rcv_wnd": Key(_U32, "bytes", "our window for the peer"),
    "unacked": Key(_U32, "segments", "in flight"),
    "lost": Key(_U32, "segments", "of those in flight, thought lost"),
    "bytes_sent": Key(_U64, "bytes", "payload, what was sent again included"),
    "segs_out": Key(_U32, "segments", "sent"),
    "segs_in": Key(_U32, "segments", "received"),
    "send_queue": Key(_U32, "bytes", "written, not yet acknowledged; listener: how many connections may wait"),
    "recv_queue": Key(_U32, "bytes", "received, not yet read; listener: how many connections wait for accept()"),
    "pacing_rate": Key(_U64, "bytes/s", "null: unlimited"),
    "delivery_rate": Key(_U64, "bytes/s", "the last measurement"),
    "congestion_algorithm": Key(WORD, "", "cubic, bbr, ..."),
    "congestion_state": Key(WORD, "", "open, disorder, cwr, recovery or loss"),
    "limited_by": Key(WORD, "", "what keeps the sender from sending more now"),
    "sack": Key(_BOOL, "", "both ends agreed on selective acknowledgement"),
    "wscale": Key(SCALES, "", "window scales: the peer's, ours; null: not agreed on"),
    "timestamps": Key(_BOOL, "", "both ends agreed on timestamps"),
    "ecn": Key(_BOOL, "", "both ends agreed on explicit congestion notification"),
    "keepalive_ms": Key(_U64, "ms", "idle time before the first keep-alive probe; null: keep-alive is off"),
    "idle_ms": Key(_U64, "ms", "since data last went either way"),
    "cgroup": Key(WORD, "", "cgroup v2 path of the socket"),
}
# How columns are handed to the writer: it writes a dictionary at a third of the cost of its texts
STORED: Mapping[pa.DataType, pa.DataType] = {TEXT: WORD, STATES: _FAST_STATES}

_OWN: Mapping[TableName, Mapping[str, Key]] = {"events": _EVENTS, "lives": _LIVES, "samples": _SAMPLES}


@cache
def keys(table: TableName) -> Mapping[str, Key]:
    """Its columns, in order."""
    known = {**_COMMON, **_OWN[table]}
    return {name: known[name] for name in KEYS[FACES[table]]}


@cache
def schema(table: TableName) -> pa.Schema:
    """As readers are to see it: each field's metadata has its `description` and, where it has one, its `unit`."""
    return pa.schema([pa.field(name, key.type, metadata=_about(key)) for name, key in keys(table).items()])


@cache
def stored(table: TableName) -> pa.Schema:
    """As the writer is to get it."""
    return pa.schema([pa.field(name, _stored(table, name, key.type)) for name, key in keys(table).items()])


def _stored(table: TableName, name: str, kind: pa.DataType) -> pa.DataType:
    if (table, name) == ("lives", "conn"):
        return kind  # no two are the same
    return STORED.get(kind, kind)


def leaves(kind: pa.DataType, path: str) -> Iterator[tuple[str, pa.DataType]]:
    """What Parquet makes of a column: for each of its columns the path and the type."""
    if pa.types.is_list(kind):
        yield from leaves(kind.value_type, f"{path}.list.element")
    elif pa.types.is_struct(kind):
        for field in kind:
            yield from leaves(field.type, f"{path}.{field.name}")
    else:
        yield path, kind


def _about(key: Key) -> dict[str, str]:
    return {"description": key.description, **({"unit": key.unit} if key.unit else {})}
