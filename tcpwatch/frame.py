"""A frame: one tick's worth of facts, columnar. Sources yield frames, the tracker folds them, a recording is nothing
else. Knows nothing of where a frame came from or who reads it."""

from dataclasses import dataclass, field

import numpy as np

from tcpwatch import wire
from tcpwatch.counters import COUNTS
from tcpwatch.probe import FUNCTIONS as FUNCTIONS
from tcpwatch.probe import Probe as Probe


@dataclass(frozen=True, slots=True)
class Host:
    """What is true of the machine, but for its wall clock for a whole session."""

    name: str
    kernel: str  # uname -r
    boot_id: str
    hz: int  # jiffies per second; 0: unknown
    netns: int  # inode of the namespace the observer lives in
    realtime_offset_ns: int  # Unix time = CLOCK_MONOTONIC + this
    reset_reasons: tuple[str, ...] = ()  # enum sk_rst_reason of that kernel, by number, without the prefix
    kept: str = ""  # the filter by which connections were kept, others are not in the session; "": all were


@dataclass(frozen=True, slots=True)
class Process:
    """A process that owns sockets, as /proc described it when it was first seen."""

    pid: int
    start_ns: int
    comm: str
    command: str  # the command line, arguments joined by spaces; "" where unreadable
    cgroup: str  # cgroup v2 path; "" where unknown


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Every TCP socket, read between two moments (not atomically)."""

    begin_ns: int  # CLOCK_MONOTONIC
    end_ns: int
    sockets: np.ndarray  # wire.SOCKET
    namespaces: frozenset[int]  # the ones that were read; sockets of others are absent, not gone
    counts: np.ndarray = field(default_factory=lambda: np.empty(0, COUNTS))  # per namespace with sockets, or new


@dataclass(frozen=True, slots=True)
class Frame:
    """begin_ns, end_ns: CLOCK_MONOTONIC. events: wire.EVENT in the order the ring gave them. tally: (KINDS,) of
    wire.TALLY, cumulative since the start, summed over the CPUs."""

    begin_ns: int
    end_ns: int
    host: Host
    events: np.ndarray = field(default_factory=lambda: np.empty(0, wire.EVENT))
    snapshot: Snapshot | None = None
    owners: np.ndarray | None = None  # wire.OWNER, every open descriptor of a TCP socket; None: not asked
    processes: tuple[Process, ...] = ()  # newly seen ones
    cgroups: tuple[tuple[int, str], ...] = ()  # newly seen: (inode number, path)
    namespaces: tuple[tuple[int, str], ...] = ()  # newly seen or renamed: (inode number, name as `ip netns` knows it)
    settings: tuple[tuple[int, tuple[tuple[str, str], ...]], ...] = ()  # newly read or changed: (inode number, sysctls)
    tally: np.ndarray = field(default_factory=lambda: np.zeros(len(wire.KINDS), wire.TALLY))
    probes: tuple[Probe, ...] = ()
    final: bool = False  # the session ends with it: nothing more will come that could complete a story
    shows_time_wait: bool = True  # whether snapshots hold TIME_WAIT sockets
    ring_fill: float = 0.0  # 0..1, how full the ring was before this frame was drained
    # It sums up what precedes it and is not in this stream: names, processes, and a tally whose losses are not ours
    joins: bool = False
