"""What a machine's own names and numbers mean: who listens where, which ports are ephemeral, what namespaces and
cgroups are called. Learnt from the stream; knows nothing of metrics."""

from collections.abc import Mapping

import numpy as np

from tcpwatch import wire
from tcpwatch.frame import Frame
from tcpwatch.metrics.names import cgroup_label, label
from tcpwatch.rows import CLOSED
from tcpwatch.tracker.step import Step

_PORTS = 1 << 16
_RANGE = (32768, 60999)  # net.ipv4.ip_local_port_range as it is by default
_PIDS = 1 << 22  # PID_MAX_LIMIT; untouched pages of so long an array take no room
_PATHS = 1 << 15  # of processes' cgroups to remember
_RANGES = 64  # different ones to know
_MAPPED = np.frombuffer(bytes(10) + b"\xff\xff", np.uint8)

Listener = tuple[str, str]  # comm, cgroup


class Places:
    """changed: what was said before may be wrong from now on, so whoever kept an answer has to ask again."""

    def __init__(self) -> None:
        self.changed = False
        self._namespaces: Mapping[int, str] = {}
        self._cgroups: Mapping[int, str] = {}
        self._ranges: dict[int, tuple[int, int]] = {}  # of namespaces where it is not _RANGE
        self._listeners: dict[tuple[int, int], dict[str, Listener]] = {}  # (netns, port) -> family -> what there is
        self._raw: tuple[bytes, ...] = ()  # what _listeners was made of
        self._listened = np.zeros(_PORTS, bool)
        self._special = np.empty(0, np.uint32)  # namespaces in order, and which of the tables is theirs
        self._table_of = np.empty(0, np.intp)
        self._ephemeral = np.zeros((1, _PORTS), bool)
        self._group_of = np.zeros(_PIDS, np.uint16)  # by pid: 1 + which of _processes
        self._processes: list[tuple[str, str]] = []  # (comm, cgroup's path)
        self._known: dict[tuple[str, str], int] = {}
        self._draw_ports()

    def follow(self, step: Step) -> None:
        frame = step.frame
        self._namespaces, self._cgroups = step.namespaces, step.cgroups
        self.changed |= bool(frame.namespaces or frame.cgroups)
        if frame.cgroups:
            self._raw = ()
        self._note_processes(frame)
        if frame.settings:
            self._note_settings(frame)
        if frame.snapshot is not None:
            gone = self._ranges.keys() - frame.snapshot.namespaces
            for netns in gone:
                del self._ranges[netns]
            if gone:
                self._draw_ports()
        if frame.snapshot is not None or (step.new_states == wire.LISTEN).any():
            self._note_listeners(step.table)

    def ephemeral(self, netns: np.ndarray, port: np.ndarray) -> np.ndarray:
        """(n,) bool: the kernel chooses such ports, and nobody on this machine listens on that one."""
        if not len(self._special):
            return self._ephemeral[0][port]
        at = np.minimum(np.searchsorted(self._special, netns), len(self._special) - 1)
        which = np.where(self._special[at] == netns, self._table_of[at], 0)
        found: np.ndarray = self._ephemeral[which, port]
        return found

    def listened(self, port: np.ndarray) -> np.ndarray:
        """(n,) bool: somebody on this machine listens on it."""
        found: np.ndarray = self._listened[port]
        return found

    def groups_of(self, pids: np.ndarray) -> np.ndarray:
        """(n,) u8: which process, for process_cgroup(); 0 = unknown."""
        found: np.ndarray = self._group_of[np.where(pids < _PIDS, pids, 0)].astype(np.uint64)
        return found

    def process_cgroup(self, which: int, comm: str) -> str:
        """ "" where the pid has gone over to another program."""
        known_comm, path = self._processes[which - 1]
        return cgroup_label(path) if known_comm == comm else ""

    def namespace(self, netns: int) -> str:
        """Its name as `ip netns` knows it, else its inode number."""
        return label(self._namespaces.get(netns) or str(netns))

    def cgroup(self, inode: int) -> str:
        return cgroup_label(self._cgroups.get(inode, ""))

    def listener(self, netns: int, port: int, family: str) -> tuple[str, str, str] | None:
        """(family, comm, cgroup) of who listens there, "" for what is unknown or differs; None: nobody does."""
        found = self._listeners.get((netns, port))
        if not found:
            return None
        family = family if family in found else next(iter(found))
        return (family, *found[family])

    def _note_processes(self, frame: Frame) -> None:
        for process in frame.processes:
            if len(self._known) >= _PATHS:
                self._known.clear()
                self._processes.clear()
                self._group_of = np.zeros(_PIDS, np.uint16)
                self.changed = True
            key = label(process.comm), process.cgroup
            if key not in self._known:
                self._processes.append(key)
                self._known[key] = len(self._processes)
            if 0 < process.pid < _PIDS:
                self._group_of[process.pid] = self._known[key] if process.cgroup else 0

    def _note_settings(self, frame: Frame) -> None:
        for netns, values in frame.settings:
            words = dict(values).get("net.ipv4.ip_local_port_range", "").split()
            known = len(words) == 2 and all(word.isascii() and word.isdecimal() and len(word) < 6 for word in words)
            low, high = (min(int(word), _PORTS) for word in words) if known else _RANGE
            self._ranges.pop(netns, None)
            if (low, high) != _RANGE and len(set(self._ranges.values())) < _RANGES:
                self._ranges[netns] = low, high
        self._draw_ports()

    def _note_listeners(self, table: np.ndarray) -> None:
        """table: rows.ROW."""
        lines = np.flatnonzero(table["state"] == wire.LISTEN)
        rows = table[lines]
        rows = rows[(rows["flags"] & CLOSED == 0) & (rows["cookie"] != 0)]
        raw = tuple(rows[name].tobytes() for name in ("netns", "lport", "laddr", "comm", "cgroup"))
        if raw == self._raw:
            return
        self._raw = raw
        four = (rows["laddr"][:, :12] == _MAPPED).all(axis=1)
        families = np.where(four, "ipv4", "ipv6").tolist()
        self._listeners = {}
        facts = zip(*(rows[name].tolist() for name in ("netns", "lport", "comm", "cgroup")), families)
        for netns, port, comm, inode, family in facts:
            here = self._listeners.setdefault((netns, port), {})
            one = label(comm), self.cgroup(inode)
            before = here.get(family, one)
            here[family] = one[0] if before[0] == one[0] else "", one[1] if before[1] == one[1] else ""
        self._listened = np.zeros(_PORTS, bool)
        self._listened[rows["lport"]] = True
        self._draw_ports()

    def _draw_ports(self) -> None:
        ranges = [_RANGE, *sorted(set(self._ranges.values()))]
        self._ephemeral = np.zeros((len(ranges), _PORTS), bool)
        for table, (low, high) in zip(self._ephemeral, ranges):
            table[low : high + 1] = True
        self._ephemeral &= ~self._listened
        self._special = np.array(sorted(self._ranges), np.uint32)
        self._table_of = np.array([ranges.index(self._ranges[netns]) for netns in sorted(self._ranges)], np.intp)
        self.changed = True
