"""Which keys a record of each face has, in which order, and what they mean: the contract of docs/output.md. Knows
nothing of how records are written."""

import errno
from collections.abc import Sequence

import numpy as np

from tcpwatch import rows, wire
from tcpwatch.frame import Host
from tcpwatch.records import identity, measures, verdicts
from tcpwatch.records.parts import (
    Array,
    Codes,
    Label,
    Number,
    Part,
    Pick,
    Records,
    Sequences,
    Shared,
    Value,
    each,
    group,
    labelled,
    same,
)
from tcpwatch.tracker import flow
from tcpwatch.tracker.step import Step
from tcpwatch.words import clean

SCHEMA = 1
COMMON = ("schema", "time_ns", "conn", "netns", "laddr", "lport", "raddr", "rport", "pid", "comm")
EVENTS = (
    *COMMON,
    *("event", "old_state", "new_state", "reason", "count", "srtt_us", "rttvar_us", "cwnd", "ssthresh", "mss"),
    *("retrans", "bytes_acked", "bytes_received"),
)
LIFE = (
    *COMMON,
    *("role", "opened_ns", "closed_ns", "duration_us", "handshake_us", "states", "bytes_sent", "bytes_received"),
    *("retrans", "srtt_us", "min_rtt_us", *verdicts.KEYS),
)
SNAPSHOT = (
    *COMMON,
    *("state", "srtt_us", "rttvar_us", "min_rtt_us", "cwnd", "ssthresh", "mss", "pmtu", "snd_wnd", "rcv_wnd"),
    *("unacked", "retrans", "lost", "bytes_sent", "bytes_acked", "bytes_received", "segs_out", "segs_in"),
    *("send_queue", "recv_queue", "pacing_rate", "delivery_rate", "congestion_algorithm", "congestion_state"),
    *("limited_by", "sack", "wscale", "timestamps", "ecn", "keepalive_ms", "idle_ms", "cgroup"),
)
KEYS = {"events": EVENTS, "life": LIFE, "snapshot": SNAPSHOT}

_EVENT_NUMBERS = EVENTS[EVENTS.index("srtt_us") :]
_COUNTED = ("lport", "rport", *_EVENT_NUMBERS)
_SOCKET_NUMBERS = SNAPSHOT[SNAPSHOT.index("srtt_us") : SNAPSHOT.index("congestion_algorithm")]
_SOCKET_EXTRA_TIMES = ("rto", "busy", "rwnd_limited", "sndbuf_limited")
_STATE_WORDS = tuple(
    name or str(number) for number, name in enumerate((*wire.STATES, *[None] * (256 - len(wire.STATES))))
)
_OPTIONS = wire.SACK | wire.TIMESTAMPS | wire.WSCALE | wire.ECN
# By flow.LIMITERS. That it is the pacing has no word of its own here; there is pacing_rate
_LIMIT_WORDS = (None, "receiver", "send_buffer", "congestion_window", "application", None)


def events(step: Step, pick: Pick) -> Records:
    """One record per event, as the kernel gave them. pick: which of the frame's events."""
    facts, lines = step.frame.events[pick], identity.event_lines(step)[pick]
    measured = measures.from_socket(facts)
    parts: tuple[Part, ...] = (
        _schema(len(facts)),
        Number("time_ns", _unix(facts["time_ns"], step.frame.host)),
        *_connections(step, lines, facts, identity.local_port(step, lines, facts)),
        identity.actors(*identity.event_owners(step, lines, facts)),
        _happenings(facts, step.frame.host),
        Number("count", facts["count"]),
        *(measures.event_number(facts, name, measured) for name in _EVENT_NUMBERS),
    )
    return Records(len(facts), parts)


def losses(step: Step, most: int | None = None) -> Records:
    """One `lost` record per kind of event the ring had no room for since the frame before: `count` of them, `reason`
    says of which kind. most: no more records than this."""
    kinds = wire.SHOWN_KINDS[step.lost[wire.SHOWN_KINDS] != 0][:most]
    size = len(kinds)
    what: dict[str, Sequence[Value]] = {
        "event": ["lost"] * size,
        "old_state": [None] * size,
        "new_state": [None] * size,
        "reason": [named(wire.KINDS, kind) for kind in kinds.tolist()],
    }
    parts: tuple[Part, ...] = (
        _schema(size),
        Number("time_ns", _unix(np.full(size, step.frame.end_ns, np.uint64), step.frame.host)),
        *(_unknown(size, name) for name in COMMON[2:-2]),
        same(size, dict.fromkeys(COMMON[-2:])),
        each(size, what),
        Number("count", step.lost[kinds]),
        *(_unknown(size, name) for name in _EVENT_NUMBERS),
    )
    return Records(size, parts)


