"""What the tracker promises, in plain Python: one event at a time, one object per connection, no arrays. Slow and
obviously right; the tracker must agree with it on everything."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from tcpwatch import rows, wire
from tcpwatch.frame import Frame, Snapshot
from tcpwatch.tracker.events import COUNTERS
from tcpwatch.tracker.view import PULSE_SECONDS

Record = dict[str, Any]
SECOND_NS = 1_000_000_000
REMEMBER_NS, FORGET_NS, OWNER_WAIT_NS = 2 * SECOND_NS, 120 * SECOND_NS, SECOND_NS // 2
STALE_NS, SWEEP_NS = 180 * SECOND_NS, 60 * SECOND_NS
NOBODY = (0, b"")


def records(array: Any) -> list[Record]:
    """A structured array as dicts; addresses as lists of bytes."""
    columns = (array[name].tolist() for name in array.dtype.names)
    return [dict(zip(array.dtype.names, one)) for one in zip(*columns, strict=True)]


@dataclass(eq=False)
class Life:
    netns: int
    cookie: int
    turn: int = 0
    state: int = 0
    role: int = rows.UNKNOWN_ROLE
    path: list[tuple[int, int]] = field(default_factory=list)  # (state, entered)
    opened_ns: int = 0
    established_ns: int = 0
    closed_ns: int = 0
    changed_ns: int = 0
    seen_ns: int = 0
    missed: int = 0
    snap: int = -1
    ends: dict[str, Any] = field(
        default_factory=lambda: {"laddr": [0] * 16, "raddr": [0] * 16, "lport": 0, "rport": 0, "family": 0}
    )
    numbers: dict[str, int] = field(default_factory=lambda: dict.fromkeys((*COUNTERS, "ca_state", "error"), 0))
    cgroup: int = 0
    owner: tuple[int, bytes] = NOBODY
    owner_start_ns: int = 0
    resets_sent: int = 0
    resets_received: int = 0
    flags: int = 0

    def has(self, flag: int) -> bool:
        return bool(self.flags & flag)

    def lifeless(self) -> bool:
        return self.state == wire.LISTEN or not self.path or (self.state == wire.SYN_RECV and len(self.path) == 1)

    def vanish(self) -> None:
        if self.lifeless():
            self.flags |= rows.TOLD
        self.flags |= rows.CLOSED | rows.VANISHED
        self.state = wire.CLOSE

    def enter(self, state: int, time_ns: int) -> None:
        if len(self.path) == rows.PATH:
            self.path.pop()
        self.path.append((state, time_ns))

    def known_ns(self) -> int:
        return max(self.seen_ns, self.changed_ns)


class Naive:
    def __init__(self, keep_closed: int) -> None:
        self.keep_closed = keep_closed
        self.current: dict[tuple[int, int], Life] = {}
        self.lives: list[Life] = []  # with earlier turns
        self.ended: list[Life] = []  # in this frame
        self.untold: list[Life] = []
        self.kept: list[tuple[int, list[Life]]] = []
        self.pulse: dict[str, dict[int, int]] = {
            name: defaultdict(int) for name in ("opened", "closed", "retransmits", "resets")
        }
        self.first_second: int | None = None
        self.second = 0
        self.swept_ns = 0
        self.shows_time_wait = True
        self.read_ns = 0  # when the newest snapshot began

    def fold(self, frame: Frame) -> tuple[list[Life | None], list[tuple[Life, tuple[int, bytes]]]]:
        """(each event's life, the lives told with their owners)."""
        self.shows_time_wait = frame.shows_time_wait
        self.forget(frame.end_ns)
        self.second = frame.end_ns // SECOND_NS
        self.first_second = self.second if self.first_second is None else self.first_second
        self.ended = []
        events = records(frame.events)
        named = [self.event(event) for event in events if event["kind"] != wire.RELEASED]
        for release in events:
            if release["kind"] == wire.RELEASED:
                self.released(release)
        if frame.snapshot is not None:
            self.snapshot(frame.snapshot, named)
        if self.swept_ns == frame.end_ns:
            self.lay_ghosts(frame.end_ns)
        if frame.owners is not None:
            self.owners(records(frame.owners))
        for life in self.ended:
            if not life.has(rows.TOLD):
                self.count("closed", life.closed_ns or frame.end_ns)
        self.untold += self.ended
        told = self.tell(frame)
        if self.ended:
            self.kept.append((frame.end_ns, self.ended))
        return named, told

    # events

    def event(self, event: Record) -> Life | None:
        self.count_event(event)
        if not event["cookie"]:
            return None
        key = (event["netns"], event["cookie"])
        life = self.current.get(key)
        moves = event["kind"] == wire.STATE and event["old_state"] != event["new_state"]
        if life is None:
            if event["old_state"] == event["new_state"] == wire.CLOSE:
                return None
            life = self.begin(key)
        if moves and (life.has(rows.CLOSED) or (event["old_state"] == wire.CLOSE and life.path)):
            if not life.has(rows.CLOSED):
                life.vanish()
                self.ended.append(life)
            life = self.begin(key, life)
        self.note(life, event, moves)
        return life

    def begin(self, key: tuple[int, int], before: Life | None = None) -> Life:
        life = Life(*key)
        if before is not None:
            life.turn, life.cgroup = before.turn + 1, before.cgroup
        self.current[key] = life
        self.lives.append(life)
        return life

    def note(self, life: Life, event: Record, moves: bool) -> None:
        tells = not event["old_state"] == event["new_state"] == wire.CLOSE
        if tells:
            life.ends |= {name: event[name] for name in ("laddr", "raddr", "rport", "family")}
            life.ends["lport"] = event["lport"] or life.ends["lport"]
        life.changed_ns = event["time_ns"]
        if event["pid"] and ((moves and event["old_state"] == wire.CLOSE) or not life.owner[0]):
            life.owner, life.owner_start_ns = (event["pid"], event["comm"]), 0
        if event["kind"] == wire.SYNACK_RETRANSMIT:
            self.half_open(life, event)
        if event["kind"] == wire.RESET_RECEIVED:
            life.resets_received = min(255, life.resets_received + 1)
        if event["kind"] == wire.RESET_SENT:
            self.reset_sent(life, event)
        if moves:
            self.move(life, event)
        if event["flags"] & wire.EVENT_SOCKET and tells:
            life.numbers |= {name: event[name] for name in (*COUNTERS, "ca_state", "error")}
            life.flags |= rows.HAS_COUNTERS
            if event["flags"] & wire.EVENT_FIN_RECEIVED:
                life.flags |= rows.FIN_RECEIVED
            if event["kind"] == wire.CONGESTION:
                life.numbers["ca_state"] = event["reason"]

    def half_open(self, life: Life, event: Record) -> None:
        if not life.path:
            life.state, life.role, life.opened_ns = wire.SYN_RECV, rows.SERVER, event["since_ns"]
            life.path = [(wire.SYN_RECV, event["since_ns"])]
        if not life.has(rows.HAS_COUNTERS) and not life.has(rows.CLOSED):
            life.numbers["retrans"] = event["count"]

    def reset_sent(self, life: Life, event: Record) -> None:
        life.resets_sent = min(255, life.resets_sent + 1)
        last_states = (wire.CLOSE, wire.FIN_WAIT2, wire.CLOSING)
        if event["flags"] & wire.EVENT_SOCKET and event["old_state"] in last_states:
            life.flags |= rows.ABORTED
            if life.has(rows.CLOSED):
                life.state = wire.CLOSE
                if life.path and life.path[-1][0] == wire.TIME_WAIT:
                    life.path.pop()

    def move(self, life: Life, event: Record) -> None:
        old, new, now_ns = event["old_state"], event["new_state"], event["time_ns"]
        born = not life.path
        began_ns = 0
        if born and (old, new) == (wire.SYN_RECV, wire.ESTABLISHED) and not event["retrans"] and event["srtt_us"]:
            began_ns = max(0, now_ns - event["srtt_us"] * 1000)
        if born and old not in (wire.CLOSE, wire.LISTEN):
            life.path.append((old, began_ns))
        elif not born and old != life.state and len(life.path) < rows.PATH:
            life.path.append((old, 0))
        if (old, new) == (wire.CLOSE, wire.SYN_SENT):
            life.opened_ns = now_ns
        if wire.SYN_SENT in (old, new):
            life.role = rows.CLIENT
        if old == wire.SYN_RECV and life.role == rows.UNKNOWN_ROLE:
            life.role = rows.SERVER
        if old == wire.SYN_RECV and born:
            life.opened_ns = began_ns or now_ns
        if new == wire.ESTABLISHED and old in (wire.SYN_SENT, wire.SYN_RECV):
            life.established_ns = now_ns
        if new != wire.CLOSE:
            life.enter(new, now_ns)
            life.state = new
        else:
            self.close(life, event)

    def close(self, life: Life, event: Record) -> None:
        life.state = wire.CLOSE
        if not event["error"] and not life.has(rows.ABORTED):
            both = event["flags"] & wire.EVENT_FIN_RECEIVED
            if event["old_state"] == wire.CLOSING or (event["old_state"] == wire.FIN_WAIT2 and both):
                life.enter(wire.TIME_WAIT, event["time_ns"])
                life.state = wire.TIME_WAIT
            elif event["old_state"] == wire.FIN_WAIT2:
                life.state = wire.FIN_WAIT2
        life.closed_ns = event["time_ns"]
        life.flags |= rows.CLOSED
        if event["old_state"] == wire.LISTEN:
            life.flags |= rows.TOLD
        self.ended.append(life)

    # snapshots

    def snapshot(self, snapshot: Snapshot, named: list[Life | None]) -> None:
        self.read_ns = snapshot.begin_ns
        sockets = records(snapshot.sockets)
        found: dict[tuple[int, int], int] = {}
        for wants_small in (True, False):  # of two with one cookie the full socket counts
            for at, one in enumerate(sockets):
                if one["cookie"] and (one["sort"] == wire.TIME_WAIT_SORT) == wants_small:
                    found[one["netns"], one["cookie"]] = at
        for life in self.lives:
            life.snap = -1
        for key, at in found.items():
            self.socket(key, sockets[at], at, snapshot.begin_ns)
        listening = {(one["netns"], one["lport"]) for one in sockets if one["state"] == wire.LISTEN}
        for life in self.lives:
            unknown = life.role == rows.UNKNOWN_ROLE and life.state != wire.LISTEN
            if unknown and (life.netns, life.ends["lport"]) in listening:
                life.role = rows.SERVER
        for life in list(self.lives):
            if life.known_ns() < snapshot.begin_ns and life not in named:
                self.absent(life, snapshot)

    def socket(self, key: tuple[int, int], one: Record, at: int, begin_ns: int) -> None:
        life = self.current.get(key) or self.begin(key)
        small = one["sort"] == wire.TIME_WAIT_SORT
        if life.has(rows.CLOSED) and not small and life.changed_ns < begin_ns:
            life = self.begin(key, life)
        life.snap, life.seen_ns, life.missed = at, begin_ns, 0
        if not life.path:
            life.ends |= {name: one[name] for name in life.ends}
            life.state = one["state"]
            life.path = [(one["state"], 0)]
            if one["sort"] == wire.REQUEST:
                life.state, life.role, life.opened_ns = wire.SYN_RECV, rows.SERVER, one["since_ns"]
                life.path = [(wire.SYN_RECV, one["since_ns"])]
            if small:
                life.flags |= rows.CLOSED | rows.TOLD | rows.LET_GO
        if life.changed_ns < begin_ns:
            self.refresh(life, one)

    def refresh(self, life: Life, one: Record) -> None:
        if one["sort"] == wire.TIME_WAIT_SORT and not life.has(rows.CLOSED):
            life.vanish()
            self.ended.append(life)
        if one["state"] not in (life.state, life.path[-1][0]):
            life.enter(one["state"], 0)
        life.state = one["state"]
        if one["sort"] == wire.FULL and one["state"] != wire.LISTEN:
            life.numbers |= {name: one[name] for name in (*COUNTERS, "ca_state")}
            life.cgroup = one["cgroup"]
            life.flags |= rows.HAS_COUNTERS | (rows.FIN_RECEIVED if one["options"] & wire.FIN_RECEIVED else 0)

    def absent(self, life: Life, snapshot: Snapshot) -> None:
        if life.has(rows.CLOSED):
            if life.netns in snapshot.namespaces:
                life.state = wire.CLOSE
                if life.has(rows.LET_GO):
                    self.remove(life)
            return
        if life.netns in snapshot.namespaces:
            life.missed += 1
            gone = life.missed >= 2
        else:
            gone = life.seen_ns != 0 and life.known_ns() + STALE_NS < snapshot.begin_ns
        if gone and life.lifeless():
            self.remove(life)
        elif gone:
            life.vanish()
            self.ended.append(life)

    def remove(self, life: Life) -> None:
        self.lives.remove(life)
        if self.current.get((life.netns, life.cookie)) is life:
            del self.current[life.netns, life.cookie]

    def shows(self, life: Life) -> bool:
        """Whether anything of it is left, as far as the newest snapshot and what came after it tell."""
        if not life.has(rows.CLOSED):
            return True
        over = self.shows_time_wait and life.snap < 0 and life.changed_ns < self.read_ns
        return life.state in (wire.TIME_WAIT, wire.FIN_WAIT2) and not over

    # owners and ends

    def owners(self, descriptors: list[Record]) -> None:
        held: dict[Life, list[Record]] = {}
        for one in descriptors:
            life = self.current.get((one["netns"], one["cookie"]))
            if life is not None:
                held.setdefault(life, []).append(one)
        for life, holders in held.items():
            youngest = max(holders, key=lambda one: int(one["start_ns"]))
            life.owner, life.owner_start_ns = (youngest["pid"], youngest["comm"]), youngest["start_ns"]

    def lay_ghosts(self, now_ns: int) -> None:
        for life in self.lives:
            passing = life.state in (wire.SYN_SENT, wire.FIN_WAIT1, wire.LAST_ACK, wire.CLOSING)
            if passing and not life.has(rows.CLOSED) and life.known_ns() + STALE_NS < now_ns:
                life.vanish()
                self.ended.append(life)

    def released(self, release: Record) -> None:
        life = self.current.get((release["netns"], release["cookie"]))
        if life is not None and release["pid"]:
            life.owner = (release["pid"], release["comm"])

    def tell(self, frame: Frame) -> list[tuple[Life, tuple[int, bytes]]]:
        told, waiting = [], []
        for life in self.untold:
            if life.has(rows.TOLD):
                continue
            waited = life.closed_ns + OWNER_WAIT_NS < frame.end_ns
            if life.owner[0] or life.role != rows.SERVER or waited or frame.final:
                life.flags |= rows.TOLD
                told.append((life, life.owner))
            else:
                waiting.append(life)
        self.untold = waiting
        return told

    def forget(self, now_ns: int) -> None:
        if now_ns >= self.swept_ns + SWEEP_NS:
            self.swept_ns = now_ns
            for life in list(self.lives):
                half_open = not life.has(rows.CLOSED) and life.state != wire.LISTEN and life.lifeless()
                if (half_open or life.has(rows.LET_GO)) and life.known_ns() + STALE_NS < now_ns:
                    self.remove(life)
        while self.kept:
            ended_ns, lives = self.kept[0]
            crowded = sum(len(some) for _, some in self.kept) > self.keep_closed
            if not (crowded and ended_ns + REMEMBER_NS < now_ns) and ended_ns + FORGET_NS > now_ns:
                return
            if not all(life.has(rows.TOLD) for life in lives):
                return
            self.kept.pop(0)
            for life in lives:
                if self.shows_time_wait and life.state in (wire.TIME_WAIT, wire.FIN_WAIT2):
                    life.flags |= rows.LET_GO
                else:
                    self.remove(life)

    # the pulse

    def count_event(self, event: Record) -> None:
        kind, now_ns = event["kind"], event["time_ns"]
        if kind == wire.STATE and event["new_state"] == wire.ESTABLISHED:
            self.count("opened", now_ns, int(event["old_state"] in (wire.SYN_SENT, wire.SYN_RECV)))
        if kind in (wire.RETRANSMIT, wire.SYNACK_RETRANSMIT) and not event["flags"] & wire.EVENT_REASON:
            self.count("retransmits", now_ns, event["count"] if kind == wire.RETRANSMIT else 1)
        if kind in (wire.RESET_SENT, wire.RESET_RECEIVED):
            self.count("resets", now_ns)

    def count(self, name: str, time_ns: int, weight: int = 1) -> None:
        second = time_ns // SECOND_NS
        if self.second - PULSE_SECONDS < second <= self.second:
            self.pulse[name][second] += weight

    def picture(self, name: str) -> list[float | None]:
        """One number per second before the running one, None before the session began."""
        assert self.first_second is not None
        seconds = range(self.second - PULSE_SECONDS, self.second)
        return [None if second < self.first_second else self.pulse[name][second] for second in seconds]
