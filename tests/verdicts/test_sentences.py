"""Does a person read what happened, with the right numbers, and no more than is known?"""

import errno
from typing import Any

import numpy as np
import pytest

from tcpwatch import rows as shape
from tcpwatch import verdicts, wire
from tcpwatch.verdicts import amounts

from .build import (
    ACCEPTED,
    CALLED,
    CLIENT_SECOND,
    CLOSE_WAIT,
    CONNECTED,
    FIN_WAIT1,
    FIN_WAIT2,
    HZ,
    MS,
    REASON,
    REASONS,
    SERVER_FIRST,
    SERVER_SECOND,
    START,
    SYN_RECV,
    S,
    again,
    explained,
    got_reset,
    live,
    row,
    sent_reset,
)

ETIMEDOUT = errno.ETIMEDOUT
EXITING, UNREAD, LINGER = wire.EVENT_EXITING, wire.EVENT_UNREAD, wire.EVENT_LINGER
LATE: dict[str, Any] = {"error": errno.ECONNRESET, "resets_received": 1}

SAID: list[tuple[Any, bool, str]] = [
    (row(), True, "It ended in good order."),
    (
        row(CALLED, lport=0, segs_out=0, took=2 * MS),
        True,
        (
            "connect() failed with EADDRNOTAVAIL: no local port was free for this destination. No SYN was sent; the "
            "search took 2.0 ms."
        ),
    ),
    (
        row(CALLED, segs_out=0, took=MS // 10),
        False,
        (
            "connect() failed at once, likely with EADDRNOTAVAIL: its own source port 40000 already serves a "
            "connection to this destination. No SYN was sent."
        ),
    ),
    (
        row(CALLED, error=ETIMEDOUT, marks=1, took=7 * S, **again(syn=2)),
        False,
        (
            "Likely dropped: the SYN was sent 3 times in 7.0 s without an answer, then connect() gave up "
            "(ETIMEDOUT); meanwhile the listener on this machine was dropping handshakes because its accept queue "
            "was full."
        ),
    ),
    (
        live(CALLED, marks=2, **again(syn=1)),
        False,
        (
            "Likely dropped: the SYN was sent twice in 1.0 s without an answer so far; meanwhile the listener on "
            "this machine was dropping handshakes because its SYN queue was full."
        ),
    ),
    (
        row(took=5 * S, marks=1, at=(0, 3 * S, 4 * S, 4 * S, 4 * S), **again(syn=2)),
        False,
        (
            "The handshake took 3.0 s and more than one try, likely because the listener on this machine was "
            "dropping handshakes because its accept queue was full."
        ),
    ),
    (
        row(CONNECTED, marks=1, bytes_acked=1, bytes_received=0, **got_reset()),
        False,
        (
            "Likely never accepted: nothing it sent was acknowledged, and it was reset after 799 ms; meanwhile the "
            "listener on this machine was dropping handshakes because its accept queue was full."
        ),
    ),
    (
        live((SYN_RECV,), marks=1, retrans=2),
        False,
        (
            "Likely dropped by us: the SYN-ACK was sent 3 times in 1.0 s, and meanwhile the listener on this machine "
            "was dropping handshakes because its accept queue was full."
        ),
    ),
    (
        row(CALLED, **got_reset(111, reset_ns=START + MS // 4)),
        True,
        "The SYN was answered with a reset after 250 µs (ECONNREFUSED): as a rule nothing listens on port 443 there.",
    ),
    (
        row(CALLED, error=111, took=MS),
        False,
        (
            "connect() failed with ECONNREFUSED after 1.0 ms, yet no reset came: an ICMP message did it, likely a "
            "firewall's reject rule."
        ),
    ),
    (
        row(CALLED, error=13, took=MS),
        False,
        "connect() failed with EACCES after 1.0 ms: an ICMPv6 message says that a policy on the way forbids it.",
    ),
    (
        row(CALLED, error=113, took=3 * S, **again(syn=1)),
        True,
        (
            "connect() failed with EHOSTUNREACH after 3.0 s: the SYN was sent twice, and a router or firewall said "
            "that there is no way, or nobody answers for that address on the local network."
        ),
    ),
    (
        row(CONNECTED, error=113, took=60 * S, **again(timeout=7)),
        True,
        "It ended with EHOSTUNREACH after 1 min: the way to the peer was lost; 7 segments had been sent again.",
    ),
    (
        row(CALLED, error=ETIMEDOUT, took=7 * S, **again(syn=2)),
        True,
        "The peer did not answer: the SYN was sent 3 times in 7.0 s, then connect() gave up with ETIMEDOUT.",
    ),
    (
        row(CALLED, took=4 * S, **again(syn=2)),
        False,
        "The peer likely does not answer: the SYN was sent 3 times in 4.0 s, then curl (812) gave up by itself.",
    ),
    (
        row(CALLED, took=4 * S, pid=0, marks=shape.EXITED, **again(syn=2)),
        False,
        "The peer likely does not answer: the SYN was sent 3 times in 4.0 s, then its process ended.",
    ),
    (
        live(CALLED, **again(syn=1)),
        True,
        "The peer has not answered so far: the SYN was sent twice in 1.0 s.",
    ),
    (
        row(CALLED, took=300 * MS),
        True,
        "curl (812) gave up by itself after 300 ms: the SYN had been sent once, and no answer had come by then.",
    ),
    (
        live((SYN_RECV,), retrans=1),
        True,
        "The caller does not finish the handshake: the SYN-ACK was sent twice in 1.0 s and was not answered.",
    ),
    (
        row(CONNECTED, **sent_reset("TCP_KEEPALIVE_TIMEOUT", error=ETIMEDOUT), probes=5, moved_ns=START + 300 * MS),
        True,
        (
            "The peer did not answer 5 keep-alive probes in a row, and the kernel gave the connection up with "
            "ETIMEDOUT; data had last moved 500 ms before."
        ),
    ),
    (
        row(CONNECTED, **sent_reset(None, error=ETIMEDOUT)),
        False,
        "The peer did not answer keep-alive probes, it seems, and the kernel gave the connection up with ETIMEDOUT.",
    ),
    (
        row((*CONNECTED, FIN_WAIT1), error=ETIMEDOUT, stalled_ns=START + S, took=61 * S, probes=8),
        True,
        (
            "Data waited for at least 1 min because the peer's receive window was shut, then the kernel gave up with "
            "ETIMEDOUT."
        ),
    ),
    (
        live(stalled_ns=START - 4 * S),
        True,
        "Data has been waiting for at least 5.0 s: the peer's receive window is shut, its process does not read.",
    ),
    (
        row(CONNECTED, error=ETIMEDOUT, took=900 * S, **again(timeout=15)),
        True,
        (
            "The peer did not acknowledge data: 15 segments sent again, the last time 15 min before the end; then "
            "the kernel gave up with ETIMEDOUT."
        ),
    ),
    (
        row(SERVER_SECOND, error=ETIMEDOUT, took=900 * MS, **again(timeout=1)),
        True,
        (
            "The peer did not acknowledge the last data or the FIN: 1 segment sent again, the last time 400 ms "
            "before the end; then the kernel gave up with ETIMEDOUT."
        ),
    ),
    (
        row(CONNECTED, error=ETIMEDOUT),
        False,
        "The kernel gave up with ETIMEDOUT while it was in ESTABLISHED; nothing was seen sent again.",
    ),
    (
        row(CONNECTED, **sent_reset("TCP_ABORT_ON_CLOSE", flags=UNREAD | EXITING)),
        True,
        (
            "curl (812) ended without closing the connection, with received data unread: the kernel sent a reset, "
            "800 ms after it was opened."
        ),
    ),
    (
        row(CONNECTED, **sent_reset("TCP_ABORT_ON_CLOSE"), pid=0),
        True,
        (
            "Its process closed with received data unread, so the kernel sent a reset instead of a FIN, 800 ms after "
            "it was opened."
        ),
    ),
    (
        row(CONNECTED, **sent_reset(None, flags=UNREAD)),
        False,
        (
            "curl (812) likely closed with received data unread, so the kernel sent a reset instead of a FIN, 800 ms "
            "after it was opened."
        ),
    ),
    (
        row(CONNECTED, **sent_reset("TCP_STATE", flags=LINGER)),
        True,
        (
            "curl (812) closed with SO_LINGER set to 0 s, which means a reset instead of a FIN, 800 ms after it was "
            "opened."
        ),
    ),
    (
        row((*CONNECTED, FIN_WAIT1, FIN_WAIT2), **sent_reset("TCP_ABORT_ON_DATA"), **LATE),
        True,
        "The peer sent data 798 ms after this side had closed, and the kernel answered with a reset.",
    ),
    (
        row(SERVER_FIRST, resets_sent=1, reset_flags=REASON, reset_ns=START + 9 * S),
        False,
        "The peer sent data 9.0 s after this side had closed, and the kernel answered with a reset.",
    ),
    (
        row(ACCEPTED, **sent_reset("TCP_STATE"), pid=0),
        True,
        "This side reset it before any process was seen to have it: likely its listener closed before accept().",
    ),
    (
        row(CONNECTED, **sent_reset("TCP_ABORT_ON_MEMORY")),
        True,
        "The kernel reset it to save memory: too many orphaned sockets, or TCP's memory was used up.",
    ),
    (
        row(CONNECTED, **sent_reset("NO_SOCKET")),
        True,
        "This side's kernel sent a reset, 800 ms after it was opened; its reason: NO_SOCKET.",
    ),
    (
        row(CONNECTED, bytes_received=0, **got_reset(reset_ns=START + 3 * MS)),
        True,
        "The peer reset it 2.0 ms after it was established, before it had sent anything.",
    ),
    (
        row(CONNECTED, took=400 * S, moved_ns=START + S, bytes_acked=301, **got_reset(reset_ns=START + 361 * S)),
        True,
        "The peer reset it after 6 min of silence: likely something between had forgotten the connection.",
    ),
    (
        row((*CONNECTED, CLOSE_WAIT), flags=1 | 8 | shape.FIN_RECEIVED, bytes_received=101, **got_reset(errno.EPIPE)),
        True,
        (
            "The peer reset it after its own FIN: it had closed and did not want what was still sent; 400 bytes had "
            "been sent and 100 bytes received."
        ),
    ),
    (
        row((*CONNECTED, FIN_WAIT1), **got_reset()),
        True,
        "The peer reset it while this side was closing; 400 bytes had been sent and 1.2 kB received.",
    ),
    (
        row(CONNECTED, **got_reset()),
        True,
        (
            "The peer reset it in mid-connection, 799 ms after it was established; 400 bytes had been sent and 1.2 "
            "kB received."
        ),
    ),
    (
        row(CONNECTED, **sent_reset("TCP_STATE", error=errno.ECONNABORTED)),
        True,
        "Somebody with the right to do so destroyed the socket (`ss -K` or the like): ECONNABORTED.",
    ),
    (row(CONNECTED, error=5), False, "It ended with EIO, which tcpwatch has no explanation for."),
    (
        live(ca_state=4, cwnd=1, **again(timeout=4), segs_out=2000),
        False,
        (
            "The peer likely does not answer any more: 4 segments sent again after time-outs, last 500 ms ago, and "
            "no acknowledgement."
        ),
    ),
    (live(probes=3), False, "The peer does not answer: 3 probes in a row without a sign of life."),
    (
        row(took=9 * S, **again(fast=30, timeout=8), segs_out=1000, spurious=3, options=wire.SACK),
        True,
        "The path loses segments: 35 of 1,000 sent (3.5 %) had to be sent again (3 needless ones not counted).",
    ),
    (
        row(SERVER_SECOND, at=(0, MS, S, 70 * S), took=71 * S),
        True,
        "curl (812) left the connection open for 1 min 9 s after the peer's FIN, without a word either way.",
    ),
    (
        live((*CONNECTED, CLOSE_WAIT), at=(0, 0, -19 * S)),
        True,
        "curl (812) has not closed for 20 s since the peer's FIN, without a word either way.",
    ),
    (
        live((*CONNECTED, FIN_WAIT1, FIN_WAIT2), at=(0, 0, 0, -89 * S)),
        True,
        "This side has sent its FIN, and for 1 min 30 s the peer has neither closed nor sent anything.",
    ),
    (
        row(took=5 * S, at=(0, 3 * S, 4 * S, 4 * S, 4 * S), **again(syn=2)),
        True,
        "The handshake took 3.0 s: the SYN had to be sent 3 times.",
    ),
    (
        row(SERVER_SECOND, at=(0, S, S, S), took=2 * S, **again(syn_ack=1)),
        False,
        "The handshake took 1.0 s: the SYN-ACK had to be sent twice, likely for a loss.",
    ),
    (
        row(took=9 * S, busy_ticks=4 * HZ, rwnd_limited_ticks=3 * HZ),
        True,
        "75 % of the 4.0 s with data to send it waited for the peer's receive window.",
    ),
    (
        row(took=9 * S, busy_ticks=4 * HZ, sndbuf_limited_ticks=3 * HZ),
        True,
        "75 % of the 4.0 s with data to send it waited for room in its own send buffer.",
    ),
    (
        row(took=20 * S, moved_ns=START + 20 * S + MS, bytes_sent=10**8, bytes_received=200, busy_ticks=5 * HZ),
        True,
        "100 MB in 20 s, and 75 % of that time the process had nothing to send.",
    ),
    (row(CONNECTED), False, "It went from ESTABLISHED to CLOSE, and no goodbye, reset or error was seen."),
    (live(), True, "Nothing is wrong with it."),
    (
        row(CLIENT_SECOND, flags=shape.CLOSED | shape.VANISHED),
        False,
        "Its end was not seen, so nothing is said about it.",
    ),
]


@pytest.mark.parametrize(("made", "certain", "sentence"), SAID, ids=[sentence[:60] for _, _, sentence in SAID])
def test_sentence(made: np.ndarray, certain: bool, sentence: str) -> None:
    """Word for word, and whether it is certain."""
    told = explained(made)
    assert (told.sentence, told.certain) == (sentence, certain)


def test_clean_costs_nothing_to_explain() -> None:
    """A constant, so that a writer may prepare it once for all."""
    first, second = explained(row()), explained(row(SERVER_SECOND, pid=9))
    assert first is second
    assert (first.code, first.evidence, first.advice) == ("clean", (), "")
    assert first.sentence == verdicts.CLEAN_SENTENCE


def test_evidence_tells_the_story_in_order() -> None:
    """Times where they are known, then what has none."""
    made = row(CONNECTED, **sent_reset("TCP_ABORT_ON_CLOSE", flags=UNREAD), **again(timeout=1, fast=2))
    assert explained(made).evidence == (
        (START, "SYN_SENT"),
        (START + MS, "ESTABLISHED"),
        (START + 500 * MS, "sent again for the last time; in all: 1 after a time-out, 2 by fast retransmit"),
        (START + 800 * MS, "CLOSE"),
        (START + 800 * MS, "reset sent; the kernel's reason TCP_ABORT_ON_CLOSE; received data was unread"),
        (None, "400 bytes sent in 10 segments, 1.2 kB received"),
    )


def test_evidence_of_what_was_open_before() -> None:
    """A state whose beginning nobody saw has no time."""
    made = row((wire.ESTABLISHED,), at=(-START,), **got_reset(), moved_ns=START + MS, busy_ticks=HZ, marks=5)
    assert explained(made).evidence == (
        (START + MS, "data last moved, as the newest snapshot has it"),
        (START + 800 * MS, "CLOSE, ECONNRESET"),
        (START + 800 * MS, "reset received"),
        (None, "was in ESTABLISHED, since when is not known"),
        (None, "meanwhile the listener's accept queue overflowed"),
        (None, "at some time data waited for the peer's window to open"),
        (None, "400 bytes sent in 10 segments, 1.2 kB received"),
        (None, "1.0 s with data to send; of that 0 % shut out by the peer's window, 0 % by the send buffer"),
    )


def test_a_process_cannot_write_to_the_terminal() -> None:
    """Its name is its own choice."""
    told = explained(row(CALLED, comm=b"\x1b[2Jevil"))
    assert told.sentence.startswith("?[2Jevil (812) gave up")


@pytest.mark.parametrize(
    ("made", "start"),
    [
        (row(CONNECTED, **got_reset()), "Look at the peer"),
        (row(CONNECTED, bytes_received=0, **got_reset(reset_ns=START + 3 * MS)), "The peer did not want it"),
        (
            row(CONNECTED, took=99 * S, moved_ns=START, bytes_acked=9, **got_reset(reset_ns=START + 90 * S)),
            "A NAT, load",
        ),
        (row((*CONNECTED, CLOSE_WAIT), **got_reset(32)), "Harmless where"),
        (row((*CONNECTED, FIN_WAIT1, FIN_WAIT2), state=7, **got_reset()), "The peer was done"),
        (row(CALLED, lport=0, segs_out=0), "Keep connections open"),
        (row(CALLED, segs_out=0, took=MS // 2), "Do not bind()"),
        (row(SERVER_FIRST, resets_sent=1, reset_flags=REASON), "The peer was still talking"),
        (live((*CONNECTED, FIN_WAIT2), at=(0, 0, -99 * S)), "The peer does not close"),
        (row(SERVER_SECOND, error=ETIMEDOUT, **again(timeout=1)), "The process had closed already"),
    ],
)
def test_advice_fits_the_case(made: np.ndarray, start: str) -> None:
    """The special case before the general."""
    assert explained(made).advice.startswith(start)


def test_reasons_of_another_kernel() -> None:
    """Without names, nothing is called the kernel's reason."""
    made = row(CONNECTED, **sent_reset("TCP_ABORT_ON_CLOSE", flags=UNREAD))
    assert not explained(made, reasons=()).certain
    assert "reason" not in str(explained(made, reasons=()).evidence)
    assert "TCP_ABORT_ON_CLOSE" in str(explained(made, reasons=REASONS).evidence)


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0 ns"),
        (999, "999 ns"),
        (1_000, "1.0 µs"),
        (250_000, "250 µs"),
        (999_499, "999 µs"),
        (999_500, "1.0 ms"),
        (9_950_000, "10 ms"),
        (7 * S, "7.0 s"),
        (12 * S, "12 s"),
        (59_400_000_000, "59 s"),
        (59_500_000_000, "1 min"),
        (133 * S, "2 min 13 s"),
        (3 * 3600 * S, "3 h"),
        (11_130 * S, "3 h 5 min"),
        (200_000 * S, "2 d 7 h"),
    ],
)
def test_spans(ns: int, text: str) -> None:
    """In the unit a person would use, and never `1000 ms` or `60 s`."""
    assert amounts.span(ns) == text


def test_amounts() -> None:
    """Of bytes, times and shares."""
    sizes = [amounts.size(count) for count in (0, 1, 812, 1200, 64_000, 9_990_000, 3 * 10**12)]
    assert sizes == ["0 bytes", "1 byte", "812 bytes", "1.2 kB", "64 kB", "10 MB", "3.0 TB"]
    assert [amounts.times(count) for count in (1, 2, 3, 1500)] == ["once", "twice", "3 times", "1,500 times"]
    assert [amounts.percent(share) for share in (0, 0.008, 0.71, 1)] == ["0 %", "0.8 %", "71 %", "100 %"]
    assert [amounts.error_name(number) for number in (110, 999)] == ["ETIMEDOUT", "error 999"]