def _unknown(size: int, name: str) -> Part:
    """In the shape that this key has in other records."""
    zero = np.zeros(size, np.uint64)
    if name == "conn":
        return Label(name, (zero, zero, zero), zero != 0)
    return Number(name, zero, zero != 0) if name in _COUNTED else same(size, {name: None})


def lives(step: Step, pick: Pick) -> Records:
    """One record per connection that ended. pick: which of the step's lives."""
    ended, host = step.lives[pick], step.frame.host
    size = len(ended)
    noticed = np.where(ended["closed_ns"] != 0, ended["closed_ns"], np.uint64(step.frame.end_ns))
    birth = identity.births(ended["role"], ended["opened_ns"], ended["turn"])
    parts: tuple[Part, ...] = (
        _schema(size),
        Number("time_ns", _unix(noticed, host)),
        *identity.connections(ended, ended["lport"], birth, step.namespaces),
        identity.actors(ended["pid"], ended["comm"]),
        Shared({"role": list(rows.ROLES)}, ended["role"]),
        Number("opened_ns", _unix(ended["opened_ns"], host), ended["opened_ns"] != 0),
        Number("closed_ns", _unix(ended["closed_ns"], host), measures.ended(ended)),
        *(measures.LIFE[name](ended) for name in ("duration_us", "handshake_us")),
        _paths(ended),
        *(measures.LIFE[name](ended) for name in ("bytes_sent", "bytes_received", "retrans", "srtt_us", "min_rtt_us")),
        verdicts.of_lives(ended, step.frame),
    )
    return Records(size, parts)


def sockets(step: Step, pick: Pick) -> Records:
    """One record per socket of the frame's snapshot (none if it has no snapshot). pick: which of its sockets."""
    snapshot, host = step.frame.snapshot, step.frame.host
    assert snapshot is not None
    facts, lines = snapshot.sockets[pick], identity.socket_lines(step)[pick]
    size = len(facts)
    parts: tuple[Part, ...] = (
        _schema(size),
        Number("time_ns", _unix(np.full(size, snapshot.end_ns, np.uint64), host)),
        *_connections(step, lines, facts, facts["lport"]),
        identity.actors(identity.gather(step, lines, "pid"), identity.gather(step, lines, "comm")),
        labelled("state", facts["state"], lambda state: named(wire.STATES, state)),
        *(measures.socket_number(facts, name) for name in _SOCKET_NUMBERS),
        _manners(facts),
        measures.socket_time(facts, "keepalive", host.hz),
        measures.socket_time(facts, "idle", host.hz),
        labelled("cgroup", facts["cgroup"], lambda inode: clean(step.cgroups.get(inode, "")) or None),
    )
    extra: tuple[Number, ...] = (
        *(measures.socket_time(facts, name, host.hz) for name in _SOCKET_EXTRA_TIMES),
        *(measures.socket_number(facts, name) for name in ("bytes_retrans", "backoff")),
    )
    return Records(size, parts, extra)


def named(names: Sequence[str | None], number: int) -> str | None:
    """The name of one of the kernel's numbers; one that is newer than we are stays a number, as text."""
    return names[number] if 0 <= number < len(names) else str(number)


def _schema(size: int) -> Shared:
    return same(size, {"schema": SCHEMA})


def _connections(step: Step, lines: Codes, facts: Array, lport: Array) -> tuple[Part, ...]:
    birth = identity.births(*(identity.gather(step, lines, name) for name in ("role", "opened_ns", "turn")))
    return identity.connections(facts, lport, birth, step.namespaces)


def _unix(monotonic_ns: Array, host: Host) -> Array:
    return (monotonic_ns.astype(np.int64) + host.realtime_offset_ns).astype(np.uint64)


