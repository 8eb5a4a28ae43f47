"""All event rings as one: each serves some of the CPUs, and what is drained comes in the order of its time, so that
nothing downstream sees that there are several."""

import select
from collections.abc import Iterator, Sequence

import numpy as np

from tcpwatch import wire
from tcpwatch.kernel.ring import Ring

_RAW = np.dtype(f"V{wire.EVENT.itemsize}")  # NumPy copies what it knows the fields of one by one, six times slower

Mark = tuple[int, ...]


class Rings:
    """The consumer's end of several rings of `size` bytes each.

    Order: the events of one socket are made under its lock, so each was written when the next one's time was taken, be
    it on another CPU. Up to any moment that lies before our look at the rings we therefore know of all that preceded
    what we know; only a ring that holds more than we could take vouches for no more than its last record's time."""

    def __init__(self, descriptors: Sequence[int], size: int) -> None:
        self.size = size
        self.more = False  # whether the last drain left something that was ready
        self._rings = [Ring(descriptor, size) for descriptor in descriptors]
        self._reached_ns = [0] * len(self._rings)
        # Edge-triggered: readiness alone must not wake us, only the kernel's explicit wake-up at half full
        self._poll = select.epoll()
        for descriptor in descriptors:
            self._poll.register(descriptor, select.EPOLLIN | select.EPOLLET)

    def fill(self) -> float:
        """How full the fullest is, 0 to 1."""
        return max(ring.pending_bytes() for ring in self._rings) / self.size

    def produced(self) -> Mark:
        """A mark: everything written (or being written) until now lies before it."""
        return tuple(ring.produced() for ring in self._rings)

    def is_past(self, mark: Mark) -> bool:
        """Whether everything before the mark has been drained."""
        return all(ring.consumed() >= position for ring, position in zip(self._rings, mark))

    def wait(self, seconds: float) -> None:
        """Sleep, but return early when a ring passes half full."""
        self._poll.poll(max(0.0, seconds))

    def drain(self, limit: int, now_ns: int) -> np.ndarray:
        """Take out up to `limit` records, oldest first: a copy, (n,) wire.EVENT. now_ns: CLOCK_MONOTONIC."""
        until_ns = now_ns
        share = limit // len(self._rings)
        ready = [ring.ready(share) for ring in self._rings]
        times = [np.concatenate([part["time_ns"] for part in parts]) for parts in ready]
        self.more = any(len(of_one) == share for of_one in times)
        for place, (ring, of_one) in enumerate(zip(self._rings, times)):
            if len(of_one):
                self._reached_ns[place] = int(of_one[-1])
            if ring.holds_back:
                until_ns = min(until_ns, self._reached_ns[place])
        counts = [_count_until(of_one, until_ns) for of_one in times]
        raw = [part.view(_RAW) for parts, n in zip(ready, counts) for part in _first(n, parts)]
        events = _merged(raw, [of_one[:n] for of_one, n in zip(times, counts)]).view(wire.EVENT)
        for ring, count in zip(self._rings, counts):
            ring.release(count)
        return events

    def close(self) -> None:
        self._poll.close()
        for ring in self._rings:
            ring.close()


def _count_until(times: np.ndarray, until_ns: int) -> int:
    """How many come before the first that is later."""
    later = times > until_ns
    return int(np.argmax(later)) if later.any() else len(times)


def _first(count: int, parts: list[np.ndarray]) -> Iterator[np.ndarray]:
    """So many records of a ring, as they lie; no part is empty."""
    for part in parts:
        if count > 0 and len(part):
            yield part[:count]
        count -= len(part)


def _merged(parts: list[np.ndarray], times: list[np.ndarray]) -> np.ndarray:
    """A copy of them all, in the order of their times."""
    if len(parts) == 1:
        return parts[0].copy()
    merged = np.empty(sum(map(len, parts)), _RAW)
    rank = np.empty(len(merged), np.intp)
    # stable merges runs that are in order already, which these are but for what interrupts left
    rank[np.argsort(np.concatenate(times), kind="stable")] = np.arange(len(merged))
    begin = 0
    for part in parts:
        merged[rank[begin : begin + len(part)]] = part
        begin += len(part)
    return merged
