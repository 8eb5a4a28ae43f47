"""Does each rule hold for what it is about, and not for what is next to it?"""

import errno
from typing import Any

import numpy as np
import pytest

from tcpwatch import rows as shape
from tcpwatch import wire
from tcpwatch.verdicts import CODES

from .build import (
    ACCEPTED,
    CALLED,
    CLIENT_FIRST,
    CLIENT_SECOND,
    CLOSE_WAIT,
    CLOSING,
    CONNECTED,
    ESTABLISHED,
    FIN_WAIT1,
    FIN_WAIT2,
    FOUND_OPEN,
    HZ,
    LAST_ACK,
    MS,
    REASON,
    REASONS,
    SERVER_FIRST,
    SERVER_SECOND,
    START,
    SYN_RECV,
    SYN_SENT,
    TIME_WAIT,
    S,
    again,
    got_reset,
    judged,
    live,
    row,
    sent_reset,
)

ETIMEDOUT, ECONNREFUSED, ECONNRESET, EPIPE = errno.ETIMEDOUT, errno.ECONNREFUSED, errno.ECONNRESET, errno.EPIPE
UNREAD, LINGER, EXITING = wire.EVENT_UNREAD, wire.EVENT_LINGER, wire.EVENT_EXITING
VANISHED: dict[str, Any] = {"flags": shape.CLOSED | shape.VANISHED | shape.HAS_COUNTERS, "closed_ns": 0}
LATE: dict[str, Any] = {
    "error": ECONNRESET,
    "resets_received": 1,
}  # the kernel resets itself first, and that is seen as received

