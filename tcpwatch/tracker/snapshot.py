"""Folds a snapshot into the table: what was open before we came, what changed without an event, and what is gone though
its end was lost. A snapshot is not atomic, so nothing in it undoes a newer event."""

import numpy as np

from tcpwatch import wire
from tcpwatch.frame import Snapshot
from tcpwatch.rows import CLOSED, FIN_RECEIVED, HAS_COUNTERS, LET_GO, PATH, ROW, SERVER, TOLD, UNKNOWN_ROLE
from tcpwatch.tracker.columns import Passage
from tcpwatch.tracker.events import COUNTERS, begin_half_open, is_lifeless, note_segments, vanish
from tcpwatch.tracker.table import Table
from tcpwatch.tracker.troubles import note_standstill

_MISSES = 2  # older kernels' iterator may skip a socket while its bucket changes (fixed in 6.17)
# A namespace unread for so long is gone. Longer than a TIME_WAIT and the pause between two SYN-ACKs (TCP_RTO_MAX)
_STALE_NS = 180_000_000_000
_LIMITS = ("busy_ticks", "rwnd_limited_ticks", "sndbuf_limited_ticks")
_MEASURES = Passage(wire.SOCKET, ROW, (*COUNTERS, *_LIMITS, "ca_state", "cgroup", "options", "timeouts"))
_ENDS = Passage(wire.SOCKET, ROW, ("laddr", "raddr", "lport", "rport", "family"))


def fold_snapshot(table: Table, snapshot: Snapshot, named: np.ndarray, hz: int) -> np.ndarray:
    """The lines of connections found to have ended unseen. Lines that stand for nothing any more are released, but for
    those that the frame's events name."""
    sockets = snapshot.sockets
    lines = table.find_or_add(sockets["cookie"].copy(), sockets["netns"].copy())
    at = _newest(table, sockets, lines)
    lines = _reopened(table, sockets, lines[at], at, snapshot.begin_ns)
    rows = table.rows
    rows["snap"][: table.top] = -1
    rows["snap"][lines] = at
    rows["seen_ns"][lines] = snapshot.begin_ns
    rows["missed"][lines] = 0
    _begin(rows, sockets, lines, at)
    ended = _refresh(table, snapshot, lines, at, hz)
    _guess_servers(rows, sockets)
    return np.concatenate([ended, _find_gone(table, snapshot, named)])


def _newest(table: Table, sockets: np.ndarray, lines: np.ndarray) -> np.ndarray:
    """One position of each line. A socket that connects again shares the cookie of its TIME_WAIT: the socket counts."""
    small = sockets["sort"] == wire.TIME_WAIT_SORT
    order = np.concatenate([np.flatnonzero(small), np.flatnonzero(~small)])
    order = order[lines[order] >= 0]
    newest: np.ndarray = order[table.last_of_each(lines[order])]
    return newest


def _reopened(table: Table, sockets: np.ndarray, lines: np.ndarray, at: np.ndarray, begin_ns: int) -> np.ndarray:
    """An ended socket that is here again has connected again, unheard."""
    rows = table.rows
    again = (rows["flags"][lines] & CLOSED != 0) & (rows["changed_ns"][lines] < begin_ns)
    again &= sockets["sort"][at] != wire.TIME_WAIT_SORT
    if again.any():
        lines[again] = table.succeed(lines[again])
    return lines


def _begin(rows: np.ndarray, sockets: np.ndarray, lines: np.ndarray, at: np.ndarray) -> None:
    """Sockets nobody told us of: opened before we came, or half-open."""
    new = rows["path_len"][lines] == 0
    lines, at = lines[new], at[new]
    _ENDS.copy(sockets, rows, lines, at)
    rows["state"][lines] = sockets["state"][at]
    rows["path_len"][lines] = 1
    rows["path_state"][lines, 0] = sockets["state"][at]
    half = sockets["sort"][at] == wire.REQUEST
    begin_half_open(rows, lines[half], sockets["since_ns"][at[half]])
    small = sockets["sort"][at] == wire.TIME_WAIT_SORT
    rows["flags"][lines[small]] |= CLOSED | TOLD | LET_GO


