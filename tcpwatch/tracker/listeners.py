"""What becomes of handshakes at each listening socket: folds a snapshot's listeners and its namespaces' counts into a
line per listener, and makes events of what was dropped, overflowed or answered with a cookie and no hook told of."""

from collections import Counter
from collections.abc import Mapping

import numpy as np

from tcpwatch import wire
from tcpwatch.frame import Snapshot
from tcpwatch.rows import ACCEPT_QUEUE_FULL, POINT, SYN_QUEUE_FULL
from tcpwatch.tracker.accounts import (
    ACCEPTED,
    DROP,
    HOOKED,
    KINDS,
    OVERFLOW,
    REJECTED,
    SENT,
    Account,
    Accounts,
    Suspects,
    share_out,
)
from tcpwatch.tracker.arrivals import Arrivals
from tcpwatch.tracker.backlog import Backlog
from tcpwatch.tracker.batch import Batch
from tcpwatch.tracker.table import Table

Settings = Mapping[int, Mapping[str, str]]

_MISSES = 2  # older kernels' iterator may skip a socket while its bucket changes
_SECOND_NS = 1_000_000_000
_COOKIE_NS = 120 * _SECOND_NS  # TCP_SYNCOOKIE_VALID: how long after an overflow cookies are still taken
_SAME = ("cookie", "netns", "laddr", "lport", "family")
_QUEUES = {"accept_queue": "recv_queue", "accept_limit": "send_queue", "half_open": "half_open"}
_QUEUES["half_open_young"] = "half_open_young"
_TOTALS = {"overflows": OVERFLOW, "cookies_sent": SENT, "cookies_accepted": ACCEPTED, "cookies_rejected": REJECTED}
_SHARES = {"drops": DROP, **_TOTALS}

KNOWN = np.dtype(
    [
        ("cookie", "u8"),
        ("netns", "u4"),
        ("laddr", "u1", 16),
        ("lport", "u2"),
        ("family", "u1"),
        ("missed", "u1"),  # snapshots in a row without it
        ("marks", "u1"),  # why it dropped handshakes, or sent cookies, since the snapshot before
        ("refuses", "u1"),  # likewise, without the cookies: those turn nobody away
        *((name, "u4") for name in (*_QUEUES, "syn_limit", "drops")),
        ("untold", "i8"),  # drops since the snapshot before
        ("overflow_ns", "i8"),  # when its SYN queue last overflowed, or may have, CLOCK_MONOTONIC; 0: never
        *((name, "i8") for name in _TOTALS),
        ("synack_retrans", "f8"),
    ],
    align=True,
)


