"""The words a filter may use: fields, what each compares with, state names and groups. One table, read by the
compiler, by error messages and by docs/filters.md alike."""

import difflib
from dataclasses import dataclass

from tcpwatch import wire
from tcpwatch.filter.conditions import STATES


@dataclass(frozen=True, slots=True)
class Kind:
    """What can stand behind a field. units: suffix -> how many of the column's own unit; "" is the bare number."""

    needs: str  # completes "`rtt` needs ..."
    signs: tuple[str, ...] = ("=", "!=")
    units: tuple[tuple[str, float], ...] = ()
    measure: bool = False  # hardly ever equals anything, so a missing sign is no `=` but a slip


_ORDER = ("=", "!=", "<", "<=", ">", ">=")
_GLOB = ("=", "!=", "~", "!~")
_SIZES = tuple((name + end, 1000.0**power) for power, name in enumerate("kmgt", 1) for end in ("", "b"))
_SIZES += tuple((name + end, 1024.0**power) for power, name in enumerate("kmgt", 1) for end in ("i", "ib"))
_US = (("ns", 1e-3), ("us", 1.0), ("µs", 1.0), ("μs", 1.0), ("ms", 1e3), ("s", 1e6), ("", 1e3))
_MS = (("ms", 1.0), ("s", 1e3), ("m", 6e4), ("min", 6e4), ("h", 36e5), ("d", 864e5), ("", 1e3))

STATE = Kind("a state such as established")
EXCLUDE = Kind("a state such as listening", ("=",))
ENDPOINT = Kind("an address such as 10.0.0.0/8, 10.0.0.7:443, [2001:db8::7]:443 or :443")
PORT = Kind("a port such as 443 or a service such as https", _ORDER)
FAMILY = Kind("inet or inet6")
ROLE = Kind("client or server")
PID = Kind("a process id such as 812", _ORDER)
NAME = Kind("a name such as nginx or ng*", _GLOB)
VERDICT = Kind("a verdict such as refused or reset*", _GLOB)
CGROUP = Kind("a path such as /system.slice/nginx.service", _GLOB)
NETNS = Kind("a name, an inode number or a path such as /run/netns/blue", _GLOB)
LATENCY = Kind("a time such as 50ms", _ORDER, _US, measure=True)
SPAN = Kind("a time such as 30s or 5m", _ORDER, _MS, measure=True)
SIZE = Kind("a size such as 1460, 64kib or 10mb", _ORDER, (("", 1.0), ("b", 1.0), *_SIZES), measure=True)
COUNT = Kind("a number such as 10", _ORDER, (("", 1.0),), measure=True)


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    kind: Kind
    unit: str  # of a bare number; "" where there is none
    meaning: str  # one line
    columns: tuple[str, ...]


