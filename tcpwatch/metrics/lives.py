"""What connections add to the counters: ended ones at their end, live ones at each snapshot, each byte and segment
once. Knows the tracker's table and what was counted of each of its lines; nothing of labels."""

import numpy as np

from tcpwatch.metrics import keys, tally
from tcpwatch.metrics.book import RECEIVER_WINDOW, SEND_BUFFER, Book
from tcpwatch.metrics.columns import Columns, Heap, columns
from tcpwatch.metrics.series import Group
from tcpwatch.metrics.tally import Tally
from tcpwatch.rows import FIN_RECEIVED, HAS_COUNTERS, ROW, SERVER, TOLD, UNKNOWN_ROLE, VANISHED
from tcpwatch.tracker.step import Step
from tcpwatch.verdicts import CODES

_PART = 16384  # rows
_SECOND_NS = np.uint64(1_000_000_000)
_SETTLED_NS = 2_000_000_000  # a socket that no snapshot shows is counted all the same after so long
_LONGEST_NS = np.uint64(1 << 60)  # a damaged recording may say anything
_OUT_OF_PORTS = CODES.index("out_of_ports")
_GROWS = {
    "bytes_sent": "sent_bytes",
    "bytes_received": "received_bytes",
    "segs_out": "sent_segments",
    "segs_in": "received_segments",
    "spurious": "retransmits_spurious",
}
_TICKS = {"rwnd_limited_ticks": RECEIVER_WINDOW, "sndbuf_limited_ticks": SEND_BUFFER}
_LIVE = tuple(dict.fromkeys((*keys.FACTS, *tally.FACTS, "flags", "snap", "changed_ns", "srtt_us")))
_TIMES = ("opened_ns", "established_ns", "closed_ns")
_ENDED = (*dict.fromkeys((*keys.FACTS, *_GROWS, "cookie", "turn", "flags", *_TIMES, "srtt_us", "retrans", "verdict")),)


