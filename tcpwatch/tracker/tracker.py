"""The one place where state lives: folds frames, oldest first, into the table of connections. Says what each frame
brought (Step) and draws the whole (View). Has no clock: time is what the frames say."""

from collections import deque
from dataclasses import replace

import numpy as np

from tcpwatch import wire
from tcpwatch.frame import Frame, Process, Snapshot
from tcpwatch.health import Health
from tcpwatch.probe import tell_of_cookies
from tcpwatch.rows import LET_GO, SERVER, TOLD
from tcpwatch.tracker.batch import Batch
from tcpwatch.tracker.events import fold_events, vanish
from tcpwatch.tracker.history import History
from tcpwatch.tracker.idle import Silence
from tcpwatch.tracker.listeners import Listeners
from tcpwatch.tracker.log import EventLog
from tcpwatch.tracker.marks import mark_refused
from tcpwatch.tracker.owners import fold_owners, note_releases
from tcpwatch.tracker.picture import draw
from tcpwatch.tracker.ports import PortMeter
from tcpwatch.tracker.pulse import PulseMeter
from tcpwatch.tracker.snapshot import find_ghosts, find_stale, fold_snapshot
from tcpwatch.tracker.step import Step
from tcpwatch.tracker.table import Table
from tcpwatch.tracker.view import Key, View
from tcpwatch.verdicts import judge

_REMEMBER_NS = 2_000_000_000  # an ended connection stays at least so long: a late snapshot row must not revive it
_FORGET_NS = 120_000_000_000  # and at most so long
_SWEEP_NS = 60_000_000_000  # how often the table is searched for lines that nothing else would end
_PROCESSES = 10_000  # described ones to remember, the newest
_OWNER_WAIT_NS = 500_000_000  # how long a life waits to be told for its process to be found


