"""The live kernel as a source of frames: on each tick it drains the ring, and when somebody could gain from it, takes a
snapshot of all sockets and asks who owns them. Knows when to look; what the facts mean is the tracker's business."""

import os
import socket
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial

import numpy as np

from tcpwatch import wire
from tcpwatch.counters import COUNTS
from tcpwatch.frame import Frame, Host, Process, Snapshot
from tcpwatch.kernel import counters, memory, namespaces, privileges, processes
from tcpwatch.kernel.cgroups import Cgroups
from tcpwatch.kernel.iterators import read_all
from tcpwatch.kernel.libbpf import open_iterator
from tcpwatch.kernel.pace import Pace as Pace
from tcpwatch.kernel.pace import Timer as Timer
from tcpwatch.kernel.programs import Knobs, Programs, jiffies_per_second
from tcpwatch.kernel.rings import Mark, Rings
from tcpwatch.kernel.settings import Settings

DRAIN_LIMIT = 1 << 17  # records per frame: bounds a frame's memory (22 MB) and the time until the next look
# Of the thread that drains. The ring fills while it waits for a CPU: on a machine whose cores are all busy a fair share
# is not enough, and what is lost then is just what somebody wants to see.
_PRIORITY = -10
_CLOCK_STEP_NS = 10_000_000  # what the wall clock may drift before times are told by its new reading
_REFRESH_OWNERS_S = 10.0
_RELOOK_S = 5.0  # how often /proc is searched for namespaces that appeared without an event of their own


