"""How long will the local ports last? Counts, for each destination that is connected to, the ports in use and those
left of what its namespace offers, and how fast they are taken. Knows connections and sysctls, and no faces."""

from collections import deque

import numpy as np

from tcpwatch import wire
from tcpwatch.frame import Frame, Snapshot
from tcpwatch.rows import CLIENT, CONNECTION, PORTS, SERVER, UNKNOWN_ROLE
from tcpwatch.tracker.addresses import halves, hashed
from tcpwatch.tracker.batch import Batch
from tcpwatch.tracker.columns import Passage
from tcpwatch.tracker.exhaustion import REUSE_AFTER_S, TIME_WAIT_S, project, time_left_s
from tcpwatch.tracker.offers import Offers, Settings

WINDOW_S = 10.0  # over which rates are taken
_LEAST_WINDOW_S = 1.5
_SECOND_NS = 1_000_000_000
_FAILURES = 1000  # destinations with failures to remember, the newest
_FAILING_NS = 60 * _SECOND_NS  # so long a destination without any port in use stays listed
_HOLDS_PORT = (
    wire.ESTABLISHED, wire.SYN_SENT, wire.FIN_WAIT1, wire.FIN_WAIT2, wire.TIME_WAIT, wire.CLOSE_WAIT, wire.LAST_ACK,
    wire.CLOSING, wire.SYN_RECV,
)  # fmt: skip
_DESTINATION = ("netns", "laddr", "raddr", "rport", "family")
_ENDS = Passage(CONNECTION, PORTS, _DESTINATION)
_OWNER = Passage(CONNECTION, PORTS, ("pid", "comm"))
_LOW_BITS = np.uint64(0xFFFF)


