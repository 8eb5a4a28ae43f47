"""What faces read: immutable, made once per tick off the UI's thread. Times are Unix nanoseconds unless a name says
otherwise; a view never changes after it was made."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tcpwatch.frame import Host, Probe, Process, Snapshot

PULSE_SECONDS = 60

Key = tuple[int, int]  # (netns, cookie)


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
    samples: np.ndarray  # rows.SAMPLE, oldest first, time_ns Unix
    events: np.ndarray  # wire.EVENT, oldest first (times CLOCK_MONOTONIC)
    process: Process | None


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