FIELDS = (
    Field("state", STATE, "", "the TCP state, or one of the groups below", ("state",)),
    Field("exclude", EXCLUDE, "", "any state but this one", ("state",)),
    Field("dst", ENDPOINT, "", "the remote address, network, port or both", ("raddr", "rport")),
    Field("src", ENDPOINT, "", "the local one", ("laddr", "lport")),
    Field("addr", ENDPOINT, "", "either end; `!=` means neither", ("laddr", "lport", "raddr", "rport")),
    Field("host", ENDPOINT, "", "the same as addr", ("laddr", "lport", "raddr", "rport")),
    Field("dport", PORT, "", "the remote port", ("rport",)),
    Field("sport", PORT, "", "the local port", ("lport",)),
    Field("port", PORT, "", "the port of either end; `!=` means neither", ("lport", "rport")),
    Field("family", FAMILY, "", "the socket's family (`inet` and `inet6` alone are enough)", ("family",)),
    Field("comm", NAME, "", "the owning process's name; the kernel keeps 15 bytes of it", ("comm",)),
    Field("pid", PID, "", "the owning process", ("pid",)),
    Field("cgroup", CGROUP, "", "the control group at this path or below it", ("cgroup",)),
    Field("netns", NETNS, "", "the network namespace", ("netns",)),
    Field("role", ROLE, "", "which end opened the connection, seen from here", ("role",)),
    Field("rtt", LATENCY, "ms", "smoothed round-trip time", ("rtt_us",)),
    Field("rttvar", LATENCY, "ms", "its variation", ("rttvar_us",)),
    Field("min_rtt", LATENCY, "ms", "the least round-trip time of late", ("min_rtt_us",)),
    Field("cwnd", COUNT, "segments", "congestion window", ("cwnd",)),
    Field(
        "ssthresh", COUNT, "segments", "slow-start threshold; unknown until slow start has ended once", ("ssthresh",)
    ),
    Field("mss", SIZE, "bytes", "the largest segment sent", ("mss",)),
    Field("retrans", COUNT, "segments", "segments sent again, over the whole life", ("retrans",)),
    Field("bytes_sent", SIZE, "bytes", "bytes sent, those sent again included", ("bytes_sent",)),
    Field("bytes_acked", SIZE, "bytes", "bytes the other end has acknowledged", ("bytes_acked",)),
    Field("bytes_received", SIZE, "bytes", "bytes received", ("bytes_received",)),
    Field("segs_out", COUNT, "segments", "segments sent", ("segs_out",)),
    Field("segs_in", COUNT, "segments", "segments received", ("segs_in",)),
    Field("send_queue", SIZE, "bytes", "written, not yet acknowledged", ("send_queue",)),
    Field(
        "recv_queue",
        SIZE,
        "bytes",
        "received, not yet read; of a listener, connections not yet accepted",
        ("recv_queue",),
    ),
    Field("age", SPAN, "s", "since the connection was opened", ("age_ms",)),
    Field("idle", SPAN, "s", "since data last went either way", ("idle_ms",)),
    Field("state_age", SPAN, "s", "since the present state was entered", ("state_ms",)),
    Field("verdict", VERDICT, "", "why it ended as it did, or what ails it now: see verdicts.md", ("verdict",)),
)
BY_NAME = {field.name: field for field in FIELDS}

# What ss knows from sock_diag and our records do not hold
REFUSED = {
    "dev": "which device a socket is bound to",
    "fwmark": "the firewall mark of a socket",
    "autobound": "whether a port was chosen by the kernel",
}

_CONNECTED = STATES - {wire.CLOSE, wire.LISTEN}
_SYN_RECV = frozenset(number for number in STATES if wire.STATES[number] == "SYN_RECV")
_BUCKET = _SYN_RECV | {wire.TIME_WAIT}
GROUPS = {
    "all": (STATES, "every state"),
    "connected": (_CONNECTED, "all but listening and closed"),
    "synchronized": (_CONNECTED - {wire.SYN_SENT}, "connected but not syn-sent"),
    "bucket": (_BUCKET, "what the kernel keeps in little: syn-recv and time-wait"),
    "big": (STATES - _BUCKET, "all but those"),
}

# ss's name first, then other spellings of it; `-` and `_` count for nothing, nor does case
_SPELLINGS = {
    wire.ESTABLISHED: ("established", "estab"),
    wire.SYN_SENT: ("syn-sent",),
    wire.SYN_RECV: ("syn-recv", "syn-rcv"),
    wire.FIN_WAIT1: ("fin-wait-1",),
    wire.FIN_WAIT2: ("fin-wait-2",),
    wire.TIME_WAIT: ("time-wait",),
    wire.CLOSE: ("closed", "close", "unconnected", "unconn"),
    wire.CLOSE_WAIT: ("close-wait",),
    wire.LAST_ACK: ("last-ack",),
    wire.LISTEN: ("listening", "listen"),
    wire.CLOSING: ("closing",),
}
STATE_NAMES = tuple(names[0] for names in _SPELLINGS.values())


def _folded(text: str) -> str:
    return text.lower().replace("-", "").replace("_", "")


_STATES_BY_NAME = {
    _folded(name): _SYN_RECV if number == wire.SYN_RECV else frozenset((number,))
    for number, names in _SPELLINGS.items()
    for name in names
} | {name: numbers for name, (numbers, _) in GROUPS.items()}


def find(name: str) -> Field | None:
    return BY_NAME.get(name.lower().replace("-", "_"))


def state_numbers(name: str) -> frozenset[int] | None:
    """The kernel's numbers for a state or a group; None if it is neither."""
    return _STATES_BY_NAME.get(_folded(name))


def nearest(name: str, known: tuple[str, ...]) -> str:
    """The one that was probably meant, or ""."""
    close = difflib.get_close_matches(name.lower(), known, n=3)
    return min(close, key=lambda one: abs(len(one) - len(name)), default="")
