"""What namespaces count by themselves, since we first read it: differences of the kernel's own counters, exact whatever
events were lost. Knows nothing of connections."""

import numpy as np

from tcpwatch.counters import COUNTS
from tcpwatch.frame import Frame
from tcpwatch.metrics.book import COOKIES_ACCEPTED, COOKIES_REJECTED, COOKIES_SENT, Book
from tcpwatch.metrics.series import Group

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


class Kernel:
    def __init__(self, book: Book) -> None:
        self._book = book
        self._before = np.empty(0, COUNTS)  # the newest reading of each namespace, in their order

    def follow(self, frame: Frame) -> None:
        if frame.snapshot is None:
            return
        counts = frame.snapshot.counts
        counts = counts[np.unique(counts["netns"], return_index=True)[1]]
        book = self._book
        there = Group(book.namespaces.of(book.entries(book.keys.of_namespaces(counts["netns"]))))
        _, now, then = np.intersect1d(counts["netns"], self._before["netns"], assume_unique=True, return_indices=True)
        again = Group(there.codes[now])
        for name, field in _PLAIN.items():
            book.counters[name].know(there)
            book.counters[name].add(again, _grown(counts[field][now], self._before[field][then]))
        for name, fields in (("kernel_syncookies", _COOKIES), ("kernel_aborts", _ABORTS)):
            for field, own in fields.items():
                grown = _grown(counts[field][now], self._before[field][then])
                book.counters[name].know(there, own)
                book.counters[name].add(again, grown, np.full(len(now), own))
        self._remember(counts, frame.snapshot.namespaces)

    def _remember(self, counts: np.ndarray, present: frozenset[int]) -> None:
        """Of a namespace that is there and has no sockets now the last reading stands."""
        silent = self._before[~np.isin(self._before["netns"], counts["netns"])]
        silent = silent[np.isin(silent["netns"], np.fromiter(present, np.uint32, len(present)))]
        joined = np.concatenate([counts, silent])
        self._before = joined[np.argsort(joined["netns"])]


def _grown(now: np.ndarray, then: np.ndarray) -> np.ndarray:
    """Modulo 2^64, as the counters are; 0 where another namespace has got the number of one that is gone."""
    grown = now - then
    return np.where(grown < _HALF, grown, 0)
