"""Which verdict fits which connection: the rules, in the order in which they are tried. The first that holds is the
verdict. To add one, add a line here, what to do in advice.py and a sentence in sentences.py."""

import errno
from dataclasses import dataclass

import numpy as np

from tcpwatch import wire
from tcpwatch.verdicts import conditions as when
from tcpwatch.verdicts.advice import ADVICE, Advice
from tcpwatch.verdicts.conditions import Condition

NONE, LOW, MEDIUM, HIGH = range(4)
HARMS = ("none", "low", "medium", "high")


@dataclass(frozen=True, slots=True)
class Rule:
    """ended, standing: the condition for a connection that ended, and for one that is alive; None: never then.
    certain: where the evidence leaves no other reading; None: never, True: always."""

    code: str
    harm: int
    meaning: str
    ended: Condition | None = None
    standing: Condition | None = None
    certain: Condition | bool = True

    @property
    def advice(self) -> tuple[Advice, ...]:
        return ADVICE[self.code]


def harm_of(code: str | None) -> int:
    """The harm rank of a verdict, NONE for None."""
    return _HARM_OF.get(code, NONE)


RULES: tuple[Rule, ...] = (
    Rule(
        "out_of_ports",
        HIGH,
        "connect() failed with EADDRNOTAVAIL: no local port was free for this destination.",
        ended=when.no_port,
        certain=lambda f: f.rows["lport"] == 0,
    ),
    Rule(
        "accept_queue_full",
        HIGH,
        "The listener on this machine dropped handshakes because its accept queue was full, and this connection had to "
        "wait or failed for it.",
        ended=lambda f: when.queue_was_full(f, f.accept_queue_full),
        standing=lambda f: when.queue_is_full(f, f.accept_queue_full),
        certain=False,  # the listener dropped some at that time; which, nobody tells
    ),
    Rule(
        "syn_queue_full",
        HIGH,
        "The listener on this machine dropped SYNs because its SYN queue was full and no cookies were sent, and this "
        "connection had to wait or failed for it.",
        ended=lambda f: when.queue_was_full(f, f.syn_queue_full),
        standing=lambda f: when.queue_is_full(f, f.syn_queue_full),
        certain=False,
    ),
    Rule(
        "refused",
        HIGH,
        "The SYN was answered with a reset (ECONNREFUSED): as a rule nothing listens on that port.",
        ended=lambda f: (f.last == wire.SYN_SENT) & f.peer_reset,
    ),
    Rule(
        "rejected_by_firewall",
        HIGH,
        "The connect was refused by an ICMP message and not by a reset: a firewall rejects it.",
        ended=when.rejected,
        certain=False,  # the reset's event may have been lost; an unreachable route may be meant
    ),
    Rule(
        "unreachable",
        HIGH,
        "There was no way to the peer: a router or firewall said so by ICMP, or the host does not answer on its own "
        "network (EHOSTUNREACH, ENETUNREACH).",
        ended=lambda f: f.no_way & (f.calling | f.met) & ~f.keepalive_over & ~f.peer_reset,
    ),
    Rule(
        "no_answer",
        HIGH,
        "The SYN was sent again and again and nobody answered it.",
        ended=when.no_answer,
        standing=lambda f: f.calling & (f.syns_again > 0),
        certain=lambda f: f.timed_out | ~f.ended,
    ),
    Rule(
        "given_up",
        LOW,
        "The process gave its connect() up before there was an answer, and before the SYN was due to be sent again.",
        ended=lambda f: f.calling & ~f.peer_reset & (f.error == 0),
        certain=lambda f: ~when.let_go_at_once(f),
    ),
    Rule(
        "handshake_unfinished",
        LOW,
        "A caller's handshake is not finished: our SYN-ACK gets no answer.",
        ended=lambda f: f.half_open & f.timed_out,
        standing=lambda f: f.half_open & (f.synacks_again > 0),
    ),
    Rule(
        "timed_out_keepalive",
        MEDIUM,
        "Keep-alive probes went unanswered on an idle connection, and the kernel gave it up.",
        ended=lambda f: f.keepalive_over,
        certain=lambda f: f.reason_given | (f.rows["options"] & wire.KEEPALIVE != 0),
    ),
    Rule(
        "stalled_zero_window",
        MEDIUM,
        "Data waits, or waited to the end, because the peer takes no more: its receive window is shut.",
        ended=lambda f: f.met & f.timed_out & f.stalled_at_end,
        standing=lambda f: f.met & (f.stalled_for_ns >= when.STALLED_NS),
    ),
    Rule(
        "timed_out_retransmitting",
        HIGH,
        "What was sent was never acknowledged, however often it was sent again, and the kernel gave up (ETIMEDOUT).",
        ended=lambda f: f.met & f.timed_out,
        certain=lambda f: f.rows["retrans"] > 0,
    ),
    Rule(
        "reset_by_us_process_died",
        MEDIUM,
        "This side's process ended without closing the connection, and the kernel reset it.",
        ended=lambda f: f.own_reset & f.process_died & (f.error != errno.ECONNABORTED),
    ),
    Rule(
        "reset_by_us_unread_data",
        MEDIUM,
        "This side's process closed although it had not read all that was received, so the kernel sent a reset "
        "instead of a FIN.",
        ended=lambda f: f.own_reset & f.reset_by_unread & ~f.late_data & (f.error != errno.ECONNABORTED),
        certain=lambda f: f.reason_given,
    ),
    Rule(
        "reset_by_us_linger",
        LOW,
        "This side's process closed with SO_LINGER set to 0 s, which means a reset instead of a FIN.",
        ended=lambda f: f.own_reset & f.reset_by_linger & ~f.late_data & (f.error != errno.ECONNABORTED),
        certain=lambda f: f.reason_given,
    ),
    Rule(
        "reset_by_us",
        LOW,
        "This side sent the reset, for another reason than those above.",
        ended=lambda f: f.own_reset & (f.error != errno.ECONNABORTED),
        certain=lambda f: f.reason_given,
    ),
    Rule(
        "reset_after_goodbye",
        LOW,
        "The peer had closed, and answered what was still sent to it with a reset.",
        ended=when.reset_after_goodbye,
    ),
    Rule(
        "reset_by_peer",
        MEDIUM,
        "A reset came from the peer, or from a box between that speaks for it.",
        ended=lambda f: f.peer_reset,
    ),
    Rule(
        "aborted",
        MEDIUM,
        "The kernel ended it with an error that no other rule explains, or on an administrator's demand (`ss -K`).",
        ended=lambda f: f.error != 0,
        certain=lambda f: f.error == errno.ECONNABORTED,
    ),
    Rule(
        "unacknowledged",
        HIGH,
        "The peer has stopped to answer: what is sent again, or keep-alive probes, get no acknowledgement.",
        standing=when.unacknowledged,
        certain=False,
    ),
    Rule(
        "lossy_path",
        MEDIUM,
        "Segments are lost on the way to the peer: a notable share had to be sent again.",
        ended=lambda f: f.orderly & when.lossy(f),
        standing=when.lossy_now,
        certain=lambda f: f.rows["options"] & wire.SACK != 0,
    ),
    Rule(
        "half_closed_lingering",
        LOW,
        "One side has said goodbye long ago and the other has not.",
        ended=lambda f: f.orderly & (f.half_closed_for_ns >= when.NOT_CLOSED_LONG_NS) & ~f.brief,
        standing=lambda f: (
            (f.half_closed_for_ns >= when.NOT_CLOSED_NS) | (f.peer_half_closed_for_ns >= when.PEER_NOT_CLOSED_NS)
        ),
    ),
    Rule(
        "slow_handshake",
        LOW,
        "It went well, but its handshake took more than one try, which costs a second and more.",
        ended=lambda f: f.orderly & np.where(f.client, f.syns_again > 0, f.synacks_again > 0),
        certain=lambda f: f.client,  # a listener with TCP_DEFER_ACCEPT repeats its SYN-ACK to one who says nothing
    ),
    Rule(
        "receiver_limited",
        LOW,
        "Most of the time with data to send it waited for the peer's receive window.",
        ended=lambda f: f.orderly & ~f.brief & when.limited(f, "rwnd_limited_ticks"),
        standing=lambda f: when.limited_now(f, "rwnd_limited_ticks"),
    ),
    Rule(
        "sender_buffer_limited",
        LOW,
        "Most of the time with data to send it waited for room in our own send buffer.",
        ended=lambda f: f.orderly & ~f.brief & when.limited(f, "sndbuf_limited_ticks"),
        standing=lambda f: when.limited_now(f, "sndbuf_limited_ticks"),
    ),
    Rule(
        "application_limited",
        NONE,
        "A long one-way flow, and most of the time the process had nothing to send: nothing else held it back.",
        ended=lambda f: f.orderly & ~f.brief & when.bulk_with_pauses(f),
    ),
    Rule(
        "clean",
        NONE,
        "It ended in good order, by FIN, and nothing is to be said against it.",
        ended=lambda f: f.orderly,
    ),
    Rule(
        "unclear",
        LOW,
        "It ended without goodbye, reset or error that was seen.",
        ended=lambda f: f.ended,
        certain=False,
    ),
)

_HARM_OF: dict[str | None, int] = {rule.code: rule.harm for rule in RULES}
