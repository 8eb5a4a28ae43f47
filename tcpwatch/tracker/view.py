"""What faces read: immutable, made once per tick off the UI's thread. Times are Unix nanoseconds unless a name says
otherwise; a view never changes after it was made."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from tcpwatch.frame import Host, Probe, Process, Snapshot
from tcpwatch.health import Finding
from tcpwatch.rows import IDLE, LISTENER, POINT, PORTS
from tcpwatch.verdicts import Explanation

PULSE_SECONDS = 60


class Key(NamedTuple):
    """A socket, or one of its lives: that which it led at a moment (CLOCK_MONOTONIC); None: the newest."""

    netns: int
    cookie: int
    moment_ns: int | None = None

    def among(self, begins: np.ndarray) -> int | None:
        """begins: (n,) when each life of that socket began, CLOCK_MONOTONIC, oldest first; 0 for the first, to which
        all that was before belongs, too. Which of them is meant; None if it is not among them."""
        moment_ns = np.iinfo(np.uint64).max if self.moment_ns is None else self.moment_ns
        begun = np.flatnonzero(begins <= np.uint64(moment_ns))
        return int(begun[-1]) if len(begun) else None


@dataclass(frozen=True, slots=True)
class Pulse:
    """What happened in each of the last PULSE_SECONDS whole seconds, oldest first; NaN before the session began."""

    opened: np.ndarray  # (PULSE_SECONDS,) float, connections per second
    closed: np.ndarray
    retransmits: np.ndarray  # segments
    segments_out: np.ndarray  # of all connections, as they grew: the denominator of a retransmit ratio
    resets: np.ndarray  # sent and received


@dataclass(frozen=True, slots=True)
class Focus:
    """Everything about the one connection a face asked for."""

    key: Key
    row: np.void  # rows.ROW
    socket: np.void | None  # wire.SOCKET of the newest snapshot; None where it has none (ended, or not seen yet)
    path: tuple[tuple[str, int | None, int | None], ...]  # (state, entered Unix ns, how long in us), None = unknown
    # of all the socket's lives if the key names none
    samples: np.ndarray  # rows.SAMPLE, oldest first, time_ns Unix
    events: np.ndarray  # wire.EVENT, oldest first (times CLOCK_MONOTONIC)
    process: Process | None
    explanation: Explanation | None = None  # of its verdict


@dataclass(frozen=True, slots=True)
class Listening:
    """rows: (n,) rows.LISTENER, by their place among the connections. times_ns: (p,) u8, Unix, oldest first; points:
    (n, p) rows.POINT, one for each of these times."""

    rows: np.ndarray
    times_ns: np.ndarray
    points: np.ndarray

    def of(self, at: int) -> int | None:
        """Which of them is the connection at this place."""
        found = int(np.searchsorted(self.rows["at"], at))
        return found if found < len(self.rows) and self.rows["at"][found] == at else None


NOBODY = Listening(np.empty(0, LISTENER), np.empty(0, np.uint64), np.empty((0, 0), POINT))


@dataclass(frozen=True, slots=True)
class View:
    time_ns: int  # the newest fact's Unix time
    started_ns: int  # when the session's first frame began
    host: Host
    connections: np.ndarray  # rows.CONNECTION, live ones, listeners and lately closed ones (flags & CLOSED)
    states: np.ndarray  # (13,) live sockets by kernel state number
    pulse: Pulse
    events: np.ndarray  # wire.EVENT, the newest ones, oldest first
    event_pids: np.ndarray  # u4, per event: who (0 unknown), joined with the connection's owner
    event_comms: np.ndarray  # S16, likewise
    events_total: int  # how many there have been in all
    tally: np.ndarray  # (KINDS,) wire.TALLY
    probes: tuple[Probe, ...]
    cgroups: Mapping[int, str]
    namespaces: Mapping[int, str]
    processes: Mapping[int, Process]  # by pid
    focus: Focus | None
    snapshot: Snapshot | None = None  # the newest one; not a copy
    settings: Mapping[int, Mapping[str, str]] = field(default_factory=dict)  # sysctls by namespace
    listening: Listening = NOBODY
    ports: np.ndarray = field(default_factory=lambda: np.empty(0, PORTS))
    port_of: np.ndarray = field(default_factory=lambda: np.empty(0, np.int32))  # per connection its line there, or -1
    idle: np.ndarray = field(default_factory=lambda: np.empty(0, IDLE))  # in the connections' order
    findings: tuple[Finding, ...] = ()  # the most harmful first
    nat_timeout_s: float = 0.0  # after how much silence a NAT forgets a connection, for `idle`; 0: never
