"""What single events add to the counters: segments sent again, resets, and what became of handshakes at listeners.
Knows the kernel's kinds of events; nothing of labels."""

from dataclasses import dataclass

import numpy as np

from tcpwatch import wire
from tcpwatch.metrics.book import COOKIES_ACCEPTED, COOKIES_REJECTED, COOKIES_SENT, Book
from tcpwatch.metrics.columns import columns
from tcpwatch.metrics.keys import FACTS
from tcpwatch.metrics.metric import UNKNOWN
from tcpwatch.metrics.names import label
from tcpwatch.metrics.series import OWN, Group
from tcpwatch.tracker.step import Step

_SENT, _RECEIVED = range(2)  # the first two of the resets' own labels: for no known reason
_UNSPOKEN = ("", "NOT_SPECIFIED", "ERROR")  # what the kernel says where it has no reason to give
_MATTERS = wire.EVENT_REASON | wire.EVENT_LINGER | wire.EVENT_UNREAD | wire.EVENT_SOCKET
_COOKIES = {
    wire.COOKIE_SENT: COOKIES_SENT,
    wire.COOKIE_ACCEPTED: COOKIES_ACCEPTED,
    wire.COOKIE_REJECTED: COOKIES_REJECTED,
}
_PATIENCE_NS = 1_000_000_000  # an ended connection's line in the table stays for longer
_MOST_EARLY = 1 << 16  # in a second there are fewer; a recording's clock may stand still
_TURNED_AWAY = {wire.LISTEN_DROP: "listener_drops", wire.LISTEN_OVERFLOW: "listener_overflows"}


class Happenings:
    def __init__(self, book: Book) -> None:
        self._book = book
        self._reset_of: dict[tuple[str, str], int] = {}
        self._early = _Told(np.empty(0, wire.EVENT), np.empty(0, np.intp))  # that wait for their owners
        self._due_ns = 0

    def follow(self, step: Step) -> None:
        at = np.flatnonzero((step.kinds != wire.STATE) & (step.kinds != wire.CONGESTION))
        told = self._ready(step, _Told(step.frame.events[at], step.rows[at]))
        events = told.events
        if not len(events):
            return
        kinds, entries = events["kind"].copy(), self._entries(step, told)
        again = (kinds == wire.RETRANSMIT) | (kinds == wire.SYNACK_RETRANSMIT)
        self._again(events, entries, np.flatnonzero(again & (events["flags"] & wire.EVENT_REASON == 0)))
        resets = np.flatnonzero((kinds == wire.RESET_SENT) | (kinds == wire.RESET_RECEIVED))
        self._resets(events[resets], entries[resets], step.frame.host.reset_reasons)
        self._handshakes(events, kinds, entries)

    def _ready(self, step: Step, told: "_Told") -> "_Told":
        """What can be counted now. Events of a connection so new that nobody knows whose it is wait for the next
        snapshot, or _PATIENCE_NS, so that they go by the same labels as all that follows."""
        now_ns = step.frame.end_ns
        due = step.frame.snapshot is not None or step.frame.final or now_ns >= self._due_ns
        due |= len(self._early) > _MOST_EARLY
        if due:
            self._due_ns = now_ns + _PATIENCE_NS
        early = told.of_connections(step.table) & (not step.frame.final)
        at = np.flatnonzero(early)
        early[at] = self._book.keys.ownerless(step.table, told.lines[at])
        if not (len(self._early) or early.any()):
            return told
        waited, self._early = self._early, told.only(early)
        if due:
            return waited.and_then(told.only(~early))
        self._early = waited.and_then(self._early)
        return told.only(~early)

    def _entries(self, step: Step, told: "_Told") -> np.ndarray:
        """Of the services or listeners they belong to."""
        book, entries = self._book, np.empty(len(told), np.intp)
        of_connection, of_listener = told.of_connections(step.table), told.of_listeners(step.table)
        for which, listening in ((of_connection, False), (of_listener, True)):
            some = np.flatnonzero(which)
            if len(some):
                rows = columns(step.table, FACTS, told.lines[some])
                entries[some] = book.entries(book.keys.of(rows, listening=listening))
        strays = np.flatnonzero(~(of_connection | of_listener))
        if len(strays):
            entries[strays] = book.entries(book.keys.of_strays(told.events[strays]))
        return entries

    def _again(self, events: np.ndarray, entries: np.ndarray, at: np.ndarray) -> None:
        """at: of events that tell of segments sent again. A SYN-ACK's `count` is how often it was repeated so far."""
        book, events, entries = self._book, events[at], entries[at]
        if not len(events):
            return
        synack = events["kind"] == wire.SYNACK_RETRANSMIT
        segments = np.where(synack, 1, events["count"])
        causes = np.where(events["cause"] < len(wire.CAUSES), events["cause"], wire.UNKNOWN_CAUSE).astype(np.intp)
        book.counters["retransmits"].add(Group(book.services.of(entries)), segments, causes)
        some = np.flatnonzero(synack)
        if len(some):
            book.counters["listener_synack_retransmits"].add(Group(book.listeners.of(entries[some])))

    def _resets(self, events: np.ndarray, entries: np.ndarray, reasons: tuple[str, ...]) -> None:
        if not len(events):
            return
        sent = events["kind"] == wire.RESET_SENT
        calling = events["old_state"] == wire.SYN_SENT
        facts = events["reason"].astype(np.int64) << 16 | (events["flags"] & _MATTERS).astype(np.int64) << 8
        facts |= sent.astype(np.int64) << 1 | calling
        distinct, which = np.unique(facts, return_inverse=True)
        own = np.array([self._reset(int(fact), reasons) for fact in distinct], np.intp)
        counter = self._book.counters["resets"]
        counter.add(Group(self._book.services.of(entries)), own=own[which])

    def _reset(self, fact: int, reasons: tuple[str, ...]) -> int:
        """The number of the labels that a kind of reset has."""
        number, flags, sent, calling = fact >> 16, fact >> 8 & 0xFF, bool(fact & 2), bool(fact & 1)
        spoken = reasons[number] if sent and flags & wire.EVENT_REASON and number < len(reasons) else ""
        reason = label(spoken).lower() if spoken not in _UNSPOKEN else _inferred(sent, calling, flags)
        if reason == UNKNOWN:
            return _SENT if sent else _RECEIVED
        labels = ("sent" if sent else "received", reason)
        counter = self._book.counters["resets"]
        if labels not in self._reset_of:
            if len(counter.own) == OWN:
                return _SENT if sent else _RECEIVED
            self._reset_of[labels] = len(counter.own)
            counter.own.append(labels)
        return self._reset_of[labels]

    def _handshakes(self, events: np.ndarray, kinds: np.ndarray, entries: np.ndarray) -> None:
        """What the namespaces' counters told."""
        at = np.flatnonzero(kinds >= wire.COOKIE_SENT)
        if not len(at):
            return
        book, kinds, counts = self._book, kinds[at], events["count"][at]
        codes = book.listeners.of(entries[at])
        for kind, name in _TURNED_AWAY.items():
            some = np.flatnonzero(kinds == kind)
            book.counters[name].add(Group(codes[some]), counts[some])
        for kind, result in _COOKIES.items():
            some = np.flatnonzero(kinds == kind)
            book.counters["listener_syncookies"].add(Group(codes[some]), counts[some], np.full(len(some), result))