class KernelSource:
    """Owns the attached programs. Iterate frames() on one thread; stop() from any."""

    def __init__(
        self,
        ring_bytes: int,
        knobs: Knobs,
        pace: Pace,
        known: Mapping[int, namespaces.Place] | None = None,
        spare: Iterable[str] | None = None,
        loader: str = "auto",
        programs: Programs | None = None,
    ) -> None:
        """Attach. known: namespaces that no search may find, by inode number. spare: capabilities that the thread of
        frames() keeps beside those it needs; None: all. loader: as Programs has it. programs: such as were attached
        already, with these knobs; they are this source's from now on. Raises what Programs raises."""
        memory.settle()
        self.programs = programs or Programs(ring_bytes, knobs, loader)
        try:
            self._rings = Rings(self.programs.rings, self.programs.ring_size)
        except BaseException:
            self.programs.close()
            raise
        self._known_places = dict(known or {})
        self.delivered = np.zeros(len(wire.KINDS), np.int64)  # records taken out of the ring, by kind
        self.tally_before = np.zeros(len(wire.KINDS), wire.TALLY)  # nothing was counted before it was attached
        self._fill = 0.0
        self._early: list[np.ndarray] = []  # drained while a snapshot of many namespaces took its time
        self._pace = pace
        self._knobs = knobs
        self._spare = spare
        self._stopped = False
        self.host = _host(self.programs.reset_reasons)
        self._places: dict[int, namespaces.Place] = {}
        self._naming_mark: tuple[int, ...] = ()
        self._names: dict[int, str] = {}
        self._counted: set[int] = set()  # the namespaces whose counters were read at least once
        self._settings = Settings()
        self._cgroups = Cgroups()
        self._known_cgroups: set[int] = set()
        self._known_processes: set[tuple[int, int, bytes]] = set()
        self._relook_at = 0.0
        self._expected_sockets = self._expected_owners = 0
        self._snapshot_timer = Timer(pace.snapshot, pace.share)
        self._owners_timer = Timer(pace.owners, pace.share)
        self._unowned = True
        self._asked = np.empty(0, np.uint64)  # cookies whose owners were looked for
        self._refresh_owners_at = 0.0

    def stop(self) -> None:
        self._stopped = True

    @property
    def takes_snapshots(self) -> bool:
        return self.programs.link("each_tcp") is not None

    def close(self) -> None:
        try:
            self._rings.close()
        finally:
            self.programs.close()

    def frames(self) -> Iterator[Frame]:
        """One frame a tick, at once while the ring holds more than one frame may carry. The first has a snapshot."""
        with suppress(OSError):  # without CAP_SYS_NICE it stays as it is
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _PRIORITY)
        if self._spare is not None:
            abroad = self._knobs.want_netns != self.host.netns
            privileges.keep_only({*privileges.needed_later(abroad, self._ask), *self._spare})
        self._look_for_namespaces(time.monotonic())
        held: Snapshot | None = None
        mark: Mark = ()
        while not self._stopped:
            begin_ns = time.monotonic_ns()
            if held is None:
                held, mark = self._snapshot(), self._rings.produced()
            owners = self._owners()
            events = self._drain()
            # A snapshot travels with the last of the events that precede it, so it may be newer than what was told
            # before, never older. A record still being written (its CPU may be elsewhere for a while) holds it up.
            snapshot, held = (held, None) if self._rings.is_past(mark) else (None, held)
            frame = self._frame(begin_ns, events, owners, snapshot)
            yield frame
            if not self._rings.more:
                self._rings.wait(self._pace.tick - (time.monotonic_ns() - begin_ns) / 1e9)
        yield from self._rest()

    def _ask(self) -> None:
        """What takes a system call of BPF's, as frame after frame does."""
        self.programs.tally()
        for link in filter(None, map(self.programs.link, ("each_tcp", "each_task_file"))):
            os.close(open_iterator(link))

    def _rest(self) -> Iterator[Frame]:
        """What was still under way: nothing that was seen goes untold."""
        self.programs.fall_silent()
        self._unowned, self._owners_timer = True, Timer(0, 1)
        while True:
            begin_ns = time.monotonic_ns()
            frame = self._frame(begin_ns, self._drain(), self._owners(), None)
            final = not self._rings.fill()
            yield replace(frame, final=final)
            if final:
                return
            self._rings.wait(0.001)

    def _drain(self) -> np.ndarray:
        self._fill = self._rings.fill()
        events = self._rings.drain(DRAIN_LIMIT, time.monotonic_ns())
        if self._early:
            events = wire.joined([*self._early, events])
            self._early.clear()
        self.delivered += np.bincount(events["kind"], minlength=len(wire.KINDS))
        return events

    def _frame(self, begin_ns: int, events: np.ndarray, owners: np.ndarray | None, snapshot: Snapshot | None) -> Frame:
        self._note_unowned(events, snapshot)
        self._note_names(events)
        return Frame(
            begin_ns=begin_ns,
            end_ns=time.monotonic_ns(),
            host=self.host,
            events=events,
            snapshot=snapshot,
            owners=owners,
            processes=self._new_processes(owners),
            cgroups=self._new_cgroups(snapshot),
            namespaces=self._new_names(),
            settings=self._settings.take(),
            tally=self.programs.tally(),
            probes=self.programs.probes,
            shows_time_wait=bool(self._knobs.want_time_wait) and self.programs.sees_time_wait,
            ring_fill=self._fill,
        )

    def _snapshot(self) -> Snapshot | None:
        link = self.programs.link("each_tcp")
        begin = time.monotonic()
        if link is None or not self._snapshot_timer.due(begin):
            return None
        return namespaces.apart(partial(self._sockets, link, begin))

    def _sockets(self, link: int, begin: float) -> Snapshot | None:
        """Of all namespaces, entering one after the other."""
        begin_cpu = time.thread_time()
        self._look_for_namespaces(begin)
        begin_ns = time.monotonic_ns()
        parts, counts, seen = [], [], set()
        for inode, place in self._places.items():
            if self._stopped:
                return None
            if self._rings.fill() > 0.5:
                self._early.append(self._rings.drain(DRAIN_LIMIT, time.monotonic_ns()))
            try:
                with namespaces.entered(place):
                    populated = namespaces.has_tcp_sockets()
                    if populated:
                        parts.append(read_all(link, wire.SOCKET, self._expected_sockets // len(self._places)))
                    if populated or inode not in self._counted:  # before its first socket: that shall be counted, too
                        counts.append(counters.read(inode))
                    if populated:
                        self._settings.look(inode, begin)
                seen.add(inode)
                self._counted.add(inode)
            except OSError:  # gone, or not ours to enter: its sockets stay unknown, and the frame says which were read
                continue
        self._settings.forget_all_but(seen)
        self._counted &= seen
        sockets = wire.joined(parts) if parts else np.empty(0, wire.SOCKET)
        self._expected_sockets = len(sockets)
        self._snapshot_timer.ran(begin, time.thread_time() - begin_cpu)
        self._look_at_the_clock()
        counted = np.concatenate([np.empty(0, COUNTS), *counts])
        return Snapshot(begin_ns, time.monotonic_ns(), sockets, frozenset(seen), counted)

    def _look_at_the_clock(self) -> None:
        """The wall clock, which somebody may set and a suspend leaves behind."""
        offset_ns = time.time_ns() - time.monotonic_ns()
        if abs(offset_ns - self.host.realtime_offset_ns) > _CLOCK_STEP_NS:
            self.host = replace(self.host, realtime_offset_ns=offset_ns)

    def _look_for_namespaces(self, now: float) -> None:
        if now < self._relook_at:
            return
        self._relook_at = now + _RELOOK_S
        self._places = self._wanted(self._known_places | namespaces.discover())

    def _wanted(self, places: dict[int, namespaces.Place]) -> dict[int, namespaces.Place]:
        wanted = self._knobs.want_netns
        return {inode: place for inode, place in places.items() if not wanted or inode == wanted}

    def _owners(self) -> np.ndarray | None:
        link = self.programs.link("each_task_file")
        begin, begin_cpu = time.monotonic(), time.thread_time()
        if link is None or not self._unowned or not self._owners_timer.due(begin):
            return None
        self._unowned = False
        owners = read_all(link, wire.OWNER, self._expected_owners)
        self._expected_owners = len(owners)
        self._owners_timer.ran(begin, time.thread_time() - begin_cpu)
        return owners

    def _note_unowned(self, events: np.ndarray, snapshot: Snapshot | None) -> None:
        """Ask for owners when a socket appeared whose process nobody named: an accepted one, or one found open. Now
        and then ask all the same, as descriptors may be handed to another process."""
        state = np.where(events["kind"] == wire.STATE, events["new_state"], 0)
        self._unowned |= bool(((state == wire.ESTABLISHED) | (state == wire.LISTEN)).any())
        if snapshot is not None:
            cookies = snapshot.sockets["cookie"][snapshot.sockets["sort"] == wire.FULL]
            now = time.monotonic()
            self._unowned |= now >= self._refresh_owners_at or not np.isin(cookies, self._asked).all()
            if self._unowned:
                self._asked, self._refresh_owners_at = cookies, now + _REFRESH_OWNERS_S

    def _note_names(self, events: np.ndarray) -> None:
        """What a new namespace is called goes with the first events of it, and another name with the number of one that
        is gone: snapshots, which look for all, may be seconds apart."""
        strange = set(wire.distinct(events["netns"]).tolist()) - self._places.keys() - {0}
        if strange:
            self._relook_at = 0.0
        mark = namespaces.naming_mark()
        if not strange and mark == self._naming_mark:
            return
        self._naming_mark = mark
        for inode, place in self._wanted(namespaces.named()).items():
            if inode not in self._places or self._places[inode].name != place.name:
                self._places[inode] = place
                self._counted.discard(inode)

    def _new_processes(self, owners: np.ndarray | None) -> tuple[Process, ...]:
        if owners is None or not len(owners):
            return ()
        # the name, too: a process that executes another program keeps its number and its start
        present = set(zip(owners["pid"].tolist(), owners["start_ns"].tolist(), owners["comm"].tolist()))
        described = [processes.describe(pid, start_ns) for pid, start_ns, _ in sorted(present - self._known_processes)]
        self._known_processes = present
        return tuple(process for process in described if process is not None)

    def _new_cgroups(self, snapshot: Snapshot | None) -> tuple[tuple[int, str], ...]:
        if snapshot is None:
            return ()
        found = []
        for identity in wire.distinct(snapshot.sockets["cgroup"]).tolist():
            if identity and identity not in self._known_cgroups:
                path = self._cgroups.path(identity, time.monotonic())
                if path is not None:
                    self._known_cgroups.add(identity)
                    found.append((identity, path))
        return tuple(found)

    def _new_names(self) -> tuple[tuple[int, str], ...]:
        named = {inode: place.name for inode, place in self._places.items()}
        # a new namespace may get the number of one that is gone: "" takes the old name back
        fresh = {inode: name for inode, name in named.items() if self._names.get(inode, "") != name}
        self._names = named
        return tuple(fresh.items())


def _host(reset_reasons: tuple[str, ...]) -> Host:
    return Host(
        name=socket.gethostname(),
        kernel=os.uname().release,
        boot_id=_boot_id(),
        hz=jiffies_per_second(),
        netns=namespaces.own_netns(),
        realtime_offset_ns=time.time_ns() - time.monotonic_ns(),
        reset_reasons=reset_reasons,
    )


def _boot_id() -> str:
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""