class PortMeter:
    """Remembers what happened lately; a destination goes by a hash of its namespace, addresses and port."""

    def __init__(self) -> None:
        self._began_ns = 0
        self._now_ns = 0
        self._opened: deque[tuple[int, np.ndarray, np.ndarray]] = deque()  # (when, hashes, how many)
        self._failed: dict[int, tuple[int, int, np.ndarray]] = {}  # hash -> (how many, the newest, its event)
        self._before: deque[tuple[int, np.ndarray, np.ndarray, np.ndarray]] = deque()  # (when, hashes, used, waiting)

    def count(self, batch: Batch, now_ns: int) -> None:
        """batch: a frame's events. now_ns: its end."""
        self._began_ns = self._began_ns or now_ns
        self._now_ns = now_ns
        leaves = (batch.kind == wire.STATE) & (batch.old != batch.new)
        opens = batch.events.take(np.flatnonzero(leaves & (batch.new == wire.SYN_SENT)))
        portless = leaves & (batch.old == wire.SYN_SENT) & (batch.new == wire.CLOSE) & (batch.lport == 0)
        failures = batch.events.take(np.flatnonzero(portless))
        failures = failures[(failures["segs_out"] == 0) & (failures["error"] == 0)]
        if len(failures):
            self._note_failures(failures)
        if len(opens):
            hashes, counts = np.unique(destinations(opens, slice(None)), return_counts=True)
            gone, times = np.unique(destinations(failures, slice(None)), return_counts=True)
            counts[np.isin(hashes, gone)] -= times[np.isin(gone, hashes)]
            self._opened.append((now_ns, hashes, np.maximum(counts, 0)))
        while self._opened and self._opened[0][0] + WINDOW_S * 1e9 <= now_ns:
            self._opened.popleft()

    def _note_failures(self, failures: np.ndarray) -> None:
        hashes = destinations(failures, slice(None))[::-1]
        hashes, first, counts = np.unique(hashes, return_index=True, return_counts=True)
        for key, newest, count in zip(hashes.tolist(), (len(failures) - 1 - first).tolist(), counts.tolist()):
            event = failures[newest : newest + 1].copy()
            before = self._failed.pop(key, (0, 0, event))[0]
            self._failed[key] = before + count, int(event["time_ns"][0]), event
        while len(self._failed) > _FAILURES:
            del self._failed[next(iter(self._failed))]

    def picture(
        self, connections: np.ndarray, snapshot: Snapshot | None, settings: Settings, frame: Frame
    ) -> tuple[np.ndarray, np.ndarray]:
        """(rows.PORTS; for each of `connections`, rows.CONNECTION, its line there, -1: it uses none of those ports).
        frame: the newest one, for its clocks."""
        self._now_ns, offset_ns, hz = frame.end_ns, frame.host.realtime_offset_ns, frame.host.hz
        offers = Offers(settings, connections)
        which = _outgoing(connections, offers)
        hashes = destinations(connections, which)
        lport = connections["lport"][which]
        order = np.argsort(hashes | lport)
        sorted_hashes, sorted_ports = hashes[order], lport[order]
        new_group = np.ones(len(order), bool)
        new_group[1:] = sorted_hashes[1:] != sorted_hashes[:-1]
        new_port = new_group.copy()
        new_port[1:] |= sorted_ports[1:] != sorted_ports[:-1]
        group = np.cumsum(new_group) - 1
        port_of = np.full(len(connections), -1, np.int32)
        port_of[which[order]] = group

        count = int(group[-1]) + 1 if len(group) else 0
        keys = sorted_hashes[new_group]
        failing = self._failing(keys)
        lines = np.zeros(count + len(failing), PORTS)
        _describe(lines[:count], connections, which[order], group, new_group)
        ports = np.flatnonzero(new_port)
        # a port that was taken out of TIME_WAIT may be here twice until the next snapshot: the connection counts
        waits = connections["state"][which[order]] == wire.TIME_WAIT
        waits = np.logical_and.reduceat(waits, ports) if len(ports) else waits
        at, of = which[order[ports]], group[ports]
        inside = offers.offered(connections["netns"][at], sorted_ports[ports])
        lines["used"][:count] = np.bincount(of, minlength=count)
        lines["time_wait"][:count] = np.bincount(of[waits], minlength=count)
        self._add_failures(lines, keys, failing, offset_ns)
        lines["ports"] = offers.size(lines["netns"])
        lines["free"] = lines["ports"]
        lines["free"][:count] -= np.bincount(of[inside], minlength=count)

        left_s = time_left_s(connections, at[waits], snapshot, hz, self._now_ns)
        waiting = (of[waits], left_s)
        self._add_rates(lines, np.concatenate([keys, np.array(failing, np.uint64)]), waiting)
        reuses = offers.reuses(lines)
        old = left_s <= TIME_WAIT_S - REUSE_AFTER_S
        ripe = np.bincount(waiting[0][old], minlength=len(lines))
        lines["reusable"] = np.where(reuses, ripe, 0)
        lines["exhausted_s"] = project(lines, waiting, reuses)
        lately = lines["failed_ns"] + np.uint64(WINDOW_S * 1e9) > self._now_ns + offset_ns
        lines["exhausted_s"][lately & (lines["failed_ns"] != 0)] = 0
        return lines, port_of

    def _failing(self, present: np.ndarray) -> list[int]:
        """Destinations that found no port lately, and have none in use."""
        known = set(present.tolist()) if self._failed else ()
        return [k for k, (_, t, _) in self._failed.items() if t + _FAILING_NS > self._now_ns and k not in known]

    def _add_failures(self, lines: np.ndarray, keys: np.ndarray, failing: list[int], offset_ns: int) -> None:
        places = {key: len(keys) + i for i, key in enumerate(failing)}
        if self._failed:
            places |= {key: i for i, key in enumerate(keys.tolist()) if key in self._failed}
        for key, place in places.items():
            count, newest_ns, event = self._failed[key]
            lines["failures"][place], lines["failed_ns"][place] = count, newest_ns + offset_ns
            if place >= len(keys):
                for name in (*_DESTINATION, "pid", "comm"):
                    lines[name][place] = event[name][0]

    def _add_rates(self, lines: np.ndarray, keys: np.ndarray, waiting: tuple[np.ndarray, np.ndarray]) -> None:
        for name in ("rate", "growth", "taken", "staying"):
            lines[name] = np.nan
        watched_s = min((self._now_ns - self._began_ns) / 1e9, WINDOW_S)
        if watched_s >= 1.0:
            lines["rate"] = self._opened_since(keys) / watched_s
        while len(self._before) > 1 and self._before[1][0] + WINDOW_S * 1e9 <= self._now_ns:
            self._before.popleft()
        if self._before and (span_s := (self._now_ns - self._before[0][0]) / 1e9) >= _LEAST_WINDOW_S:
            used, waited = (_looked_up(keys, self._before[0][1], values) for values in self._before[0][2:])
            live = lines["used"] - lines["time_wait"]
            lines["growth"] = (lines["used"] - used) / span_s
            # no more than were opened: a namespace found late comes with many at once
            grown = np.minimum((live - (used - waited)) / span_s, lines["rate"])
            young = waiting[1] > TIME_WAIT_S - span_s
            lines["staying"] = grown
            lines["taken"] = grown + np.bincount(waiting[0][young], minlength=len(lines)) / span_s
        if self._before and self._before[-1][0] == self._now_ns:
            self._before.pop()
        order = np.argsort(keys)
        self._before.append((self._now_ns, keys[order], lines["used"][order], lines["time_wait"][order]))

    def _opened_since(self, keys: np.ndarray) -> np.ndarray:
        total = np.zeros(len(keys))
        if self._opened:
            hashes = np.concatenate([hashes for _, hashes, _ in self._opened])
            counts = np.concatenate([counts for _, _, counts in self._opened])
            known, at = np.unique(hashes, return_inverse=True)
            total = _looked_up(keys, known, np.bincount(at, counts, len(known)))
        return total