def _inferred(sent: bool, calling: bool, flags: int) -> str:
    """Why, where the kernel did not say: its word is given from Linux 6.10 on, and only for resets that it sends."""
    if not sent:
        return "inferred_refused" if calling else UNKNOWN
    if not flags & wire.EVENT_SOCKET:
        return "inferred_no_socket"
    if flags & wire.EVENT_LINGER:
        return "inferred_linger"
    return "inferred_unread_data" if flags & wire.EVENT_UNREAD else UNKNOWN


@dataclass(frozen=True, slots=True)
class _Told:
    """events: wire.EVENT. lines: (n,) of the tracker's table, where they belong to one."""

    events: np.ndarray
    lines: np.ndarray

    def __len__(self) -> int:
        return len(self.events)

    def only(self, which: np.ndarray) -> "_Told":
        return _Told(self.events[which], self.lines[which])

    def and_then(self, later: "_Told") -> "_Told":
        return _Told(wire.joined([self.events, later.events]), np.concatenate([self.lines, later.lines]))

    def of_connections(self, table: np.ndarray) -> np.ndarray:
        """(n,) bool"""
        return self._known(table) & (self.events["kind"] < wire.COOKIE_SENT)

    def of_listeners(self, table: np.ndarray) -> np.ndarray:
        return self._known(table) & (self.events["kind"] >= wire.COOKIE_SENT)

    def _known(self, table: np.ndarray) -> np.ndarray:
        if not len(table):
            return np.zeros(len(self), bool)
        held = np.where((self.lines >= 0) & (self.lines < len(table)), self.lines, 0)
        cookies = self.events["cookie"]
        known: np.ndarray = (self.lines >= 0) & (table["cookie"][held] == cookies) & (cookies != 0)
        return known