class Tracker:
    """keep_closed: how many ended connections the view shows. history_bytes, keep_events: bounds for what the view
    remembers; 0 for faces that only follow the stream. nat_timeout_s: after how much silence a NAT forgets a
    connection; 0: never."""

    def __init__(
        self,
        *,
        keep_closed: int = 0,
        history_bytes: int = 0,
        keep_events: int = 0,
        nat_timeout_s: float = 0.0,
    ) -> None:
        self.table = Table()
        self.pulse = PulseMeter()
        self.history = History(history_bytes)
        self.log = EventLog(keep_events)
        self.listeners = Listeners(history_bytes > 0)
        self.ports = PortMeter()
        self.silence = Silence()
        self.nat_timeout_s = nat_timeout_s
        self.health = Health()
        self.cgroups: dict[int, str] = {}
        self.namespaces: dict[int, str] = {}
        self.settings: dict[int, dict[str, str]] = {}  # sysctls by namespace
        self.processes: dict[int, Process] = {}
        self.frame: Frame | None = None
        self.started_ns = 0
        self.snapshot: Snapshot | None = None
        self.sockets = np.empty(0, wire.SOCKET)  # the snapshot's
        self._keep_closed = keep_closed
        self._keeps_history = history_bytes > 0
        self._closed: deque[tuple[int, np.ndarray]] = deque()
        self._closed_count = 0
        self._untold = np.empty(0, np.intp)
        self._lost = np.zeros(len(wire.KINDS), np.uint64)
        self._segments_out = 0
        self._swept_ns = 0

    def fold(self, frame: Frame) -> Step:
        if self.frame is None:
            self.started_ns = frame.begin_ns
        self.frame = frame
        self._forget(frame.end_ns)  # first: a Step may name every line that its own frame touches
        self._note_names(frame)
        self.pulse.advance(frame.end_ns)
        batch, releases = _without(Batch.of(frame.events), wire.RELEASED)
        batch, cookies = _without(batch, wire.COOKIE_SENT, wire.COOKIE_ACCEPTED, wire.COOKIE_REJECTED)
        frame = replace(frame, events=batch.events)
        ended = fold_events(self.table, batch)
        lines = batch.lines
        note_releases(self.table, releases)
        if frame.snapshot is not None:
            self.snapshot, self.sockets = frame.snapshot, frame.snapshot.sockets
            ended = np.concatenate([ended, fold_snapshot(self.table, frame.snapshot, lines, frame.host.hz)])
            self._note_history(frame)
        self.listeners.note(batch)
        frame, lines = self._note_listeners(frame, lines, cookies)
        if self._swept_ns == frame.end_ns:
            ghosts = find_ghosts(self.table.rows, frame.end_ns)
            vanish(self.table.rows, ghosts)
            ended = np.concatenate([ended, ghosts])
        if frame.owners is not None:
            fold_owners(self.table, frame.owners)
        self._count(batch, frame.end_ns, ended)
        if self._keeps_history:
            self.ports.count(batch, frame.end_ns)
        self.log.add(frame.events, lines, self.table.rows)
        self._untold = np.concatenate([self._untold, ended])
        lives, told = self._tell(frame)
        self.health.note(lives, frame.end_ns)
        if frame.joins:
            self.health.begin(frame.tally, frame.end_ns)
        base = frame.tally["lost"] if frame.joins else self._lost
        lost = frame.tally["lost"] - base
        self._lost = frame.tally["lost"].copy()
        self._remember(frame.end_ns, ended)
        table = self.table.rows[: self.table.top]
        kinds, new_states = batch.kind, batch.new
        if len(frame.events) > len(kinds):  # with those that counters told of
            kinds, new_states = frame.events["kind"].copy(), frame.events["new_state"].copy()
        names = self.cgroups, self.namespaces, self.processes
        return Step(frame, lines, table, lives, lost, *names, told, kinds, new_states)

    def look_at(self, key: Key | None) -> None:
        """Which connection the next views' Focus describes."""
        self.log.follow(key)

    def view(self) -> View:
        """The present picture. At least one frame must have been folded."""
        assert self.frame is not None
        return draw(self, self.frame)

    def _note_names(self, frame: Frame) -> None:
        self.processes.update((process.pid, process) for process in frame.processes)
        if len(self.processes) > 2 * _PROCESSES:  # short-lived ones add up
            self.processes = dict(list(self.processes.items())[-_PROCESSES:])
        self.cgroups.update(frame.cgroups)
        self.namespaces.update(frame.namespaces)
        self.settings.update((netns, dict(values)) for netns, values in frame.settings)
        if frame.snapshot is not None:
            gone = self.settings.keys() - frame.snapshot.namespaces
            self.settings = {netns: values for netns, values in self.settings.items() if netns not in gone}

    def _note_history(self, frame: Frame) -> None:
        assert frame.snapshot is not None
        if self._keeps_history:
            self.history.remember(frame.snapshot.end_ns, frame.snapshot.sockets)
            self.silence.note(self.table.rows, frame.snapshot, frame.host.hz)

    def _note_listeners(self, frame: Frame, lines: np.ndarray, cookies: np.ndarray) -> tuple[Frame, np.ndarray]:
        """With the events that are no connection's: cookies that hooks told of, and what only the counters of sockets
        and namespaces tell of."""
        told = cookies
        self.listeners.note_cookies(cookies)
        if frame.snapshot is not None:
            hooked = tell_of_cookies(frame.probes)
            rest = self.listeners.fold(frame.snapshot, frame.host.hz, self.settings, self.table, hooked)
            told = np.concatenate([told, rest])
            mark_refused(self.table.rows, self.sockets, self.listeners.known)
        if frame.final:
            told = np.concatenate([told, self.listeners.rest(frame.end_ns)])
        if not len(told):
            return frame, lines
        theirs = self.table.index.find(told["cookie"].copy(), told["netns"].copy())
        return replace(frame, events=wire.joined([frame.events, told])), np.concatenate([lines, theirs])

    def _count(self, batch: Batch, end_ns: int, ended: np.ndarray) -> None:
        rows = self.table.rows
        met = (batch.kind == wire.STATE) & (batch.new == wire.ESTABLISHED)
        met &= (batch.old == wire.SYN_SENT) | (batch.old == wire.SYN_RECV)
        self.pulse.count("opened", batch.time_ns[np.flatnonzero(met)])
        lives = ended[rows["flags"][ended] & TOLD == 0]
        times = rows["closed_ns"][lives]
        self.pulse.count("closed", np.where(times, times, np.uint64(end_ns)))
        again, segments = batch.repeats()
        self.pulse.count("retransmits", batch.time_ns[again], segments)
        self.pulse.count("resets", batch.time_ns[batch.of_kind(wire.RESET_SENT, wire.RESET_RECEIVED)])
        sent = np.array([self.table.segments_out - self._segments_out], float)
        self.pulse.count("segments_out", np.array([end_ns], np.uint64), sent)
        self._segments_out = self.table.segments_out

    def _tell(self, frame: Frame) -> tuple[np.ndarray, np.ndarray]:
        """Copies of the ended connections whose story is complete, and their lines: an accepted one waits a moment for
        its process."""
        lines = self._untold
        rows = self.table.rows
        lines = lines[rows["flags"][lines] & TOLD == 0]
        closed_ns = rows["closed_ns"][lines]
        waited = (closed_ns + np.uint64(_OWNER_WAIT_NS) < frame.end_ns) | (closed_ns > frame.end_ns)
        ready = (rows["pid"][lines] != 0) | (rows["role"][lines] != SERVER) | waited
        ready |= frame.final
        self._untold = lines[~ready]
        told = lines[ready]
        rows["flags"][told] |= TOLD
        lives: np.ndarray = rows.take(told)
        lives["verdict"] = judge(lives, frame.end_ns, frame.host.hz, frame.host.reset_reasons)
        rows["verdict"][told] = lives["verdict"]
        return lives, told

    def _remember(self, now_ns: int, ended: np.ndarray) -> None:
        """Each line comes here once in its life: whatever happens to an ended socket later begins another."""
        if len(ended):
            self._closed.append((now_ns, ended))
            self._closed_count += len(ended)

    def _forget(self, now_ns: int) -> None:
        """Let ended connections go, oldest first, beyond what is to be kept."""
        if now_ns >= self._swept_ns + _SWEEP_NS:
            self._swept_ns = now_ns
            self.table.release(find_stale(self.table.rows, now_ns))
            self.table.shrink()
        while self._closed:
            ended_ns, lines = self._closed[0]
            crowded = self._closed_count > self._keep_closed and ended_ns + _REMEMBER_NS < now_ns
            if not crowded and ended_ns + _FORGET_NS > now_ns:
                return
            if (self.table.rows["flags"][lines] & TOLD == 0).any():
                return  # after a gap between frames: this frame tells them
            self._closed.popleft()
            self._closed_count -= len(lines)
            states = self.table.rows["state"][lines]
            held = self._shows_time_wait() & ((states == wire.TIME_WAIT) | (states == wire.FIN_WAIT2))
            self.table.rows["flags"][lines[held]] |= LET_GO
            self.table.release(lines[~held])

    def _shows_time_wait(self) -> bool:
        """Whether snapshots carry TIME_WAIT sockets, so that a later one will say when such a line is over."""
        return self.frame is not None and self.frame.shows_time_wait


def _without(batch: Batch, *kinds: int) -> tuple[Batch, np.ndarray]:
    """Those that are events in nobody's life: who let go of a dead socket only says whose it was, and a cookie belongs
    to no connection yet."""
    found = batch.of_kind(*kinds)
    if not len(found):
        return batch, batch.events[:0]
    return batch.only(np.flatnonzero(~np.isin(batch.kind, kinds))), batch.events[found]
