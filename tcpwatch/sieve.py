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

_LASTING = ("laddr", "lport", "raddr", "rport", "family", "netns")


class Sieve:
    """Frame by frame, in order. delivered: (KINDS,) events kept so far, by kind. Raises UsageError where the filter
    looks at what a connection only shows later, or now and then."""

    def __init__(self, wanted: Filter) -> None:
        changing = wanted.fields.difference(_LASTING)
        if changing:
            named = dict.fromkeys(field.name for field in FIELDS if changing.issuperset(field.columns))
            raise UsageError(
                f"a connection is kept or left out for its whole life, in which this may change: {', '.join(named)}",
                "keep by src, dst, addr, sport, dport, port, family or netns, and filter what was kept by the rest",
            )
        self.delivered = np.zeros(len(wire.KINDS), np.int64)
        self._wanted = wanted
        self._names: dict[int, str] = {}
        self._host: tuple[Host, Host] | None = None
        self._arrived = np.zeros(len(wire.KINDS), np.int64)
        self._held = np.empty(0, wire.EVENT)
        self._cookies = np.empty(0, np.uint64)  # of the last snapshot's sockets that were kept, and of events since
        self._processes: dict[int, Process] = {}  # described, and nothing of theirs kept yet

    def keep(self, frame: Frame) -> Frame:
        """Its tally says of what was left out neither that it was seen nor that it was lost; a count of events lost
        stays, as nobody knows whose they were."""
        self._names |= dict(frame.namespaces)
        self._arrived += _by_kind(frame.events)
        snapshot, cookies = self._snapshot(frame.snapshot), self._cookies
        events = self._events(frame)
        self.delivered += _by_kind(events)
        if snapshot is not None:
            cookies = snapshot.sockets["cookie"]
        self._cookies = wire.distinct(np.concatenate([cookies, events["cookie"]]))
        owners = frame.owners
        if owners is not None:
            owners = owners[np.isin(owners["cookie"], self._cookies)]
        tally = frame.tally.copy()
        tally["seen"] = (tally["seen"].astype(np.int64) - (self._arrived - self.delivered)).astype(tally["seen"].dtype)
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

    def _events(self, frame: Frame) -> np.ndarray:
        """Those to keep. connect() tells of itself before it has chosen a port: where the port counts, such an event
        waits for the first record of its socket that has it."""
        events = wire.joined([self._held, frame.events]) if len(self._held) else frame.events
        lport = events["lport"]
        waits = np.zeros(len(events), bool)
        if "lport" in self._wanted.fields and not lport.all():
            lport = _filled(events, frame.snapshot)
            waits = (lport == 0) & (events["cookie"] != 0) & ~np.bool_(frame.final)
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


def _filled(events: np.ndarray, snapshot: Snapshot | None) -> np.ndarray:
    """(events,) their local ports; 0 as that of the next record of the socket that has one, which a snapshot comes last
    for, or 0 still where there is none."""
    parts = [events] if snapshot is None else [events, snapshot.sockets]
    cookies, ports = (np.concatenate([part[name] for part in parts]) for name in ("cookie", "lport"))
    order = np.argsort(cookies, kind="stable")
    cookies, ports = cookies[order], ports[order]
    last = len(order) - 1
    places = np.where(ports != 0, np.arange(len(order)), last)
    following = np.minimum.accumulate(places[::-1])[::-1]
    filled = np.empty(len(order), ports.dtype)
    filled[order] = np.where(cookies[following] == cookies, ports[following], 0)
    return filled[: len(events)]
