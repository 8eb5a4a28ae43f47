"""A machine full of sockets that live at random, watched as the live kernel is: events go into a ring that may be full,
snapshots are read one socket after the other while life goes on, and the ring is drained after them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

import numpy as np

from tcpwatch import wire
from tcpwatch.frame import Frame, Host, Snapshot
from tcpwatch.tracker.events import COUNTERS

from .lives import Moment, Socket, any_life

HOST = Host("here", "6.18", "boot", 1000, 1, 1_700_000_000_000_000_000)
SECOND_NS = 1_000_000_000


@dataclass(frozen=True)
class Weather:
    """What the property varies. Chances are per event, per socket or per frame."""

    seed: int
    sockets: int
    frames: int
    loss: float = 0.0
    skips: float = 0.0
    snapshots: float = 0.5
    owners: float = 0.3
    pauses: float = 0.05
    shows_time_wait: bool = True
    third_namespace: bool = True


class Machine:
    def __init__(self, weather: Weather) -> None:
        self.weather = weather
        self.chance = Random(weather.seed)
        self.now_ns = 1000 * SECOND_NS
        self.sockets: list[Socket] = []
        self.ring: list[np.ndarray] = []
        self.tally = np.zeros(len(wire.KINDS), wire.TALLY)
        self.unborn = weather.sockets

    def frames(self) -> Iterator[Frame]:
        for _ in range(self.weather.frames):
            yield from self._tick()

    def _tick(self) -> Iterator[Frame]:
        begin_ns = self._pass()
        self._live(self.chance.randrange(30))
        if self.chance.random() < self.weather.pauses:
            self.now_ns += self.chance.choice((1, 3, 70, 200)) * SECOND_NS
        snapshot = self._snapshot() if self.chance.random() < self.weather.snapshots else None
        owners = self._owners() if self.chance.random() < self.weather.owners else None
        self._live(self.chance.randrange(5))
        events = np.concatenate([np.empty(0, wire.EVENT), *self.ring])
        self.ring = []
        cuts = sorted(self.chance.randrange(len(events) + 1) for _ in range(self.chance.randrange(3)))
        for first, last in zip([0, *cuts], [*cuts, len(events)]):
            final = last == len(events)
            yield Frame(
                begin_ns,
                self._pass(),
                HOST,
                events[first:last],
                snapshot if final else None,
                owners if final else None,
                tally=self.tally.copy(),
                shows_time_wait=self.weather.shows_time_wait,
            )
            if final:
                return

    def _pass(self) -> int:
        self.now_ns += self.chance.randrange(1, SECOND_NS // 20)
        return self.now_ns

    def _live(self, moments: int) -> None:
        for _ in range(moments):
            if self.unborn and self.chance.random() < 0.4:
                self.unborn -= 1
                self.sockets.append(self._born())
            if self.sockets:
                self._advance(self.chance.choice(self.sockets))

    def _born(self) -> Socket:
        """Few ports, so that tuples are used again; and cookies that repeat, in other namespaces."""
        netns = self.chance.choice((1, 2, 3) if self.weather.third_namespace else (1, 2))
        number = self.weather.sockets - self.unborn
        cookie = number if netns == 1 else 1 + number // 2 + (netns - 2) * self.weather.sockets
        taken = {(one.netns, one.cookie) for one in self.sockets}
        while (netns, cookie) in taken:
            cookie += 1000
        local, remote = ([0] * 10 + [255, 255, 10, 0, 0, self.chance.randrange(1, 3)] for _ in range(2))
        ends = {
            "laddr": local,
            "raddr": remote,
            "lport": self.chance.choice((80, 443, 5000)),
            "rport": self.chance.choice((80, 6000)),
            "family": wire.INET,
        }
        pid = self.chance.randrange(1, 6)
        return Socket(cookie, netns, ends, any_life(self.chance), pid, b"p%d" % pid)

    def _advance(self, socket: Socket) -> None:
        if not socket.moments:
            return  # stays in the list: its cookie is not given again
        moment = socket.moments.pop(0)
        self.now_ns += self.chance.randrange(1, SECOND_NS // 50)
        if (wire.REQUEST, wire.SYN_RECV) in moment.after and not socket.since_ns:
            socket.since_ns = self.now_ns
        for name in COUNTERS:
            socket.counters[name] = socket.counters.get(name, 0) + self.chance.randrange(3)
        if moment.event is not None:
            self._report(socket, moment)
        socket.visible = moment.after

    def _report(self, socket: Socket, moment: Moment) -> None:
        assert moment.event is not None
        kind = moment.event["kind"]
        self.tally["seen"][kind] += 1
        if self.chance.random() < self.weather.loss:
            self.tally["lost"][kind] += 1
            return
        event = np.zeros(1, wire.EVENT)
        filled = {"time_ns": self.now_ns, "cookie": socket.cookie, "netns": socket.netns, "count": 1, **socket.ends}
        if moment.event["flags"] & wire.EVENT_SOCKET:
            filled |= socket.counters
        if kind == wire.SYNACK_RETRANSMIT:
            filled["since_ns"] = socket.since_ns
        if moment.acts:
            filled |= {"pid": socket.pid, "comm": socket.comm}
        for name, value in (filled | moment.event).items():
            event[name] = value
        self.ring.append(event)

    def _snapshot(self) -> Snapshot:
        begin_ns = self._pass()
        read = {1, 2} | ({3} if self.chance.random() < 0.3 else set())
        found = [np.empty(0, wire.SOCKET)]
        for socket in self.chance.sample(self.sockets, len(self.sockets)):
            if self.chance.random() < 0.1:
                self._live(1)
            if socket.netns in read and self.chance.random() >= self.weather.skips:
                found += [self._seen(socket, sort, state) for sort, state in socket.visible]
        return Snapshot(begin_ns, self._pass(), np.concatenate(found), frozenset(read))

    def _seen(self, socket: Socket, sort: int, state: int) -> np.ndarray:
        row = np.zeros(1, wire.SOCKET)
        filled = {"cookie": socket.cookie, "netns": socket.netns, "sort": sort, "state": state, **socket.ends}
        if sort == wire.FULL and state != wire.LISTEN:
            filled |= {**socket.counters, "cgroup": 77, "options": self.chance.choice((0, wire.FIN_RECEIVED))}
        if sort == wire.REQUEST:
            filled["since_ns"] = socket.since_ns
        for name, value in filled.items():
            row[name] = value
        return row

    def _owners(self) -> np.ndarray:
        found = []
        for socket in self.sockets:
            for _ in range(self.chance.choice((1, 1, 2)) if socket.held() else 0):
                owner = np.zeros(1, wire.OWNER)
                pid = self.chance.choice((socket.pid, 6))
                owner["cookie"], owner["netns"], owner["pid"], owner["comm"] = (
                    socket.cookie,
                    socket.netns,
                    pid,
                    b"p%d" % pid,
                )
                owner["start_ns"] = pid * 1000  # youngest: the highest pid
                found.append(owner)
        self.chance.shuffle(found)
        return np.concatenate([np.empty(0, wire.OWNER), *found])