class Listeners:
    """keeps_history: whether anybody will look; else only events are made."""

    def __init__(self, keeps_history: bool) -> None:
        self.known = np.empty(0, KNOWN)
        self.points = np.empty(0, POINT)  # of each, since the snapshot before
        self.seconds = np.nan  # between those two
        self.backlog = Backlog()
        self._keeps_history = keeps_history
        self._births, self._synacks = Arrivals(), Arrivals()
        self._accounts = Accounts()
        self._told = np.empty(0, wire.EVENT)  # cookies that hooks told of since the snapshot before
        self._named = np.empty(0, wire.EVENT)  # ... and between that one and the one before it
        self._begin_ns = self._end_ns = 0  # of the newest snapshot

    def note(self, batch: Batch) -> None:
        """Count handshakes that ended well, and SYN-ACKs sent again."""
        if not self._keeps_history:
            return
        met = (batch.old == wire.SYN_RECV) & (batch.new == wire.ESTABLISHED) & (batch.kind == wire.STATE)
        self._births.add(batch, np.flatnonzero(met))
        self._synacks.add(batch, batch.of_kind(wire.SYNACK_RETRANSMIT))

    def note_cookies(self, events: np.ndarray) -> None:
        """wire.EVENT, one for each SYN cookie that a hook told of."""
        if len(events):
            self._told = np.concatenate([self._told, events])

    def fold(self, snapshot: Snapshot, hz: int, settings: Settings, table: Table, hooked: bool = False) -> np.ndarray:
        """wire.EVENT, at the snapshot's end; without a cookie where no listener can be named. hooked: functions are
        hooked, so that cookies are told of one by one."""
        sockets = _listening(snapshot.sockets)
        came_from = self._match(sockets)
        told_before = self._accounts.known(self.known["netns"])
        born = _born(table, sockets)
        self._refresh(snapshot, sockets, hz, came_from, told_before[: len(sockets)] | born)
        self._limit(settings)
        shares, events = self._share(snapshot, _witnessed(sockets[born]), hooked)
        if self._keeps_history:
            self._remember(snapshot.end_ns, shares, told_before, came_from)
        self._begin_ns, self._end_ns = snapshot.begin_ns, snapshot.end_ns
        self._named, self._told = self._told, self._told[:0]
        return events

    def rest(self, time_ns: int) -> np.ndarray:
        """wire.EVENT of what was not told because more might come: nothing will."""
        self._debit(self._told)
        return _joined([_events(time_ns, netns, held) for netns, held in self._accounts.close().items()])

    def counted(self) -> np.ndarray:
        """(n,) bool: of which listeners the namespace's counts are known."""
        return self._accounts.known(self.known["netns"])

    def _match(self, sockets: np.ndarray) -> np.ndarray:
        """Bring `known` into the order of sockets, missing ones behind. (n,) where each was before, -1: nowhere."""
        old, size = self.known, len(sockets)
        if len(old) == size and all((old[name] == sockets[name]).all() for name in ("cookie", "netns")):
            self.known["missed"] = 0
            return np.arange(size)
        places = {key: i for i, key in enumerate(_keys(old))}
        came_from = np.array([places.pop(key, -1) for key in _keys(sockets)], np.intp)
        left = np.array([i for i in places.values() if old["missed"][i] + 1 < _MISSES], np.intp)
        came_from = np.concatenate([came_from, left])
        self.known = np.zeros(len(came_from), KNOWN)
        self.known[came_from >= 0] = old[came_from[came_from >= 0]]
        for name in _SAME:
            self.known[name][:size] = sockets[name]
        self.known["missed"][:size] = 0
        self.known["missed"][size:] += 1
        return came_from

    def _refresh(
        self, snapshot: Snapshot, sockets: np.ndarray, hz: int, came_from: np.ndarray, fresh: np.ndarray
    ) -> None:
        """fresh: (n,) bool, of which every drop was in our time, new to us as they may be."""
        self.known["untold"] = 0
        here, size = self.known[: len(sockets)], len(sockets)
        followed = (came_from[:size] >= 0) | fresh
        here["untold"] = np.where(followed, sockets["drops"] - here["drops"], 0)  # modulo 2^32, as it is
        here["drops"] = sockets["drops"]
        for name, field in _QUEUES.items():
            here[name] = sockets[field]
        if hz:
            stamp_ns = snapshot.end_ns - (sockets["overflow_ticks"].astype(np.int64) - 1) * (_SECOND_NS // hz)
            here["overflow_ns"] = np.where(sockets["overflow_ticks"], stamp_ns, here["overflow_ns"])
        # A group of sockets on one port (SO_REUSEPORT) keeps the time elsewhere
        full = (sockets["overflow_ticks"] == 0) & (here["half_open"] >= np.maximum(here["accept_limit"], 1))
        here["overflow_ns"][full] = snapshot.end_ns

    def _limit(self, settings: Settings) -> None:
        """inet_csk_reqsk_queue_is_full(); without cookies tcp_conn_request() keeps a quarter of tcp_max_syn_backlog for
        peers it knows."""
        self.known["syn_limit"] = self.known["accept_limit"]
        for netns in wire.distinct(self.known["netns"]).tolist():
            sysctls = settings.get(netns, {})
            most = sysctls.get("net.ipv4.tcp_max_syn_backlog", "")
            if sysctls.get("net.ipv4.tcp_syncookies") == "0" and most.isdigit():
                here = self.known["netns"] == netns
                strangers = int(most) - (int(most) >> 2) + 1
                self.known["syn_limit"][here] = np.minimum(self.known["syn_limit"][here], strangers)

    def _share(self, snapshot: Snapshot, witnessed: Mapping[int, int], hooked: bool) -> tuple[np.ndarray, np.ndarray]:
        """What each listener gets, (n, KINDS), and as events what no hook told of. witnessed: see Accounts.read."""
        self.known["marks"] = self.known["refuses"] = 0
        told, before = self._by_listener(self._told), self._by_listener(self._named)
        shares = np.zeros_like(told)
        early = self._debit(self._told)
        gone = self._accounts.close(snapshot.namespaces)
        nobody_s = [_events(snapshot.end_ns, netns, held) for netns, held in gone.items()]
        for netns, account in self._accounts.read(snapshot.counts, witnessed).items():
            here = np.flatnonzero(self.known["netns"] == netns)
            suspects = self._suspects(here, (told + before)[here] > 0)
            shares[here], rest = share_out(account, suspects, hooked)
            self._mark(here, (shares + told)[here], account)
            nobody_s.append(_events(snapshot.end_ns, netns, rest))
        self._debit(early[early["time_ns"] > np.uint64(snapshot.end_ns)])
        busy = np.flatnonzero(shares.any(axis=1))
        named = [_events(snapshot.end_ns, int(one["netns"]), shares[i], one) for i, one in zip(busy, self.known[busy])]
        shares += told
        for name, kind in _TOTALS.items():
            self.known[name] += shares[:, kind]
        return shares, _joined([*named, *nobody_s])

    def _debit(self, told: np.ndarray) -> np.ndarray:
        """Takes what hooks told of off what will be told of. Returns those of namespaces that were not read yet: there
        only what follows the first reading counts."""
        known = self._accounts.known(told["netns"])
        self._accounts.debit(told["netns"][known], _kinds(told[known]))
        left: np.ndarray = told[~known]
        return left

    def _by_listener(self, told: np.ndarray) -> np.ndarray:
        """(n, KINDS) i8, how many cookies hooks told of at each listener."""
        counts = np.zeros((len(self.known), len(KINDS)), np.int64)
        kinds = _kinds(told)
        for kind in HOOKED:
            amounts = Counter(_keys(told[kinds == kind]))
            if amounts:
                counts[:, kind] = [amounts[key] for key in _keys(self.known)]
        return counts

    def _suspects(self, here: np.ndarray, named: np.ndarray) -> Suspects:
        one = self.known[here]
        overflowed = one["overflow_ns"] != 0
        return Suspects(
            dropped=one["untold"],
            full=one["accept_queue"] > one["accept_limit"],  # sk_acceptq_is_full()
            sends=overflowed & (one["overflow_ns"] >= self._begin_ns - _SECOND_NS),  # it is noted once a second at most
            sent=overflowed & (one["overflow_ns"] >= self._begin_ns - _COOKIE_NS),
            named=named,
        )

    def _mark(self, here: np.ndarray, shares: np.ndarray, account: Account) -> None:
        one = self.known[here]
        dropped, overflows = shares[:, DROP], shares[:, OVERFLOW]
        overflowing = account.new[OVERFLOW] > 0
        accepts_none = (overflows > 0) | (overflowing & (dropped > 0) & (one["accept_queue"] > one["accept_limit"]))
        alone = np.count_nonzero(dropped) == 1 and account.syn_drops > 0
        syns = (dropped > overflows) & (alone | (one["half_open"] >= one["syn_limit"]))
        refuses = accepts_none * np.uint8(ACCEPT_QUEUE_FULL) | syns * np.uint8(SYN_QUEUE_FULL)
        self.known["refuses"][here] = refuses
        self.known["marks"][here] = refuses | (shares[:, SENT] > 0) * np.uint8(SYN_QUEUE_FULL)

    def _remember(self, time_ns: int, shares: np.ndarray, told: np.ndarray, came_from: np.ndarray) -> None:
        came, again = self._births.take(self.known), self._synacks.take(self.known)
        first = self._end_ns == 0
        self.known["synack_retrans"] += 0 if first else again
        self.seconds = np.nan if first else (time_ns - self._end_ns) / _SECOND_NS
        self.points = points = np.empty(len(self.known), POINT)
        for name in _QUEUES:
            points[name] = np.where(self.known["missed"], np.nan, self.known[name])
        for name, kind in _SHARES.items():
            points[name] = np.where(told, shares[:, kind], np.nan)
        points["accepts"], points["synack_retrans"] = (np.nan, np.nan) if first else (came, again)
        self.backlog.add(time_ns, points, came_from)


def _listening(sockets: np.ndarray) -> np.ndarray:
    """In a lasting order, each once: an iterator may meet a socket twice."""
    found = sockets[(sockets["state"] == wire.LISTEN) & (sockets["sort"] == wire.FULL)]
    found = found[np.lexsort((found["cookie"], found["netns"]))]
    again = np.zeros(len(found), bool)
    again[1:] = (found["cookie"][1:] == found["cookie"][:-1]) & (found["netns"][1:] == found["netns"][:-1])
    distinct: np.ndarray = found[~again]
    return distinct


def _born(table: Table, sockets: np.ndarray) -> np.ndarray:
    """(n,) bool: which of them an event has told the birth of."""
    lines = table.index.find(sockets["cookie"].copy(), sockets["netns"].copy())
    first, entered_ns = (table.rows[name][lines, 0] for name in ("path_state", "path_ns"))
    born: np.ndarray = (lines >= 0) & (first == wire.LISTEN) & (entered_ns != 0)
    return born


def _witnessed(sockets: np.ndarray) -> dict[int, int]:
    """The drops of these listeners, by namespace."""
    namespaces, which = np.unique(sockets["netns"], return_inverse=True)
    drops = np.bincount(which, sockets["drops"], len(namespaces))
    return dict(zip(namespaces.tolist(), drops.astype(np.int64).tolist()))


def _kinds(told: np.ndarray) -> np.ndarray:
    """Positions in KINDS of events that hooks told of."""
    return told["kind"].astype(np.intp) - wire.COOKIE_SENT + SENT


def _keys(records: np.ndarray) -> list[tuple[int, int]]:
    return list(zip(records["netns"].tolist(), records["cookie"].tolist()))


def _events(time_ns: int, netns: int, amounts: np.ndarray, listener: np.void | None = None) -> np.ndarray:
    """One event for each kind there is something of. amounts: by KINDS."""
    some = np.flatnonzero(amounts)
    events = np.zeros(len(some), wire.EVENT)
    events["time_ns"], events["netns"] = time_ns, netns
    events["kind"], events["count"] = np.array(KINDS)[some], amounts[some]
    events["old_state"] = events["new_state"] = wire.LISTEN
    if listener is not None:
        for name in ("cookie", "laddr", "lport", "family"):
            events[name] = listener[name]
        wild = listener["laddr"].tobytes()
        events["raddr"] = np.frombuffer(wild[:12] + bytes(4), np.uint8) if listener["family"] == wire.INET else 0
    return events


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    return wire.joined([np.empty(0, wire.EVENT), *parts])
