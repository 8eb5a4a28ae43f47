"""What to do about each verdict, and in which cases something else. docs/verdicts.md shows it word for word."""

from collections.abc import Mapping
from dataclasses import dataclass

from tcpwatch import wire
from tcpwatch.verdicts import conditions as when
from tcpwatch.verdicts.conditions import Condition


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do. where: the case it is for, in words that docs/verdicts.md shows; "" for all others."""

    text: str
    where: str = ""
    holds: Condition | None = None


# By verdict. The first whose case holds is given, else the first that is for none
ADVICE: Mapping[str, tuple[Advice, ...]] = {
    "out_of_ports": (
        Advice(
            "Keep connections open and use them again (a pool); or widen net.ipv4.ip_local_port_range, set "
            "net.ipv4.tcp_tw_reuse=1, or connect from more source addresses. Look where the TIME_WAITs come from.",
        ),
        Advice(
            "Do not bind() a fixed source port, or use another one: this one still serves a connection to the same "
            "destination (perhaps one in TIME_WAIT; see net.ipv4.tcp_tw_reuse).",
            "the process chose its source port itself",
            lambda f: f.rows["lport"] != 0,
        ),
    ),
    "accept_queue_full": (
        Advice(
            "The server calls accept() too slowly: look what holds its accepting thread, add workers, then raise "
            "the backlog of listen() together with net.core.somaxconn.",
        ),
    ),
    "syn_queue_full": (
        Advice(
            "Set net.ipv4.tcp_syncookies=1; raise net.ipv4.tcp_max_syn_backlog and the backlog of listen(). Many "
            "half-open connections that never finish are a SYN flood: filter their sources.",
        ),
    ),
    "refused": (
        Advice(
            "Start the server, or correct the address or port: on the peer, `ss -ltn` must show a listener on this "
            "port and on this address, not on 127.0.0.1 only. A firewall that rejects with a reset looks the same.",
        ),
    ),
    "rejected_by_firewall": (
        Advice(
            "Look for a reject rule on the way, on the peer first: `nft list ruleset` or `iptables -S`, with "
            "their counters. A host that merely has no listener answers with a reset.",
        ),
        Advice(
            "Look for a reject rule, on this machine first, then on the peer and between: `nft list ruleset` or "
            "`iptables -S`, with their counters. For a service of Kubernetes: it has no endpoints.",
            "within 20 ms",
            when.over_at_once,
        ),
    ),
    "unreachable": (
        Advice(
            "See which way it takes with `ip route get` and whether the host answers there (`ip neigh`: FAILED); "
            "then look for a missing route, or a firewall that rejects with an ICMP message, along the path.",
        ),
        Advice(
            "See which way it takes with `ip route get`; then look for a firewall that rejects with an ICMP message, "
            "on this machine first (`nft list ruleset`, `iptables -S`, with their counters), or a missing route, along "
            "the path. For a service of Kubernetes: it has no endpoints.",
            "within 20 ms",
            when.over_at_once,
        ),
    ),
    "no_answer": (
        Advice(
            "Something drops it in silence: a firewall's drop rule, a wrong route, or the host is down. Run "
            "tcpdump on the peer: if SYNs arrive, look at its firewall and its listen queues, else along the path. "
            "If it does answer, look along the way back, and at the firewall here.",
        ),
    ),
    "given_up": (
        Advice(
            "If that was its time-out, it is shorter than the second after which a lost SYN is sent again: 3 s and "
            "more survive one loss. Clients that race several addresses (happy eyeballs) do this on purpose.",
        ),
    ),
    "handshake_unfinished": (
        Advice(
            "One is a client that is gone, or a path that loses one direction. Many, from many addresses, are a "
            "SYN flood: see to net.ipv4.tcp_syncookies=1.",
        ),
    ),
    "timed_out_keepalive": (
        Advice(
            "The peer is gone, or a NAT or firewall between forgot the connection. For the latter, probe more "
            "often than it forgets: TCP_KEEPIDLE, or net.ipv4.tcp_keepalive_time, below that time (often 5 min).",
        ),
    ),
    "stalled_zero_window": (
        Advice(
            "The process at the other end does not read: look there (blocked, stopped, overloaded, or waiting for "
            "us in turn). On this side TCP_USER_TIMEOUT bounds the wait.",
        ),
    ),
    "timed_out_retransmitting": (
        Advice(
            "The peer or the path died in mid-connection: is the host up, did a route, NAT or firewall change? "
            "net.ipv4.tcp_retries2 and TCP_USER_TIMEOUT decide how long it is tried.",
        ),
        Advice(
            "The process had closed already and only its last data or FIN was still to be acknowledged: the peer "
            "vanished without a goodbye. net.ipv4.tcp_orphan_retries decides how long that is tried.",
            "it was closing",
            when.last_words,
        ),
    ),
    "reset_by_us_process_died": (
        Advice(
            "Was it meant to end? Look for a crash or a kill: its exit status, `journalctl`, `dmesg` (out of "
            "memory), its supervisor. To go in peace, read to the end and close before exiting.",
        ),
    ),
    "reset_by_us_unread_data": (
        Advice(
            "Read until the end of file before close(), or shutdown(SHUT_WR) first and then drain: the reset may "
            "also destroy what the peer has not read of our last answer.",
        ),
    ),
    "reset_by_us_linger": (
        Advice(
            "If that is to avoid TIME_WAIT, beware: what the peer has not received by then is lost. Leave "
            "SO_LINGER alone, and let the side that can afford it close second.",
        ),
    ),
    "reset_by_us": (
        Advice(
            "Look at the kernel's reason in the evidence, and at what the process did then: it disconnected, or "
            "its listener was closed before it called accept().",
        ),
        Advice(
            "The peer was still talking when this side closed: read until the end of file first, or shutdown("
            "SHUT_WR) and drain. Harmless if the rest was not wanted, but the peer sees an error.",
            "data came after the close",
            when.late_data,
        ),
        Advice(
            "Too little memory for TCP, or too many orphans: compare /proc/net/sockstat with net.ipv4.tcp_mem and "
            "net.ipv4.tcp_max_orphans.",
            "the kernel ran short of memory",
            lambda f: f.has_reason("TCP_ABORT_ON_MEMORY"),
        ),
    ),
    "reset_after_goodbye": (
        Advice(
            "Harmless where the last words do not matter, as TLS's close_notify after the server's FIN. If an "
            "answer was cut short, the peer did not wait for it: look at its time limits.",
        ),
        Advice(
            "The caller did not wait for the answer: compare its time limit with what the answer takes here.",
            "a server answered a second or more after the peer's FIN",
            when.stale_answer,
        ),
        Advice(
            "A request on a connection that the server had closed, as by pools that keep them for longer than it "
            "does: let the client have the shorter idle limit, and try again on a new one. Harmless if it was only "
            "TLS's close_notify.",
            "a client used it a second or more after the peer's FIN",
            when.stale_use,
        ),
    ),
    "reset_by_peer": (
        Advice(
            "Look at the peer at that moment: a crash or restart, a process that closed without reading what we "
            "sent, an abort of its own (SO_LINGER 0), or a time limit of a proxy between.",
        ),
        Advice(
            "The peer did not want it: a limit on connections, an address that is not allowed, the wrong protocol "
            "(TLS or not), or a proxy without a server behind it. Its log should say.",
            "right after it was established",
            when.at_once,
        ),
        Advice(
            "The process at the other end did not read what it was sent, and then ended or closed: look there "
            "(blocked, stopped, overloaded, killed).",
            "while data waited for its window to open",
            when.shut_out,
        ),
        Advice(
            "Look at the peer, or a proxy or balancer before it, at that moment: an idle limit that ends in a "
            "reset, a process that ended. Let the client close idle connections sooner than the server does.",
            "after a long silence, and nothing was sent to it",
            when.unprovoked,
        ),
        Advice(
            "A NAT, load balancer or firewall between, or the peer, forgets connections that are idle for so long. "
            "Switch SO_KEEPALIVE on with TCP_KEEPIDLE below that, or let the client close sooner.",
            "after a long silence",
            when.after_silence,
        ),
        Advice(
            "The peer was done and did not want what was still sent to it; usually harmless. If data is missing, "
            "let the peer read to the end before it closes.",
            "while it was being closed",
            when.closing,
        ),
    ),
    "aborted": (
        Advice(
            "ECONNABORTED: who or what destroys sockets here (`ss -K`, a VPN or mobile agent, a network manager)? "
            "Other errors: look them up in tcp(7) and connect(2).",
        ),
    ),
    "unacknowledged": (
        Advice(
            "The peer or the path is gone: ping it, see whether others of its connections move. The kernel goes on "
            "for net.ipv4.tcp_retries2 time-outs (about 15 min) unless TCP_USER_TIMEOUT says less.",
        ),
    ),
    "lossy_path": (
        Advice(
            "Find the lossy hop: `ip -s link` and `ethtool -S` on both ends (drops, errors), a full queue "
            "(`tc -s qdisc`), a policer, radio. Where the loss is not congestion, BBR suffers less than CUBIC.",
        ),
    ),
    "half_closed_lingering": (
        Advice(
            "The process has not closed its descriptor after the peer's end of file: a leak if their number grows "
            "(CLOSE_WAIT in `ss -tanp`). Fix it to close() when read() returns 0.",
        ),
        Advice(
            "Callers came and went while nobody took them in: look why the listener's process does not call "
            "accept() (blocked, stopped, overloaded, out of descriptors).",
            "no process was found that has it",
            lambda f: f.unclaimed & (f.last == wire.CLOSE_WAIT),
        ),
        Advice(
            "The peer does not close. If nothing more is expected of it, close() instead of shutdown(): then "
            "net.ipv4.tcp_fin_timeout bounds the wait.",
            "this side closed first",
            lambda f: f.last == wire.FIN_WAIT2,
        ),
    ),
    "slow_handshake": (
        Advice(
            "A SYN or its answer was lost or dropped: look for loss on the path, and for the listen queues of the "
            "server (drops and overflows in the listeners view).",
        ),
    ),
    "receiver_limited": (
        Advice(
            "Make the receiver read faster, or let it have a larger buffer: net.ipv4.tcp_rmem there, and no "
            "SO_RCVBUF, which switches its tuning off. Check that window scaling was agreed on.",
        ),
    ),
    "sender_buffer_limited": (
        Advice(
            "Let the send buffer grow: no SO_SNDBUF, which switches its tuning off, and a larger maximum in "
            "net.ipv4.tcp_wmem; it should hold twice what the path does (rate times round trip).",
        ),
    ),
    "application_limited": (
        Advice(
            "To make it faster look at the process: what does it wait for between its writes (disk, locks, "
            "upstream, its own rate limit)? The network has room.",
        ),
    ),
    "clean": (),
    "unclear": (
        Advice(
            "An event may have been lost (see the losses in the status line), or the process cut it off. If it "
            "happens again, capture it with tcpdump.",
        ),
    ),
}