def _looked_up(keys: np.ndarray, known: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The value of each key, 0 where it is not known. known: sorted."""
    if not len(known):
        return np.zeros(len(keys))
    at = np.minimum(np.searchsorted(known, keys), len(known) - 1)
    return np.where(known[at] == keys, values[at], 0)


def _outgoing(connections: np.ndarray, offers: Offers) -> np.ndarray:
    """Which of them hold a local port that was theirs to choose."""
    holds = np.zeros(256, bool)
    holds[list(_HOLDS_PORT)] = True
    role = connections["role"]
    chosen = holds[connections["state"]] & (role != SERVER) & (connections["lport"] != 0)
    which = np.flatnonzero(chosen & ((role == CLIENT) | (connections["state"] != wire.SYN_RECV)))
    guessed = np.flatnonzero(connections["role"][which] == UNKNOWN_ROLE)
    netns, lport = connections["netns"][which[guessed]], connections["lport"][which[guessed]]
    likely = offers.in_range(netns, lport) & ~offers.listened(netns, lport)
    if likely.all():
        return which
    sure = np.ones(len(which), bool)
    sure[guessed] = likely
    return which[sure]


def destinations(records: np.ndarray, which: np.ndarray | slice) -> np.ndarray:
    """(n,) u8: a hash of netns, laddr, raddr and rport; the lowest 16 bits are 0."""
    rest = records["netns"][which].astype(np.uint64) << np.uint64(16) | records["rport"][which]
    return hashed(*halves(records["laddr"], which), *halves(records["raddr"], which), rest) & ~_LOW_BITS


def _describe(
    lines: np.ndarray, connections: np.ndarray, members: np.ndarray, group: np.ndarray, new_group: np.ndarray
) -> None:
    """members: which of the connections, group by group."""
    if not len(lines):
        return
    _ENDS.copy(connections, lines, slice(None), members[new_group])
    opened_ns = connections["opened_ns"][members]
    newest_ns = np.maximum.reduceat(opened_ns, np.flatnonzero(new_group))
    lines["opened_ns"] = newest_ns
    owned = connections["pid"][members] != 0
    newest = np.flatnonzero(owned & (opened_ns == newest_ns[group]))
    unknown = np.ones(len(lines), bool)
    unknown[group[newest]] = False
    others = np.flatnonzero(owned & unknown[group])
    for at in (others, newest):  # the newest's owner if it is known, else any
        _OWNER.copy(connections, lines, group[at], members[at])
