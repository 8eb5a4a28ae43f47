"""Which verdict fits which connection: the rules, in the order in which they are tried. The first that holds is the
verdict. To add one, add a line here and a sentence in sentences.py."""

import errno
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tcpwatch import wire
from tcpwatch.verdicts import conditions as when
from tcpwatch.verdicts.facts import Facts

NONE, LOW, MEDIUM, HIGH = range(4)
HARMS = ("none", "low", "medium", "high")

Condition = Callable[[Facts], np.ndarray]


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do. where: the case it is for, in words that docs/verdicts.md shows; "" for all others."""

    text: str
    where: str = ""
    holds: Condition | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """ended, standing: the condition for a connection that ended, and for one that is alive; None: never then.
    certain: where the evidence leaves no other reading; None: never, True: always."""

    code: str
    harm: int
    meaning: str
    advice: tuple[Advice, ...]
    ended: Condition | None = None
    standing: Condition | None = None
    certain: Condition | bool = True


def harm_of(code: str | None) -> int:
    """The harm rank of a verdict, NONE for None."""
    return _HARM_OF.get(code, NONE)


RULES: tuple[Rule, ...] = (
    Rule(
        "out_of_ports",
        HIGH,
        "connect() failed with EADDRNOTAVAIL: no local port was free for this destination.",
        (
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
        ended=when.no_port,
        certain=lambda f: f.rows["lport"] == 0,
    ),
    Rule(
        "accept_queue_full",
        HIGH,
        "The listener on this machine dropped handshakes because its accept queue was full, and this connection had to "
        "wait or failed for it.",
        (
            Advice(
                "The server calls accept() too slowly: look what holds its accepting thread, add workers, then raise "
                "the backlog of listen() together with net.core.somaxconn.",
            ),
        ),
        ended=lambda f: when.queue_was_full(f, f.accept_queue_full),
        standing=lambda f: when.queue_is_full(f, f.accept_queue_full),
        certain=False,  # the listener dropped some at that time; which, nobody tells
    ),
    Rule(
        "syn_queue_full",
        HIGH,
        "The listener on this machine dropped SYNs because its SYN queue was full and no cookies were sent, and this "
        "connection had to wait or failed for it.",
        (
            Advice(
                "Set net.ipv4.tcp_syncookies=1; raise net.ipv4.tcp_max_syn_backlog and the backlog of listen(). Many "
                "half-open connections that never finish are a SYN flood: filter their sources.",
            ),
        ),
        ended=lambda f: when.queue_was_full(f, f.syn_queue_full),
        standing=lambda f: when.queue_is_full(f, f.syn_queue_full),
        certain=False,
    ),
    Rule(
        "refused",
        HIGH,
        "The SYN was answered with a reset: nothing listens on that port (ECONNREFUSED).",
        (
            Advice(
                "Start the server, or correct the address or port: on the peer, `ss -ltn` must show a listener on this "
                "port and on this address, not on 127.0.0.1 only. A firewall that rejects with a reset looks the same.",
            ),
        ),
        ended=lambda f: (f.last == wire.SYN_SENT) & f.peer_reset,
    ),
    Rule(
        "rejected_by_firewall",
        HIGH,
        "The connect was refused by an ICMP message and not by a reset: a firewall rejects it.",
        (
            Advice(
                "Look for a reject rule on the way, on the peer first: `nft list ruleset` or `iptables -S`, with "
                "their counters. A host that merely has no listener answers with a reset.",
            ),
        ),
        ended=when.rejected,
        certain=False,  # the reset's event may have been lost; an unreachable route may be meant
    ),
    Rule(
        "unreachable",
        HIGH,
        "There was no way to the peer: a router or firewall said so by ICMP, or the host does not answer on its own "
        "network (EHOSTUNREACH, ENETUNREACH).",
        (
            Advice(
                "See which way it takes with `ip route get` and whether the host answers there (`ip neigh`: FAILED); "
                "then look for a missing route, or a firewall that rejects with an ICMP message, along the path.",
            ),
        ),
        ended=lambda f: f.no_way & (f.calling | f.met) & ~f.keepalive_over & ~f.peer_reset,
    ),
    Rule(
        "no_answer",
        HIGH,
        "The SYN was sent again and again and nobody answered it.",
        (
            Advice(
                "Something drops it in silence: a firewall's drop rule, a wrong route, or the host is down. Run "
                "tcpdump on the peer: if SYNs arrive, look at its firewall and its listen queues, else along the path. "
                "If it does answer, look along the way back, and at the firewall here.",
            ),
        ),
        ended=when.no_answer,
        standing=lambda f: f.calling & (f.syns_again > 0),
        certain=lambda f: f.timed_out | ~f.ended,
    ),
    Rule(
        "given_up",
        LOW,
        "The process gave its connect() up before there was an answer, and before the SYN was due to be sent again.",
        (
            Advice(
                "If that was its time-out, it is shorter than the second after which a lost SYN is sent again: 3 s and "
                "more survive one loss. Clients that race several addresses (happy eyeballs) do this on purpose. "
                "Those that took no 20 ms were likely told that there is no way: look for a reject rule.",
            ),
            Advice(
                "See which error the program tells: ECONNREFUSED or EHOSTUNREACH means a reject rule that is close by, "
                "on this machine as a rule (`nft list ruleset`, `iptables -S`, with their counters); for a Kubernetes "
                "service: it has no endpoints.",
                "within 20 ms",
                when.let_go_at_once,
            ),
        ),
        ended=lambda f: f.calling & ~f.peer_reset & (f.error == 0),
        certain=lambda f: ~when.let_go_at_once(f),
    ),
    Rule(
        "handshake_unfinished",
        LOW,
        "A caller's handshake is not finished: our SYN-ACK gets no answer.",
        (
            Advice(
                "One is a client that is gone, or a path that loses one direction. Many, from many addresses, are a "
                "SYN flood: see to net.ipv4.tcp_syncookies=1.",
            ),
        ),
        ended=lambda f: f.half_open & f.timed_out,
        standing=lambda f: f.half_open & (f.synacks_again > 0),
    ),
    Rule(
        "timed_out_keepalive",
        MEDIUM,
        "Keep-alive probes went unanswered on an idle connection, and the kernel gave it up.",
        (
            Advice(
                "The peer is gone, or a NAT or firewall between forgot the connection. For the latter, probe more "
                "often than it forgets: TCP_KEEPIDLE, or net.ipv4.tcp_keepalive_time, below that time (often 5 min).",
            ),
        ),
        ended=lambda f: f.keepalive_over,
        certain=lambda f: f.reason_given | (f.rows["options"] & wire.KEEPALIVE != 0),
    ),
    Rule(
        "stalled_zero_window",
        MEDIUM,
        "Data waits, or waited to the end, because the peer takes no more: its receive window is shut.",
        (
            Advice(
                "The process at the other end does not read: look there (blocked, stopped, overloaded, or waiting for "
                "us in turn). On this side TCP_USER_TIMEOUT bounds the wait.",
            ),
        ),
        ended=lambda f: f.met & f.timed_out & f.stalled_at_end,
        standing=lambda f: f.met & (f.stalled_for_ns >= when.STALLED_NS),
    ),
    Rule(
        "timed_out_retransmitting",
        HIGH,
        "What was sent was never acknowledged, however often it was sent again, and the kernel gave up (ETIMEDOUT).",
        (
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
        ended=lambda f: f.met & f.timed_out,
        certain=lambda f: f.rows["retrans"] > 0,
    ),
    Rule(
        "reset_by_us_process_died",
        MEDIUM,
        "This side's process ended without closing the connection, and the kernel reset it.",
        (
            Advice(
                "Was it meant to end? Look for a crash or a kill: its exit status, `journalctl`, `dmesg` (out of "
                "memory), its supervisor. To go in peace, read to the end and close before exiting.",
            ),
        ),
        ended=lambda f: f.own_reset & f.process_died & (f.error != errno.ECONNABORTED),
    ),
    Rule(
        "reset_by_us_unread_data",
        MEDIUM,
        "This side's process closed although it had not read all that was received, so the kernel sent a reset "
        "instead of a FIN.",
        (
            Advice(
                "Read until the end of file before close(), or shutdown(SHUT_WR) first and then drain: the reset may "
                "also destroy what the peer has not read of our last answer.",
            ),
        ),
        ended=lambda f: f.own_reset & f.reset_by_unread & ~f.late_data & (f.error != errno.ECONNABORTED),
        certain=lambda f: f.reason_given,
    ),
    Rule(
        "reset_by_us_linger",
        LOW,
        "This side's process closed with SO_LINGER set to 0 s, which means a reset instead of a FIN.",
        (
            Advice(
                "If that is to avoid TIME_WAIT, beware: what the peer has not received by then is lost. Leave "
                "SO_LINGER alone, and let the side that can afford it close second.",
            ),
        ),
        ended=lambda f: f.own_reset & f.reset_by_linger & ~f.late_data & (f.error != errno.ECONNABORTED),
        certain=lambda f: f.reason_given,
    ),
    Rule(
        "reset_by_us",
        LOW,
        "This side sent the reset, for another reason than those above.",
        (
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
        ended=lambda f: f.own_reset & (f.error != errno.ECONNABORTED),
        certain=lambda f: f.reason_given,
    ),
    Rule(
        "reset_after_goodbye",
        LOW,
        "The peer had closed, and answered what was still sent to it with a reset.",
        (
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
                when.stale,
            ),
        ),
        ended=when.reset_after_goodbye,
    ),
    Rule(
        "reset_by_peer",
        MEDIUM,
        "A reset came from the peer, or from a box between that speaks for it.",
        (
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
        ended=lambda f: f.peer_reset,
    ),
    Rule(
        "aborted",
        MEDIUM,
        "The kernel ended it with an error that no other rule explains, or on an administrator's demand (`ss -K`).",
        (
            Advice(
                "ECONNABORTED: who or what destroys sockets here (`ss -K`, a VPN or mobile agent, a network manager)? "
                "Other errors: look them up in tcp(7) and connect(2).",
            ),
        ),
        ended=lambda f: f.error != 0,
        certain=lambda f: f.error == errno.ECONNABORTED,
    ),
    Rule(
        "unacknowledged",
        HIGH,
        "The peer has stopped to answer: what is sent again, or keep-alive probes, get no acknowledgement.",
        (
            Advice(
                "The peer or the path is gone: ping it, see whether others of its connections move. The kernel goes on "
                "for net.ipv4.tcp_retries2 time-outs (about 15 min) unless TCP_USER_TIMEOUT says less.",
            ),
        ),
        standing=when.unacknowledged,
        certain=False,
    ),
    Rule(
        "lossy_path",
        MEDIUM,
        "Segments are lost on the way to the peer: a notable share had to be sent again.",
        (
            Advice(
                "Find the lossy hop: `ip -s link` and `ethtool -S` on both ends (drops, errors), a full queue "
                "(`tc -s qdisc`), a policer, radio. Where the loss is not congestion, BBR suffers less than CUBIC.",
            ),
        ),
        ended=lambda f: f.orderly & when.lossy(f),
        standing=when.lossy_now,
        certain=lambda f: f.rows["options"] & wire.SACK != 0,
    ),
    Rule(
        "half_closed_lingering",
        LOW,
        "One side has said goodbye long ago and the other has not.",
        (
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
        ended=lambda f: f.orderly & (f.half_closed_for_ns >= when.NOT_CLOSED_LONG_NS) & ~f.brief,
        standing=lambda f: (
            (f.half_closed_for_ns >= when.NOT_CLOSED_NS) | (f.peer_half_closed_for_ns >= when.PEER_NOT_CLOSED_NS)
        ),
    ),
    Rule(
        "slow_handshake",
        LOW,
        "It went well, but its handshake took more than one try, which costs a second and more.",
        (
            Advice(
                "A SYN or its answer was lost or dropped: look for loss on the path, and for the listen queues of the "
                "server (drops and overflows in the listeners view).",
            ),
        ),
        ended=lambda f: f.orderly & np.where(f.client, f.syns_again > 0, f.synacks_again > 0),
        certain=lambda f: f.client,  # a listener with TCP_DEFER_ACCEPT repeats its SYN-ACK to one who says nothing
    ),
    Rule(
        "receiver_limited",
        LOW,
        "Most of the time with data to send it waited for the peer's receive window.",
        (
            Advice(
                "Make the receiver read faster, or let it have a larger buffer: net.ipv4.tcp_rmem there, and no "
                "SO_RCVBUF, which switches its tuning off. Check that window scaling was agreed on.",
            ),
        ),
        ended=lambda f: f.orderly & ~f.brief & when.limited(f, "rwnd_limited_ticks"),
        standing=lambda f: when.limited_now(f, "rwnd_limited_ticks"),
    ),
    Rule(
        "sender_buffer_limited",
        LOW,
        "Most of the time with data to send it waited for room in our own send buffer.",
        (
            Advice(
                "Let the send buffer grow: no SO_SNDBUF, which switches its tuning off, and a larger maximum in "
                "net.ipv4.tcp_wmem; it should hold twice what the path does (rate times round trip).",
            ),
        ),
        ended=lambda f: f.orderly & ~f.brief & when.limited(f, "sndbuf_limited_ticks"),
        standing=lambda f: when.limited_now(f, "sndbuf_limited_ticks"),
    ),
    Rule(
        "application_limited",
        NONE,
        "A long one-way flow, and most of the time the process had nothing to send: nothing else held it back.",
        (
            Advice(
                "To make it faster look at the process: what does it wait for between its writes (disk, locks, "
                "upstream, its own rate limit)? The network has room.",
            ),
        ),
        ended=lambda f: f.orderly & ~f.brief & when.bulk_with_pauses(f),
    ),
    Rule(
        "clean",
        NONE,
        "It ended in good order, by FIN, and nothing is to be said against it.",
        (),
        ended=lambda f: f.orderly,
    ),
    Rule(
        "unclear",
        LOW,
        "It ended without goodbye, reset or error that was seen.",
        (
            Advice(
                "An event may have been lost (see the losses in the status line), or the process cut it off. If it "
                "happens again, capture it with tcpdump.",
            ),
        ),
        ended=lambda f: f.ended,
        certain=False,
    ),
)

_HARM_OF: dict[str | None, int] = {rule.code: rule.harm for rule in RULES}