class Lives:
    def __init__(self, book: Book) -> None:
        self._book = book
        self._tally = Tally()
        self._ended = Heap(ROW, _ENDED, _PART)  # lives that wait to be counted together
        self._lines: list[np.ndarray] = []  # theirs in the table
        self._swept_ns = 0

    def follow(self, step: Step) -> None:
        self._tally.reach(len(step.table))
        now_ns = step.frame.end_ns
        if len(step.lives):
            self._ended.add(step.lives)
            self._lines.append(step.ended)
        sweeps = step.frame.snapshot is not None or now_ns >= self._swept_ns + _SETTLED_NS
        if sweeps or len(self._ended) >= _PART:
            self.settle()
        if sweeps:
            self._swept_ns = now_ns
            self._sweep(step)

    def settle(self) -> None:
        """Count the lives that wait: before their lines are given to others, and before somebody looks."""
        if len(self._ended):
            lines, self._lines = np.concatenate(self._lines), []
            self._end(self._ended.empty(), lines)

    def _sweep(self, step: Step) -> None:
        """Whatever grew since the snapshot before, of all that are alive."""
        lines = np.flatnonzero(step.table["flags"] & (TOLD | HAS_COUNTERS) == HAS_COUNTERS)
        hz, now_ns = step.frame.host.hz, step.frame.end_ns
        for begin in range(0, len(lines), _PART):
            some = lines[begin : begin + _PART]
            rows = columns(step.table, _LIVE, some)
            settled = _settled(rows, now_ns)
            if not settled.all():
                rows, some = rows.take(np.flatnonzero(settled)), some[settled]
            self._tally.meet(rows, some)
            moved = np.flatnonzero(self._tally.moved(rows, some))
            if len(moved):
                self._grow(rows if len(moved) == len(rows) else rows.take(moved), some[moved], hz)

    def _grow(self, rows: Columns, lines: np.ndarray, hz: int) -> None:
        book, tally = self._book, self._tally
        entries = book.entries(book.keys.of(rows))
        services = Group(book.services.of(entries))
        moved = np.zeros(len(lines), bool)
        for name, metric in _GROWS.items():
            grown = tally.grown(name, lines, _received(rows) if name == "bytes_received" else rows[name])
            book.counters[metric].add(services, grown)
            if name.startswith("bytes"):
                moved |= grown > 0
        measured = np.flatnonzero(moved & (rows["srtt_us"] != 0))
        book.histograms["rtt_seconds"].observe(services.take(measured), rows["srtt_us"][measured])
        if hz > 0:
            book.counters["busy_seconds"].add(services, tally.grown("busy_ticks", lines, rows["busy_ticks"]) / hz)
            for name, by in _TICKS.items():
                seconds = tally.grown(name, lines, rows[name]) / hz
                book.counters["limited_seconds"].add(services, seconds, np.full(len(lines), by))
        book.counters["zero_windows"].add(services, tally.began("stalled_ns", lines, rows["stalled_ns"]))
        self._open(rows, entries, services, tally.not_opened(lines))
        tally.note_opened(lines, rows["established_ns"] != 0)

    def _end(self, rows: Columns, lines: np.ndarray) -> None:
        book, tally = self._book, self._tally
        entries = book.entries(book.keys.of(rows))
        services = Group(book.services.of(entries))
        known = tally.knows(rows, lines)
        before_us = ~known & (rows["opened_ns"] == 0)  # nobody knows how much was before
        found = before_us.any()
        for name, metric in _GROWS.items():
            grown = tally.rest(name, lines, _received(rows) if name == "bytes_received" else rows[name], known)
            if found:
                grown[before_us] = 0
            book.counters[metric].add(services, grown)
        verdicts = rows["verdict"].astype(np.intp)
        book.counters["connections_closed"].add(services, own=verdicts)
        self._open(rows, entries, services, ~known | tally.not_opened(lines))
        self._judge(rows, services)
        portless = np.flatnonzero(verdicts == _OUT_OF_PORTS)
        if len(portless):
            book.counters["connects_without_port"].add(Group(book.destinations.of(entries[portless])))

    def _open(self, rows: Columns, entries: np.ndarray, services: Group, new: np.ndarray) -> None:
        """new: (n,) bool, which of them were not yet counted as opened."""
        book, established = self._book, rows["established_ns"]
        opened = new & (established != 0)
        at = np.flatnonzero(opened)
        if not len(at):
            return
        book.counters["connections_opened"].add(services.take(at))
        role, began = rows["role"], rows["opened_ns"]
        served = np.flatnonzero(opened & (role == SERVER))
        if len(served):
            book.counters["listener_accepts"].add(Group(book.listeners.of(entries[served])))
        # both the same where nobody saw the request
        opened &= (role != UNKNOWN_ROLE) & (began != 0) & (established > began)
        at = np.flatnonzero(opened)
        book.histograms["handshake_seconds"].observe(services.take(at), _since(began, established, at))

    def _judge(self, rows: Columns, services: Group) -> None:
        """How long it lived, how far its peer was and how much had to be sent again."""
        book, closed, opened = self._book, rows["closed_ns"], rows["opened_ns"]
        at = np.flatnonzero((rows["flags"] & VANISHED == 0) & (opened != 0) & (closed >= opened))
        book.histograms["connection_duration_seconds"].observe(services.take(at), _since(opened, closed, at))
        srtt, sent = rows["srtt_us"], rows["segs_out"]
        at = np.flatnonzero(srtt)
        book.histograms["rtt_seconds"].observe(services.take(at), srtt[at])
        ratio, again = book.histograms["retransmit_ratio"], rows["retrans"]
        ratio.observe_zeros(services.take(np.flatnonzero((sent != 0) & (again == 0))))
        at = np.flatnonzero((sent != 0) & (again != 0))
        ratio.observe(services.take(at), again[at] / sent[at])


def _since(begin_ns: np.ndarray, end_ns: np.ndarray, at: np.ndarray) -> np.ndarray:
    took: np.ndarray = np.minimum((end_ns - begin_ns)[at], _LONGEST_NS).view(np.int64)
    return took


def _settled(rows: Columns, now_ns: int) -> np.ndarray:
    """Of which it is known whose they are, as far as it will ever be."""
    shown = (rows["snap"] >= 0) | (rows["changed_ns"] + np.uint64(_SETTLED_NS) < now_ns)
    owned = (rows["pid"] != 0) | (rows["role"] != SERVER) | (rows["established_ns"] + _SECOND_NS < now_ns)
    settled: np.ndarray = shown & owned
    return settled


def _received(rows: Columns) -> np.ndarray:
    """Payload: the kernel counts the peer's FIN as a byte."""
    received = rows["bytes_received"]
    fin = rows["flags"] & FIN_RECEIVED != 0
    less: np.ndarray = received - (fin & (received != 0))
    return less
