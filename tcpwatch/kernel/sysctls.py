"""The sysctls that decide how TCP behaves here, and what their present values come to, in words a reader can act on.
Reads only; those under net/ are the reading process's network namespace's own."""

from collections.abc import Callable, Mapping

from tcpwatch import words

_LINEAR_TIMEOUTS = "net.ipv4.tcp_syn_linear_timeouts"  # since ccce324dabfe (6.5)
_RTO_FIRST_S, _RTO_MIN_S, _RTO_MAX_S = 1, 0.2, 120  # TCP_TIMEOUT_INIT, TCP_RTO_MIN, TCP_RTO_MAX
_RTO_DOUBLINGS = 9  # from the least to the most


def _ports(at: Mapping[str, str]) -> str:
    low, high = (int(word) for word in at["net.ipv4.ip_local_port_range"].split())
    return f"{high - low + 1:,} ports for outgoing connections from one address to one address and port"


def _connect(at: Mapping[str, str]) -> str:
    seconds = int(at.get(_LINEAR_TIMEOUTS, 0)) * _RTO_FIRST_S + _handshake_s(int(at["net.ipv4.tcp_syn_retries"]))
    return f"connect() fails when nobody answered for {_span(seconds)}"


def _half_open(at: Mapping[str, str]) -> str:
    return f"a half-open connection is given up after {_span(_handshake_s(int(at['net.ipv4.tcp_synack_retries'])))}"


def _handshake_s(retries: int) -> int:
    """Until the last of `retries` repetitions has waited in vain."""
    return sum(min(_RTO_FIRST_S << attempt, _RTO_MAX_S) for attempt in range(retries + 1))


def _dead_peer(at: Mapping[str, str]) -> str:
    """tcp_model_timeout() in net/ipv4/tcp_timer.c."""
    retries = int(at["net.ipv4.tcp_retries2"])
    doublings = min(retries, _RTO_DOUBLINGS)
    seconds = ((2 << doublings) - 1) * _RTO_MIN_S + (retries - doublings) * _RTO_MAX_S
    return f"data that nobody acknowledges breaks the connection after {_span(seconds)} at the earliest"


def _keepalive(at: Mapping[str, str]) -> str:
    idle = int(at["net.ipv4.tcp_keepalive_time"])
    probing = int(at["net.ipv4.tcp_keepalive_intvl"]) * int(at["net.ipv4.tcp_keepalive_probes"])
    return (
        f"with SO_KEEPALIVE a vanished peer is noticed after {_span(idle + probing)} of silence; many NATs and load "
        "balancers forget an idle connection within minutes"
    )


def _fastopen(at: Mapping[str, str]) -> str:
    bits = int(at["net.ipv4.tcp_fastopen"], 0)
    return f"data in the SYN: {'on' if bits & 1 else 'off'} for clients, {'on' if bits & 2 else 'off'} for servers"