ENDED: list[tuple[str, str | None, Any]] = [
    # good ends
    ("client closes first", "clean", row()),
    ("client closes second", "clean", row(CLIENT_SECOND)),
    ("server closes first", "clean", row((*SERVER_FIRST, TIME_WAIT))),
    ("server closes second", "clean", row(SERVER_SECOND)),
    ("orphan in FIN_WAIT2", "clean", row(SERVER_FIRST)),
    ("both close at once", "clean", row((SYN_SENT, ESTABLISHED, FIN_WAIT1, CLOSING, TIME_WAIT))),
    ("simultaneous open", "clean", row((SYN_SENT, SYN_RECV, ESTABLISHED, CLOSE_WAIT, LAST_ACK))),
    ("found open", "clean", row(FOUND_OPEN)),
    ("an hour long", "clean", row(took=3600 * S)),
    ("idle for long and closed by FIN", "clean", row(took=600 * S, moved_ns=START + S)),
    ("a few losses", "clean", row(took=9 * S, **again(fast=4), segs_out=40)),
    ("many losses, far more segments", "clean", row(took=9 * S, **again(fast=40), segs_out=40_000)),
    ("losses that were none", "clean", row(took=9 * S, **again(tail_loss_probe=40), segs_out=400, spurious=38)),
    ("a stray segment was answered by its TIME_WAIT", "clean", row(resets_sent=1, reset_flags=REASON, reset_ns=START)),
    # nothing known
    ("vanished", None, row(CONNECTED, **VANISHED)),
    ("vanished while closing", None, row(CLIENT_SECOND, **VANISHED)),
    ("vanished, but its reset was seen", "reset_by_peer", row(CONNECTED, **got_reset(0), **VANISHED)),
    ("nothing known of it", None, row(path_len=0)),
    ("a listener", None, row((wire.LISTEN,))),
    ("cut off unseen", "unclear", row(CONNECTED)),
    # calls that failed
    ("no port", "out_of_ports", row(CALLED, lport=0, segs_out=0, took=MS)),
    ("own port taken", "out_of_ports", row(CALLED, segs_out=0, took=MS // 10)),
    ("deferred (Fast Open) and never sent", "given_up", row(CALLED, segs_out=0, took=50 * MS)),
    ("no port yet and no counters", "given_up", row(CALLED, lport=0, segs_out=0, flags=shape.CLOSED)),
    ("refused", "refused", row(CALLED, **got_reset(ECONNREFUSED))),
    ("refused, the close was lost", "refused", row(CALLED, **got_reset(0), **VANISHED)),
    ("refused without a reset", "rejected_by_firewall", row(CALLED, error=ECONNREFUSED)),
    ("prohibited (ICMPv6)", "rejected_by_firewall", row(CALLED, error=errno.EACCES)),
    ("host unreachable", "unreachable", row(CALLED, error=errno.EHOSTUNREACH)),
    ("net unreachable", "unreachable", row(CALLED, error=errno.ENETUNREACH, **again(syn=2))),
    ("unreachable in mid-connection", "unreachable", row(CONNECTED, error=errno.EHOSTUNREACH, **again(timeout=5))),
    ("no answer", "no_answer", row(CALLED, error=ETIMEDOUT, took=7 * S, **again(syn=2))),
    ("no answer, nobody tried twice", "no_answer", row(CALLED, error=ETIMEDOUT)),
    ("given up after some SYNs", "no_answer", row(CALLED, took=4 * S, **again(syn=2))),
    ("given up", "given_up", row(CALLED, took=300 * MS)),
    ("simultaneous open, given up", "given_up", row((SYN_SENT, SYN_RECV))),
    ("Fast Open child never acknowledged", "handshake_unfinished", row((SYN_RECV,), error=ETIMEDOUT)),
    # full queues
    ("queue full", "accept_queue_full", row(CALLED, error=ETIMEDOUT, marks=1, **again(syn=2))),
    ("queue full, given up at once", "accept_queue_full", row(CALLED, marks=1)),
    ("both queues full", "accept_queue_full", row(CALLED, error=ETIMEDOUT, marks=3, **again(syn=2))),
    ("SYN queue full", "syn_queue_full", row(CALLED, error=ETIMEDOUT, marks=2, **again(syn=2))),
    ("queue full, got through", "accept_queue_full", row(took=5 * S, marks=1, **again(syn=1))),
    ("SYN queue full, got through", "syn_queue_full", row(took=5 * S, marks=2, **again(syn=1))),
    ("queue full, server's side", "accept_queue_full", row(SERVER_SECOND, took=5 * S, marks=1, **again(syn_ack=1))),
    ("queue full meanwhile, unharmed", "clean", row(marks=1)),
    ("queue full meanwhile, unharmed and long", "clean", row(marks=3, took=9 * S)),
    ("queue full, refused", "refused", row(CALLED, marks=1, **got_reset(ECONNREFUSED))),
    ("queue full, no port", "out_of_ports", row(CALLED, marks=1, lport=0, segs_out=0)),
    (
        "queue full, the last ACK dropped",
        "accept_queue_full",
        row(CONNECTED, marks=1, bytes_acked=1, bytes_received=0, error=ETIMEDOUT, **again(timeout=6)),
    ),
    (
        "tcp_abort_on_overflow",
        "accept_queue_full",
        row(CONNECTED, marks=1, bytes_acked=1, bytes_received=0, **got_reset()),
    ),
    ("queue full meanwhile, reset later", "reset_by_peer", row(CONNECTED, marks=1, **got_reset())),
    ("SYN repeated", "slow_handshake", row(took=5 * S, **again(syn=1))),
    ("SYN-ACK repeated", "slow_handshake", row(SERVER_SECOND, **again(syn_ack=2))),
    # time-outs
    ("retransmitted in vain", "timed_out_retransmitting", row(CONNECTED, error=ETIMEDOUT, **again(timeout=9))),
    (
        "orphan's FIN never acknowledged",
        "timed_out_retransmitting",
        row((*CONNECTED, FIN_WAIT1), error=ETIMEDOUT, **again(timeout=9)),
    ),
    (
        "LAST_ACK never came",
        "timed_out_retransmitting",
        row(SERVER_SECOND, error=ETIMEDOUT, **again(timeout=9)),
    ),
    (
        "keep-alive, told by the kernel",
        "timed_out_keepalive",
        row(CONNECTED, **sent_reset("TCP_KEEPALIVE_TIMEOUT", error=ETIMEDOUT, flags=0), **again(timeout=2)),
    ),
    (
        "keep-alive, the host unreachable",
        "timed_out_keepalive",
        row(CONNECTED, **sent_reset("TCP_KEEPALIVE_TIMEOUT", error=errno.EHOSTUNREACH)),
    ),
    ("keep-alive, old kernel", "timed_out_keepalive", row(CONNECTED, **sent_reset(None, error=ETIMEDOUT))),
    (
        "stalled to the end",
        "stalled_zero_window",
        row((*CONNECTED, FIN_WAIT1), error=ETIMEDOUT, stalled_ns=START + MS, probes=8),
    ),
    (
        "was stalled once, and timed out much later",
        "timed_out_retransmitting",
        row(CONNECTED, error=ETIMEDOUT, marks=shape.STALLED, **again(timeout=9)),
    ),
    # resets of ours
    ("unread, by the kernel", "reset_by_us_unread_data", row(CONNECTED, **sent_reset("TCP_ABORT_ON_CLOSE"))),
    ("unread, old kernel", "reset_by_us_unread_data", row(CONNECTED, **sent_reset(None, flags=UNREAD))),
    ("unread, and linger 0", "reset_by_us_unread_data", row(CONNECTED, **sent_reset(None, flags=UNREAD | LINGER))),
    (
        "unread after the peer's FIN",
        "reset_by_us_unread_data",
        row((*ACCEPTED, CLOSE_WAIT), **sent_reset("TCP_ABORT_ON_CLOSE", flags=UNREAD)),
    ),
    (
        "unread after both FINs",
        "reset_by_us_unread_data",
        row(SERVER_SECOND, **sent_reset("TCP_ABORT_ON_CLOSE", flags=UNREAD)),
    ),
    (
        "unread, reason not specified (6.10)",
        "reset_by_us_unread_data",
        row(CONNECTED, **sent_reset("NOT_SPECIFIED", flags=UNREAD)),
    ),
    ("linger", "reset_by_us_linger", row(CONNECTED, **sent_reset("TCP_STATE", flags=LINGER))),
    ("linger, old kernel", "reset_by_us_linger", row(CONNECTED, **sent_reset(None, flags=LINGER))),
    ("TCP_LINGER2", "reset_by_us_linger", row((*CONNECTED, FIN_WAIT2), **sent_reset("TCP_ABORT_ON_LINGER"))),
    ("disconnected", "reset_by_us", row(CONNECTED, **sent_reset("TCP_STATE"))),
    ("short of memory", "reset_by_us", row((*CONNECTED, FIN_WAIT1), **sent_reset("TCP_ABORT_ON_MEMORY"))),
    ("no reason, no sign", "reset_by_us", row(CONNECTED, **sent_reset(None))),
    (
        "died with data unread",
        "reset_by_us_process_died",
        row(CONNECTED, **sent_reset("TCP_ABORT_ON_CLOSE", flags=UNREAD | EXITING)),
    ),
    (
        "died, by the mark",
        "reset_by_us_process_died",
        row(CONNECTED, **sent_reset(None, flags=UNREAD), marks=shape.EXITED),
    ),
    ("died in good order", "clean", row(marks=shape.EXITED)),
    (
        "late data",
        "reset_by_us",
        row((*CONNECTED, FIN_WAIT1, FIN_WAIT2), **sent_reset("TCP_ABORT_ON_DATA"), **LATE),
    ),
    ("late data, old kernel", "reset_by_us", row((*CONNECTED, FIN_WAIT1), **sent_reset(None), **LATE)),
    ("late data at an orphan", "reset_by_us", row(SERVER_FIRST, resets_sent=1, reset_flags=REASON, reset_ns=START)),
    (
        "ours first, then theirs for a closed socket",
        "reset_by_us_linger",
        row(CONNECTED, **(sent_reset(None, flags=LINGER) | {"resets_received": 1})),
    ),
    # resets of theirs
    ("reset", "reset_by_peer", row(CONNECTED, **got_reset())),
    ("reset after its FIN", "reset_after_goodbye", row((*CONNECTED, CLOSE_WAIT), **got_reset(EPIPE))),
    ("reset in LAST_ACK", "reset_after_goodbye", row(CLIENT_SECOND, **got_reset())),
    ("reset in FIN_WAIT2", "reset_by_peer", row((*CONNECTED, FIN_WAIT1, FIN_WAIT2), state=7, **got_reset())),
    ("reset with data unread", "reset_by_peer", row(CONNECTED, **(got_reset() | {"reset_flags": 1 | UNREAD}))),
    ("reset, found open", "reset_by_peer", row((ESTABLISHED,), **got_reset())),
    ("reset, and its process was ending", "reset_by_peer", row(CONNECTED, **got_reset(), marks=shape.EXITED)),
    (
        "reset long after a stray one of ours",
        "reset_by_peer",
        row(CONNECTED, took=9 * S, **(got_reset() | {"resets_sent": 1})),
    ),
    # others
    ("ss -K", "aborted", row(CONNECTED, **sent_reset("TCP_STATE", error=errno.ECONNABORTED))),
    ("ss -K, linger 0 set", "aborted", row(CONNECTED, **sent_reset("TCP_STATE", flags=LINGER, error=103))),
    ("an error of its own", "aborted", row(CONNECTED, error=errno.EIO)),
    # how it went
    ("loss", "lossy_path", row(took=9 * S, **again(fast=30, timeout=5), segs_out=1000, options=wire.SACK)),
    ("loss in a short life", "lossy_path", row(**again(timeout=5), segs_out=20)),
    ("loss before we came", "lossy_path", row(FOUND_OPEN, retrans=30, segs_out=1000)),
    ("SYN lost, and more", "lossy_path", row(took=9 * S, **again(syn=2, fast=10), segs_out=500)),
    (
        "its process never noticed",
        "half_closed_lingering",
        row(SERVER_SECOND, at=(0, MS, S, 70 * S), took=71 * S, moved_ns=START + S),
    ),
    (
        "half-closed, and busy until the end",
        "clean",
        row(SERVER_SECOND, at=(0, MS, S, 70 * S), took=71 * S, moved_ns=START + 69 * S),
    ),
    ("half-closed for a while", "clean", row(SERVER_SECOND, at=(0, MS, S, 50 * S), took=71 * S)),
    (
        "slow reader",
        "receiver_limited",
        row(took=9 * S, busy_ticks=4 * HZ, rwnd_limited_ticks=3 * HZ, bytes_sent=10**7),
    ),
    ("slow reader, a moment", "clean", row(took=9 * S, busy_ticks=HZ - 1, rwnd_limited_ticks=HZ - 1)),
    ("slow reader, part of the time", "clean", row(took=9 * S, busy_ticks=4 * HZ, rwnd_limited_ticks=2 * HZ - 1)),
    (
        "slow reader, at ten gigabits",
        "clean",
        row(took=9 * S, busy_ticks=4 * HZ, rwnd_limited_ticks=3 * HZ, bytes_sent=4 * 10**9),
    ),
    (
        "small buffer",
        "sender_buffer_limited",
        row(took=9 * S, busy_ticks=4 * HZ, sndbuf_limited_ticks=3 * HZ, bytes_sent=10**7),
    ),
    (
        "an application that dawdles",
        "application_limited",
        row(took=20 * S, moved_ns=START + 19 * S, bytes_sent=10**8, bytes_received=200, busy_ticks=2 * HZ),
    ),
    (
        "a page, then keep-alive",
        "clean",
        row(took=65 * S, moved_ns=START + S, bytes_sent=10**8, bytes_received=200, busy_ticks=HZ // 2),
    ),
    (
        "questions and answers",
        "clean",
        row(took=20 * S, moved_ns=START + 19 * S, bytes_sent=10**8, bytes_received=10**6, busy_ticks=2 * HZ),
    ),
    (
        "a trickle",
        "clean",
        row(took=20 * S, moved_ns=START + 19 * S, bytes_sent=10**5, bytes_received=200, busy_ticks=0),
    ),
]

LIVE: list[tuple[str, str | None, Any, int]] = [
    ("healthy", None, live(), S),
    ("healthy and idle for a day", None, live(moved_ns=START + S), 86_400 * S),
    ("listens", None, live((wire.LISTEN,)), 86_400 * S),
    ("calling", None, live(CALLED), S),
    ("calling in vain", "no_answer", live(CALLED, **again(syn=1)), 2 * S),
    ("calling a full queue", "accept_queue_full", live(CALLED, marks=1, **again(syn=1)), 2 * S),
    ("calling a full SYN queue", "syn_queue_full", live(CALLED, marks=2, **again(syn=1)), 2 * S),
    (
        "queue full, our ACK dropped",
        "accept_queue_full",
        live(marks=1, bytes_acked=1, bytes_received=0, **again(timeout=2)),
        2 * S,
    ),
    ("half-open", None, live((SYN_RECV,)), S),
    ("half-open for long", "handshake_unfinished", live((SYN_RECV,), **again(syn_ack=2)), 4 * S),
    ("half-open, queue full", "accept_queue_full", live((SYN_RECV,), marks=1, retrans=2), 4 * S),
    ("stalled", "stalled_zero_window", live(stalled_ns=START + S, probes=4), 4 * S),
    ("stalled, a moment", None, live(stalled_ns=START + S, probes=2), 3 * S),
    (
        "lost its peer",
        "unacknowledged",
        live(ca_state=4, cwnd=1, **again(timeout=4), segs_out=2000),
        2 * S,
    ),
    ("one time-out", None, live(ca_state=4, cwnd=1, **again(timeout=2)), 2 * S),
    ("recovers", None, live(ca_state=4, cwnd=3, **again(timeout=4), segs_out=2000), 2 * S),
    ("keep-alive unanswered", "unacknowledged", live(probes=2), 90 * S),
    ("keep-alive sent once", None, live(probes=1), 90 * S),
    ("loses", "lossy_path", live(**again(fast=30), segs_out=1000), 10 * S),
    ("lost long ago", None, live(**again(fast=30), segs_out=1000), 100 * S),
    ("peer's FIN ignored", "half_closed_lingering", live((*CONNECTED, CLOSE_WAIT)), 11 * S),
    ("peer's FIN just came", None, live((*CONNECTED, CLOSE_WAIT)), 9 * S),
    ("half-closed and sending", None, live((*CONNECTED, CLOSE_WAIT), moved_ns=START + 99 * S), 100 * S),
    ("peer does not close", "half_closed_lingering", live((*CONNECTED, FIN_WAIT1, FIN_WAIT2)), 61 * S),
    ("peer may yet close", None, live((*CONNECTED, FIN_WAIT1, FIN_WAIT2)), 59 * S),
    (
        "slow reader",
        "receiver_limited",
        live(busy_ticks=4 * HZ, rwnd_limited_ticks=3 * HZ, moved_ns=START + S),
        9 * S,
    ),
    ("slow reader, in the past", None, live(busy_ticks=4 * HZ, rwnd_limited_ticks=3 * HZ, moved_ns=START), 99 * S),
    (
        "small buffer",
        "sender_buffer_limited",
        live(busy_ticks=4 * HZ, sndbuf_limited_ticks=3 * HZ, moved_ns=START + S),
        9 * S,
    ),
]


@pytest.mark.parametrize(("expected", "made"), [one[1:] for one in ENDED], ids=[one[0] for one in ENDED])
def test_ended(expected: str | None, made: np.ndarray) -> None:
    """The verdict on a connection that ended so."""
    assert judged(made, START + 7200 * S) == expected


@pytest.mark.parametrize(("expected", "made", "age"), [one[1:] for one in LIVE], ids=[one[0] for one in LIVE])
def test_standing(expected: str | None, made: np.ndarray, age: int) -> None:
    """The verdict on one that is alive. age: since its first state."""
    assert judged(made, START + age) == expected


def test_every_verdict_has_a_case() -> None:
    """So that no rule is there which nothing shows to hold."""
    assert {code for _, code, _ in ENDED} | {code for _, code, _, _ in LIVE} == set(CODES)


def test_limits_are_unknown_without_the_length_of_a_tick() -> None:
    """A share needs none, but how long it was busy does."""
    made = row(took=9 * S, busy_ticks=4 * HZ, rwnd_limited_ticks=3 * HZ)
    assert (judged(made), judged(made, hz=0)) == ("receiver_limited", "clean")


def test_reasons_are_read_by_name() -> None:
    """Their numbers change from kernel to kernel."""
    made = row(CONNECTED, **sent_reset("TCP_KEEPALIVE_TIMEOUT"))
    moved = ("NOT_SPECIFIED", *REASONS)
    assert (judged(made), judged(made, reasons=moved)) == ("timed_out_keepalive", "reset_by_us")
    made["reset_reason"] += 1
    assert judged(made, reasons=moved) == "timed_out_keepalive"


def test_a_reset_with_a_reason_nobody_knows() -> None:
    """A number beyond the names, or a recording without any: judged by the signs."""
    made = row(CONNECTED, **sent_reset("TCP_STATE", flags=UNREAD))
    made["reset_reason"] = 60_000
    assert judged(made) == judged(made, reasons=()) == "reset_by_us_unread_data"


def test_a_stray_reset_of_ours_in_syn_sent_did_not_end_it() -> None:
    """Even where the connection lasted less than a second."""
    stray: dict[str, Any] = sent_reset("TCP_INVALID_ACK_SEQUENCE") | {
        "flags": shape.CLOSED | shape.HAS_COUNTERS,
        "reset_ns": START,
    }
    assert judged(row(CLIENT_SECOND, **stray)) == "clean"
    assert judged(row(CLIENT_FIRST, **stray | {"state": TIME_WAIT})) == "clean"
