"""Which connections does a session keep at all? Takes the events, sockets and descriptors of all others out of each
frame. Looks at nothing that changes in a connection's life, so that none is kept in part."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from tcpwatch import wire
from tcpwatch.errors import UsageError
from tcpwatch.filter import FIELDS, Filter, Names
from tcpwatch.frame import Frame, Host, Process, Snapshot
from tcpwatch.source import Source

_LONGEST_NS = 5_000_000_000  # by then a SYN was sent again, or a snapshot made: unless that was lost
_LASTING = ("laddr", "lport", "raddr", "rport", "family", "netns")


class Sieve:
    """Frame by frame, in order. delivered: (KINDS,) events kept so far, by kind. Raises UsageError where the filter
    looks at what a connection only shows later, or now and then."""

    def __init__(self, wanted: Filter) -> None:
        changing = wanted.fields.difference(_LASTING)
        if changing:
            named = {field.columns: field.name for field in reversed(FIELDS) if changing.issuperset(field.columns)}
            said = ", ".join(reversed(named.values()))
            raise UsageError(
                f"a connection is kept or left out for its whole life, in which this may change: {said}",
                "keep by src, dst, addr, sport, dport, port, family or netns, and filter what was kept by the rest",
            )
        self.delivered = np.zeros(len(wire.KINDS), np.int64)
        self._wanted = wanted
        self._names: dict[int, str] = {}
        self._host: tuple[Host, Host] | None = None
        self._arrived = np.zeros(len(wire.KINDS), np.int64)
        self._held = np.empty(0, wire.EVENT)
        # Cookies that were kept: those of the last snapshot, and of the events since the one before, as owners may be
        # asked for later than a snapshot was made. `_recent`: of the events since the last one
        self._cookies: list[np.ndarray] = []
        self._recent: list[np.ndarray] = []
        self._processes: dict[int, Process] = {}  # described, and nothing of theirs kept yet

    def keep(self, frame: Frame) -> Frame:
        """Its tally says of what was left out neither that it was seen nor that it was lost; a count of events lost
        stays, as nobody knows whose they were."""
        self._names |= dict(frame.namespaces)
        self._arrived += _by_kind(frame.events)
        snapshot, events = self._snapshot(frame.snapshot), self._events(frame)
        self.delivered += _by_kind(events)
        self._note_cookies(frame, snapshot, events)
        owners = frame.owners
        if owners is not None:
            owners = owners[np.isin(owners["cookie"], np.concatenate([np.empty(0, np.uint64), *self._cookies]))]
        tally = frame.tally.copy()
        seen = tally["seen"].astype(np.int64) - (self._arrived - self.delivered)
        tally["seen"] = np.maximum(seen, 0).astype(tally["seen"].dtype)
        return replace(
            frame,
            host=self._told(frame.host),
            events=events,
            snapshot=snapshot,
            owners=owners,
            processes=self._described(frame, events, owners),
            tally=tally,
        )

    def _told(self, host: Host) -> Host:
        """The same object for the same one: readers may ask whether it changed."""
        if self._host is None or self._host[0] is not host:
            own = self._wanted.expression
            self._host = host, replace(host, kept=f"( {host.kept} ) and ( {own} )" if host.kept else own)
        return self._host[1]

    def _snapshot(self, snapshot: Snapshot | None) -> Snapshot | None:
        if snapshot is None:
            return None
        return replace(snapshot, sockets=snapshot.sockets[self._mask(snapshot.sockets)])

    def _note_cookies(self, frame: Frame, snapshot: Snapshot | None, events: np.ndarray) -> None:
        if not any(probe.name == "task_file" and probe.attached for probe in frame.probes):
            return  # nobody says whose they are: then there may be no snapshot either, after which they are forgotten
        if snapshot is not None:
            self._cookies, self._recent = [*self._recent, snapshot.sockets["cookie"]], []
        if len(events):
            self._cookies.append(events["cookie"].copy())
            self._recent.append(self._cookies[-1])

    def _events(self, frame: Frame) -> np.ndarray:
        """Those to keep. connect() tells of itself before it has chosen a port: where the port counts, such an event
        waits for the first record of its socket that has it, or for the socket's end, or a while."""
        events = wire.joined([self._held, frame.events]) if len(self._held) else frame.events
        lport = events["lport"]
        waits = np.zeros(len(events), bool)
        if "lport" in self._wanted.fields and not lport.all():
            lport, known = _filled(events, frame.snapshot)
            waits = ~known & (events["cookie"] != 0) & ~np.bool_(frame.final)
            waits &= events["time_ns"].astype(np.int64) + _LONGEST_NS > frame.end_ns
        self._held = events[waits]
        kept: np.ndarray = events[self._mask({name: events[name] for name in _LASTING} | {"lport": lport}) & ~waits]
        return kept

    def _mask(self, columns: np.ndarray | Mapping[str, np.ndarray]) -> np.ndarray:
        return self._wanted.mask(columns, Names(namespaces=self._names))

    def _described(self, frame: Frame, events: np.ndarray, owners: np.ndarray | None) -> tuple[Process, ...]:
        """Processes as soon as something of theirs is kept."""
        self._processes |= {process.pid: process for process in frame.processes}
        concerned = set(wire.distinct(events["pid"]).tolist())
        if owners is not None and frame.owners is not None:
            concerned |= set(wire.distinct(owners["pid"]).tolist())
            present = set(wire.distinct(frame.owners["pid"]).tolist())
            self._processes = {pid: one for pid, one in self._processes.items() if pid in present | concerned}
        return tuple(self._processes.pop(pid) for pid in sorted(concerned & self._processes.keys()))


class Sieved:
    """A source without what the sieve leaves out."""

    def __init__(self, source: Source, sieve: Sieve) -> None:
        self._source, self._sieve = source, sieve

    def frames(self) -> Iterator[Frame]:
        return map(self._sieve.keep, self._source.frames())

    def stop(self) -> None:
        self._source.stop()

    def close(self) -> None:
        self._source.close()


def _by_kind(events: np.ndarray) -> np.ndarray:
    return np.bincount(events["kind"], minlength=len(wire.KINDS))


def _filled(events: np.ndarray, snapshot: Snapshot | None) -> tuple[np.ndarray, np.ndarray]:
    """(events,) their local ports, and (events,) bool: whether that is the last word. For 0 the port of the socket's
    next record that has one, of which a snapshot's is the last; a socket that closed without one will get none."""
    parts = [events] if snapshot is None else [events, snapshot.sockets]
    cookies, ports = (np.concatenate([part[name] for part in parts]) for name in ("cookie", "lport"))
    tells = ports != 0
    tells[: len(events)] |= (events["kind"] == wire.STATE) & (events["new_state"] == wire.CLOSE)
    order = np.argsort(cookies, kind="stable")
    places = np.where(tells[order], np.arange(len(order)), len(order) - 1)
    following = order[
        np.minimum.accumulate(places[::-1])[::-1]
    ]  # by place in the order: the next that tells, or the last
    known, filled = np.empty(len(order), bool), np.empty(len(order), ports.dtype)
    # cookie 0 is no socket: what follows is somebody else's
    known[order] = (cookies[following] == cookies[order]) & (cookies[order] != 0) & tells[following]
    filled[order] = ports[following]
    return np.where(known, filled, ports)[: len(events)], known[: len(events)]