def _span(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3600)
    parts = ((hours, "h"), (rest // 60, "min"), (rest % 60, "s"))
    return " ".join(f"{count} {unit}" for count, unit in parts if count) or "0 s"


# A text; texts by value, from 0; or a text made from all values
_MEANINGS: dict[str, str | tuple[str, ...] | Callable[[Mapping[str, str]], str]] = {
    "net.ipv4.ip_local_port_range": _ports,
    "net.ipv4.ip_local_reserved_ports": "ports of that range that are never chosen for an outgoing connection",
    "net.ipv4.tcp_tw_reuse": (
        "a port in TIME_WAIT is not reused for a new outgoing connection to the same place",
        "a port in TIME_WAIT for over a second is reused for a new outgoing connection (timestamps needed)",
        "a port in TIME_WAIT is reused for a new outgoing connection on loopback only",
    ),
    "net.ipv4.tcp_max_tw_buckets": "TIME_WAIT sockets kept at most; beyond that they end at once",
    "net.ipv4.tcp_fin_timeout": "seconds an abandoned FIN_WAIT2 waits for the peer's FIN; TIME_WAIT always lasts 60",
    "net.core.somaxconn": "upper bound of every listener's accept queue, whatever listen() asks for",
    "net.ipv4.tcp_max_syn_backlog": (
        "matters with SYN cookies off only: beyond three quarters of it strangers' SYNs are dropped; a listener's SYN "
        "queue is as long as its accept queue"
    ),
    "net.ipv4.tcp_syncookies": (
        "no SYN cookies: when a SYN queue is full, SYNs are dropped",
        "SYN cookies are sent when a listener's SYN queue is full",
        "SYN cookies are sent always, full queue or not (a setting for tests)",
    ),
    "net.ipv4.tcp_abort_on_overflow": (
        "when an accept queue is full the last ACK is ignored: the client believes it is connected",
        "when an accept queue is full the client gets a reset",
    ),
    "net.ipv4.tcp_syn_retries": _connect,
    "net.ipv4.tcp_synack_retries": _half_open,
    "net.ipv4.tcp_retries1": "retransmission timeouts in a row before the route is looked up anew",
    "net.ipv4.tcp_retries2": _dead_peer,
    "net.ipv4.tcp_keepalive_time": _keepalive,
    "net.ipv4.tcp_keepalive_intvl": "seconds between keep-alive probes that nobody answers",
    "net.ipv4.tcp_keepalive_probes": "unanswered keep-alive probes before the connection is broken",
    "net.ipv4.tcp_sack": (
        "off: of several losses in one window each costs a round trip of its own",
        "on: the receiver says what arrived, and only what was lost is sent again",
    ),
    "net.ipv4.tcp_window_scaling": (
        "off: no window above 64 KiB, which is 5 Mbit/s at 100 ms",
        "on: windows above 64 KiB, where the peer can too",
    ),
    "net.ipv4.tcp_timestamps": (
        "off: fewer RTT samples, and SYN cookies take window scaling and SACK away",
        "on, with a random offset per connection",
        "on, without a random offset",
    ),
    "net.ipv4.tcp_ecn": ("off", "asked for, and accepted when the peer asks", "accepted when the peer asks"),
    "net.ipv4.tcp_fastopen": _fastopen,
    "net.ipv4.tcp_congestion_control": "what new connections use, unless the program chooses for itself",
    "net.ipv4.tcp_available_congestion_control": "what can be chosen; more may exist as modules not loaded yet",
    "net.ipv4.tcp_rmem": "bytes of receive buffer: least, at birth, most; the most bounds the window we offer",
    "net.ipv4.tcp_wmem": "bytes of send buffer: least, at birth, most; the most bounds what can be in flight",
    "kernel.unprivileged_bpf_disabled": "no matter here: tcpwatch needs CAP_BPF and CAP_PERFMON at any value",
    "kernel.perf_event_paranoid": (
        "no matter here, unless the kernel has no BTF: hooks on functions then take perf events, which above 2 some "
        "kernels allow to CAP_SYS_ADMIN alone"
    ),
    "kernel.bpf_stats_enabled": (
        "the kernel does not time BPF programs; with 1, bpftool prog shows what each costs",
        "the kernel times every run of every BPF program, which itself costs a little",
    ),
}

NAMES = tuple(_MEANINGS)


def read(proc: str = "/proc") -> dict[str, str]:
    """The values of NAMES as they are, numbers apart by one blank; those the kernel lacks or hides are absent."""
    values = {}
    for name in (*NAMES, _LINEAR_TIMEOUTS):
        try:
            with open(f"{proc}/sys/{name.replace('.', '/')}", encoding="utf-8", errors="replace") as file:
                values[name] = words.clean(" ".join(file.read().split()))
        except OSError:
            continue
    return values


def meaning(name: str, values: Mapping[str, str]) -> str:
    """What the value of `name` comes to; "" where it is absent, or a value this version of tcpwatch does not know."""
    said = _MEANINGS[name]
    try:
        if isinstance(said, tuple):
            return said[int(values[name])]
        return said(values) if callable(said) else said
    except (ValueError, KeyError, IndexError):
        return ""