def _refresh(table: Table, snapshot: Snapshot, lines: np.ndarray, at: np.ndarray, hz: int) -> np.ndarray:
    """Bring what no event changed since up to date. The lines of which only a TIME_WAIT is left: the end was lost."""
    rows, sockets = table.rows, snapshot.sockets
    current = rows["changed_ns"][lines] < snapshot.begin_ns
    lines, at = lines[current], at[current]
    small = sockets["sort"][at] == wire.TIME_WAIT_SORT
    ended: np.ndarray = lines[small & (rows["flags"][lines] & CLOSED == 0)]
    vanish(rows, ended)
    state = sockets["state"][at]
    changed = (rows["state"][lines] != state) & (rows["path_state"][lines, _last(rows, lines)] != state)
    _append_state(rows, lines[changed], state[changed])
    rows["state"][lines] = state
    listens = state == wire.LISTEN
    rows["cgroup"][lines[listens]] = sockets["cgroup"][at[listens]]
    full = (sockets["sort"][at] == wire.FULL) & ~listens
    lines, at = lines[full], at[full]
    note_segments(table, lines, sockets["segs_out"][at])
    _MEASURES.copy(sockets, rows, lines, at)
    note_standstill(rows, snapshot, lines, at, hz)
    fin = np.where(sockets["options"][at] & wire.FIN_RECEIVED, FIN_RECEIVED, 0).astype(np.uint8)
    rows["flags"][lines] |= fin | np.uint8(HAS_COUNTERS)
    return ended


def _last(rows: np.ndarray, lines: np.ndarray) -> np.ndarray:
    last: np.ndarray = np.maximum(rows["path_len"][lines].astype(np.intp), 1) - 1
    return last


def _append_state(rows: np.ndarray, lines: np.ndarray, states: np.ndarray) -> None:
    """A state whose beginning nobody saw."""
    place = np.minimum(rows["path_len"][lines], PATH - 1)
    rows["path_state"][lines, place] = states
    rows["path_ns"][lines, place] = 0
    rows["path_len"][lines] = place + 1


def _guess_servers(rows: np.ndarray, sockets: np.ndarray) -> None:
    """A connection found open whose port is being listened on was accepted here."""
    nameless = np.flatnonzero((rows["role"] == UNKNOWN_ROLE) & (rows["cookie"] != 0) & (rows["state"] != wire.LISTEN))
    listeners = np.flatnonzero(sockets["state"] == wire.LISTEN)
    served = np.isin(_port_keys(rows, nameless), _port_keys(sockets, listeners))
    rows["role"][nameless[served]] = SERVER


def _port_keys(records: np.ndarray, at: np.ndarray) -> np.ndarray:
    keys: np.ndarray = (records["netns"][at].astype(np.uint64) << np.uint64(16)) | records["lport"][at]
    return keys


def _find_gone(table: Table, snapshot: Snapshot, named: np.ndarray) -> np.ndarray:
    rows = table.rows
    known_ns = np.maximum(rows["seen_ns"], rows["changed_ns"])
    absent = np.flatnonzero((rows["cookie"] != 0) & (known_ns < snapshot.begin_ns))
    absent = absent[~np.isin(absent, named)]
    covered = np.isin(rows["netns"][absent], np.fromiter(snapshot.namespaces, np.uint32, len(snapshot.namespaces)))
    closed = rows["flags"][absent] & CLOSED != 0
    released = absent[covered & closed & (rows["flags"][absent] & LET_GO != 0)]
    rows["state"][absent[covered & closed]] = wire.CLOSE
    missed = absent[covered & ~closed]
    rows["missed"][missed] += 1
    # A namespace that was read before and is not any more has ended with all its sockets
    unread = ~covered & ~closed & (rows["seen_ns"][absent] != 0)
    unread &= known_ns[absent] + np.uint64(_STALE_NS) < snapshot.begin_ns
    gone = np.concatenate([missed[rows["missed"][missed] >= _MISSES], absent[unread]])
    lifeless = is_lifeless(rows, gone)
    table.release(np.concatenate([released, gone[lifeless]]))
    ended: np.ndarray = gone[~lifeless]
    vanish(rows, ended)
    return ended


def find_ghosts(rows: np.ndarray, now_ns: int) -> np.ndarray:
    """The lines of connections that cannot have stayed as they are: in these states the kernel sends again or gives up
    within two minutes. Their end was lost, and no snapshot reads their namespace."""
    known_ns = np.maximum(rows["seen_ns"], rows["changed_ns"])
    passing = np.isin(rows["state"], (wire.SYN_SENT, wire.FIN_WAIT1, wire.LAST_ACK, wire.CLOSING))
    old = (rows["cookie"] != 0) & (known_ns + np.uint64(_STALE_NS) < now_ns)
    ghosts: np.ndarray = np.flatnonzero(passing & old & (rows["flags"] & CLOSED == 0))
    return ghosts


def find_stale(rows: np.ndarray, now_ns: int) -> np.ndarray:
    """The lines that wait for a snapshot to say that they are over, and waited in vain: their namespace is not read."""
    known_ns = np.maximum(rows["seen_ns"], rows["changed_ns"])
    old = np.flatnonzero((rows["cookie"] != 0) & (known_ns + np.uint64(_STALE_NS) < now_ns))
    closed = rows["flags"][old] & CLOSED != 0
    let_go = rows["flags"][old] & LET_GO != 0
    half_open = ~closed & (rows["state"][old] != wire.LISTEN) & is_lifeless(rows, old)
    stale: np.ndarray = old[let_go | half_open]
    return stale