def _happenings(facts: Array, host: Host) -> Shared:
    """event old_state new_state reason."""
    fields = ("kind", "old_state", "new_state", "flags", "reason", "error", "cause")
    first, codes = group(*(facts[name] for name in fields))
    one = [facts[name][first].tolist() for name in fields]
    values: dict[str, Sequence[Value]] = {
        "event": [named(wire.KINDS, kind) for kind in one[0]],
        "old_state": [named(wire.STATES, state) for state in one[1]],
        "new_state": [named(wire.STATES, state) for state in one[2]],
        "reason": [_reason(host, *of) for of in zip(*one)],
    }
    return Shared(values, codes)


def _reason(host: Host, kind: int, _old: int, new: int, flags: int, reason: int, error: int, cause: int) -> str | None:
    if kind == wire.CONGESTION:
        return named(wire.CA_STATES, reason)
    if kind in (wire.RETRANSMIT, wire.SYNACK_RETRANSMIT) and not flags & wire.EVENT_REASON:
        return named(wire.CAUSES, cause)
    if kind == wire.STATE and new == wire.CLOSE and error:
        return errno.errorcode.get(error, str(error))  # what the application is told: refused, timed out, reset
    if not flags & wire.EVENT_REASON:
        return None
    if kind == wire.RESET_SENT:
        return clean(named(host.reset_reasons, reason) or "") or None  # a recording may say anything
    if kind == wire.RETRANSMIT:
        return errno.errorcode.get(reason, str(reason))
    return None


def _paths(ended: Array) -> Sequences:
    """[[state, microseconds in it], ...] of each life, in order. A life is told when the socket ends; what it leaves
    behind to hold the port, in TIME_WAIT or FIN_WAIT2, has only begun its time then."""
    lengths = np.minimum(ended["path_len"], rows.PATH).astype(np.intp)
    most = max(1, int(lengths.max(initial=0)))
    entered = np.ascontiguousarray(ended["path_ns"][:, :most].T)
    states = ended["path_state"][:, :most].T.astype(np.intp, "C")
    final, lines = np.maximum(lengths, 1) - 1, np.arange(len(ended))
    stays = (states[final, lines] == wire.TIME_WAIT) | (ended["state"] == wire.FIN_WAIT2)
    left = np.concatenate([entered[1:], np.zeros((1, len(ended)), entered.dtype)])
    left[final, lines] = np.where(measures.ended(ended) & ~stays, ended["closed_ns"], 0)
    known = (entered != 0) & (left >= entered)
    return Sequences("states", _STATE_WORDS, states, lengths, (left - entered) // np.uint64(1000), known)


def _manners(facts: Array) -> Shared:
    """congestion_algorithm congestion_state limited_by sack wscale timestamps ecn."""
    alive, sends, agreed = measures.alive(facts), measures.may_send(facts), measures.negotiated(facts)
    stage = alive * np.uint8(1) | sends * np.uint8(2) | agreed * np.uint8(4)
    options = facts["options"] & _OPTIONS
    limits = np.where(sends, flow.limiters(facts), np.uint8(0))
    small = (facts["ca_state"], limits, facts["snd_wscale"], facts["rcv_wscale"])
    first, codes = group(*identity.words_of(facts["ca_name"]), options, stage, *small)
    return Shared(_describe(facts[first], alive[first], agreed[first], limits[first]), codes)


def _describe(one: Array, alive: Array, agreed: Array, limits: Array) -> dict[str, Sequence[Value]]:
    scales = zip(one["snd_wscale"].tolist(), one["rcv_wscale"].tolist(), _option(one, agreed, wire.WSCALE))
    return {
        "congestion_algorithm": [
            clean(name) or None if known else None for name, known in zip(one["ca_name"].tolist(), alive)
        ],
        "congestion_state": [
            named(wire.CA_STATES, state) if known else None for state, known in zip(one["ca_state"].tolist(), alive)
        ],
        "limited_by": [_LIMIT_WORDS[limit] for limit in limits.tolist()],
        "sack": _option(one, agreed, wire.SACK),
        "wscale": [[ours, theirs] if scaled else None for ours, theirs, scaled in scales],
        "timestamps": _option(one, agreed, wire.TIMESTAMPS),
        "ecn": _option(one, agreed, wire.ECN),
    }


def _option(one: Array, known: Array, bit: int) -> list[bool | None]:
    return [bool(options & bit) if k else None for options, k in zip(one["options"].tolist(), known.tolist())]
