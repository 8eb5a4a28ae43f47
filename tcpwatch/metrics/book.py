"""All metrics that are told apart by services, listeners, namespaces or destinations: their series by name, and the
label sets that these have in common. Knows how words become label values, and nothing of where numbers come from."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from tcpwatch import wire
from tcpwatch.metrics import catalogue
from tcpwatch.metrics.keys import LISTENER_ROLE, Key, Keys, Words, read
from tcpwatch.metrics.metric import DESTINATION, EPHEMERAL, LISTENER, NAMESPACE, SERVICE, UNKNOWN, Metric
from tcpwatch.metrics.names import label
from tcpwatch.metrics.networks import Network, Networks
from tcpwatch.metrics.picture import Family
from tcpwatch.metrics.places import Places
from tcpwatch.metrics.ring import Codes, Ring
from tcpwatch.metrics.series import Counter, Gauge, Histogram, Series
from tcpwatch.metrics.space import Space, Values
from tcpwatch.rows import ROLES, SERVER
from tcpwatch.verdicts import CODES

STATE_NAMES: tuple[Values, ...] = tuple((name or "",) for name in wire.STATES)
VERDICT_NAMES: tuple[Values, ...] = tuple((code or UNKNOWN,) for code in CODES)
CAUSE_NAMES: tuple[Values, ...] = tuple((cause or UNKNOWN,) for cause in wire.CAUSES)
RECEIVER_WINDOW, SEND_BUFFER = range(2)
COOKIES_SENT, COOKIES_ACCEPTED, COOKIES_REJECTED = range(3)
_RESULTS: tuple[Values, ...] = (("sent",), ("accepted",), ("rejected",))
_OWN: Mapping[str, Sequence[Values]] = {
    "connections": STATE_NAMES,
    "connections_closed": VERDICT_NAMES,
    "connections_ailing": VERDICT_NAMES,
    "retransmits": CAUSE_NAMES,
    "resets": (("sent", UNKNOWN), ("received", UNKNOWN)),
    "limited_seconds": (("receiver_window",), ("send_buffer",)),
    "listener_syncookies": _RESULTS,
    "kernel_syncookies": _RESULTS,
    "kernel_aborts": (("unread",), ("close",), ("timeout",)),
}
_MOST_SETS = 1 << 14  # of values of the same labels, however many series are wanted
_SCALES = {"handshake_seconds": 1e9, "connection_duration_seconds": 1e9, "rtt_seconds": 1e6, "retransmit_ratio": 1.0}
_STANDING = ("connections", "connections_ailing")  # none of a known service is 0, and not unknown


class Book:
    """counters, gauges, histograms: by name, without the prefix. services, listeners, namespaces, destinations: the
    label set of each of a ring's entries."""

    def __init__(self, chosen: Collection[str], networks: Sequence[Network], most: int, places: Places) -> None:
        self.counters: dict[str, Counter] = {}
        self.gauges: dict[str, Gauge] = {}
        self.histograms: dict[str, Histogram] = {}
        self._series: dict[str, Series] = {}
        self._places = places
        self._networks = Networks(networks)
        self._ring = Ring(max(most, 1000))
        self.keys = Keys(chosen, self._networks, places)
        self._spaces: dict[tuple[str, ...], Space] = {}
        for metric in catalogue.METRICS:
            if metric.shared:
                self._add(metric, tuple(name for name in metric.shared if name in chosen), most)
        self.services, self.listeners, self.namespaces, self.destinations = (
            Codes(self._ring, self._finder(shared, shared is LISTENER))
            for shared in (SERVICE, LISTENER, NAMESPACE, DESTINATION)
        )

    def begin(self, now_ns: int) -> None:
        """Before a step is counted, or a picture drawn. Entries from before are void."""
        for space in self._spaces.values():
            space.now_ns = now_ns
        if self._places.changed or self._ring.crowded:
            self._places.changed = False
            self._ring.forget()

    def expire(self) -> None:
        """Let label sets go that nothing has had for long."""
        gone = [space.expire() for space in self._spaces.values()]
        if any(gone):
            self._ring.forget()

    def entries(self, words: Words) -> np.ndarray:
        return self._ring.entries(words)

    def families(self) -> dict[str, Family]:
        return {name: one.family() for name, one in self._series.items()}

    def overflows(self) -> dict[str, int]:
        """How often a label set found no room, by metric."""
        return {name: one.overflows + one.space.refused + self._ring.unnamed for name, one in self._series.items()}

    def _add(self, metric: Metric, shared: tuple[str, ...], most: int) -> None:
        space = self._spaces.setdefault(metric.shared, Space(shared, min(most, _MOST_SETS)))
        own = _OWN.get(metric.name, ((),))
        if metric.kind == "counter":
            self._series[metric.name] = self.counters[metric.name] = Counter(metric, space, most, own)
        elif metric.kind == "gauge":
            absent = 0.0 if metric.name in _STANDING else np.nan
            self._series[metric.name] = self.gauges[metric.name] = Gauge(metric, space, most, own, absent=absent)
        else:
            scale = _SCALES[metric.name]
            self._series[metric.name] = self.histograms[metric.name] = Histogram(metric, space, most, scale)

    def _finder(self, shared: tuple[str, ...], listening: bool) -> "_Finder":
        return _Finder(self, self._spaces[shared], listening)

    def describe(self, entry: int, listening: bool) -> dict[str, str]:
        """The labels of one of the ring's entries. listening: of the listener it belongs to."""
        key = read(*self._ring.words(entry))
        port = EPHEMERAL if key.ephemeral else str(key.port or "")
        comm, cgroup = label(key.comm), self._cgroup(key)
        served = self._places.listener(key.netns, key.port, key.family) if key.role != LISTENER_ROLE else None
        family = key.family
        if listening and served:
            family, comm, cgroup = served
        elif key.role == SERVER and served:
            comm, cgroup = comm or served[1], cgroup or served[2]
        return {
            "netns": self._places.namespace(key.netns),
            "port": port,
            "role": (ROLES[key.role] or "") if key.role < len(ROLES) else "",
            "family": family,
            "comm": comm,
            "cgroup": cgroup,
            "network": self._networks.names[key.network],
        }

    def _cgroup(self, key: Key) -> str:
        if key.process:
            return self._places.process_cgroup(key.process, label(key.comm))
        return self._places.cgroup(key.cgroup)


class _Finder:
    """From a ring's entry to the number of its label set."""

    def __init__(self, book: Book, space: Space, listening: bool) -> None:
        self._book = book
        self._space = space
        self._listening = listening

    def __call__(self, entry: int) -> int:
        labels = self._book.describe(entry, self._listening)
        return self._space.code(tuple(labels[name] for name in self._space.labels))
