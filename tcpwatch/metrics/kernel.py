"""What namespaces count by themselves, since we watch them: differences of the kernel's own counters, exact whatever
events were lost. Knows nothing of connections."""

import numpy as np

from tcpwatch import wire
from tcpwatch.counters import COUNTS, EXTENDED, TCP
from tcpwatch.metrics.book import COOKIES_ACCEPTED, COOKIES_REJECTED, COOKIES_SENT, Book
from tcpwatch.metrics.series import Group
from tcpwatch.tracker.step import Step

_PLAIN = {
    "kernel_active_opens": "active_opens",
    "kernel_passive_opens": "passive_opens",
    "kernel_attempt_fails": "attempt_fails",
    "kernel_established_resets": "established_resets",
    "kernel_received_segments": "segs_in",
    "kernel_sent_segments": "segs_out",
    "kernel_retransmitted_segments": "segs_retrans",
    "kernel_sent_resets": "resets_sent",
    "kernel_listen_overflows": "listen_overflows",
    "kernel_listen_drops": "listen_drops",
    "kernel_timeouts": "timeouts",
}
_COOKIES = {
    "cookies_sent": COOKIES_SENT,
    "cookies_accepted": COOKIES_ACCEPTED,
    "cookies_rejected": COOKIES_REJECTED,
}
# TCPAbortOnClose is what the kernel counts where data was unread, TCPAbortOnData where it came after a close
_ABORTS = {"abort_unread_close": 0, "abort_unread": 1, "abort_timeout": 2}
_HALF = np.uint64(1 << 63)
_EVER = (1 << 63) - 1
# What opens a connection, and how often a namespace says that it happened
_OPENS = (
    ("active_opens", wire.CLOSE, wire.SYN_SENT),
    ("passive_opens", wire.SYN_RECV, wire.ESTABLISHED),
)


class Kernel:
    def __init__(self, book: Book) -> None:
        self._book = book
        self._before = np.empty(0, COUNTS)  # the newest reading of each namespace, in their order
        self._opened: dict[int, list[int]] = {}  # by _OPENS, under our eyes, of each namespace that has no reading
        self._began = False  # there was a snapshot

    def follow(self, step: Step) -> None:
        snapshot = step.frame.snapshot
        if snapshot is None:
            self._watch(step)
            return
        self._watch(step, until_ns=snapshot.begin_ns)
        counts = snapshot.counts
        counts = counts[np.unique(counts["netns"], return_index=True)[1]]
        self._count(counts, self._base(counts))
        self._remember(counts, snapshot.namespaces)
        self._began = True
        self._watch(step, after_ns=snapshot.begin_ns)

    def _watch(self, step: Step, after_ns: int = 0, until_ns: int = _EVER) -> None:
        if not self._began:  # what is there already by the first snapshot may be older than we are
            return
        events = step.frame.events
        for which, (_, old, new) in enumerate(_OPENS):
            at = np.flatnonzero((step.new_states == new) & (step.kinds == wire.STATE))
            netns, times_ns = events["netns"][at], events["time_ns"][at]
            wanted = (events["old_state"][at] == old) & (times_ns > after_ns) & (times_ns <= until_ns)
            wanted &= ~np.isin(netns, self._before["netns"])
            if wanted.any():
                strange, counts = np.unique(netns[wanted], return_counts=True)
                for one, opened in zip(strange.tolist(), counts.tolist()):
                    self._opened.setdefault(one, [0] * len(_OPENS))[which] += opened

    def _base(self, counts: np.ndarray) -> np.ndarray:
        """(n,) COUNTS: what was counted already, or was not for us to count."""
        base = counts.copy()
        _, now, then = np.intersect1d(counts["netns"], self._before["netns"], assume_unique=True, return_indices=True)
        base[now] = self._before[then]
        # Where they fell, another namespace has got the number of one that is gone, since the last reading
        fresh = np.logical_or.reduce([counts[name] - base[name] >= _HALF for name in (*TCP, *EXTENDED)])
        for place in np.flatnonzero(np.isin(counts["netns"], list(self._opened))):
            # It could not be read, or not be found, before: only if each of its connections was watched it is new
            opened = self._opened.pop(int(counts["netns"][place]))
            fresh[place] = opened == [int(counts[name][place]) for name, *_ in _OPENS]
        base[fresh] = 0
        return base

    def _count(self, counts: np.ndarray, base: np.ndarray) -> None:
        book = self._book
        there = Group(book.namespaces.of(book.entries(book.keys.of_namespaces(counts["netns"]))))
        for name, field in _PLAIN.items():
            book.counters[name].know(there)
            book.counters[name].add(there, counts[field] - base[field])
        for name, fields in (("kernel_syncookies", _COOKIES), ("kernel_aborts", _ABORTS)):
            for field, own in fields.items():
                book.counters[name].know(there, own)
                book.counters[name].add(there, counts[field] - base[field], np.full(len(counts), own))

    def _remember(self, counts: np.ndarray, present: frozenset[int]) -> None:
        """Of a namespace that is there and has no sockets now the last reading stands."""
        silent = self._before[~np.isin(self._before["netns"], counts["netns"])]
        silent = silent[np.isin(silent["netns"], np.fromiter(present, np.uint32, len(present)))]
        joined = np.concatenate([counts, silent])
        self._before = joined[np.argsort(joined["netns"])]
