"""Folds a snapshot into the table: what was open before we came, what changed without an event, and what is gone though
its end was lost. A snapshot is not atomic, so nothing in it undoes a newer event."""

import numpy as np

from tcpwatch import wire
from tcpwatch.frame import Snapshot
from tcpwatch.tracker.events import COUNTERS, begin_half_open
from tcpwatch.tracker.rows import CLOSED, FIN_RECEIVED, HAS_COUNTERS, LET_GO, PATH, SERVER, TOLD, UNKNOWN_ROLE, VANISHED
from tcpwatch.tracker.table import Table

_MISSES = 2  # older kernels' iterator may skip a socket while its bucket changes (fixed in 6.17)
_ENDPOINTS = ("laddr", "raddr", "lport", "rport", "family")


def fold_snapshot(table: Table, snapshot: Snapshot) -> np.ndarray:
    """The lines of connections found to have ended unseen. Lines that stand for nothing any more are released."""
    sockets = snapshot.sockets
    lines, fresh = table.find_or_add(sockets["cookie"], sockets["netns"])
    rows = table.rows
    newest = table.last_of_each(lines)
    sockets_at = newest
    lines = lines[newest]
    rows["snap"] = -1
    rows["snap"][lines] = sockets_at
    rows["seen_ns"][lines] = snapshot.begin_ns
    rows["missed"][lines] = 0
    _begin(table, sockets, lines, sockets_at, fresh)
    _refresh(rows, sockets, lines, sockets_at, snapshot.begin_ns)
    _guess_servers(rows, sockets)
    return _find_gone(table, snapshot)


def _begin(table: Table, sockets: np.ndarray, lines: np.ndarray, at: np.ndarray, fresh: np.ndarray) -> None:
    """Sockets nobody told us of: opened before we came, or half-open."""
    new = np.isin(lines, fresh)
    lines, at = lines[new], at[new]
    rows = table.rows
    for name in _ENDPOINTS:
        rows[name][lines] = sockets[name][at]
    rows["state"][lines] = sockets["state"][at]
    rows["path_len"][lines] = 1
    rows["path_state"][lines, 0] = sockets["state"][at]
    half = sockets["sort"][at] == wire.REQUEST
    begin_half_open(table, lines[half], sockets["since_ns"][at[half]])
    small = sockets["sort"][at] == wire.TIME_WAIT_SORT
    rows["flags"][lines[small]] |= CLOSED | TOLD | LET_GO


def _refresh(rows: np.ndarray, sockets: np.ndarray, lines: np.ndarray, at: np.ndarray, begin_ns: int) -> None:
    current = rows["changed_ns"][lines] < begin_ns
    lines, at = lines[current], at[current]
    small = sockets["sort"][at] == wire.TIME_WAIT_SORT
    closed = rows["flags"][lines] & CLOSED != 0
    lines, at = lines[small == closed], at[small == closed]
    state = sockets["state"][at]
    changed = rows["state"][lines] != state
    _append_state(rows, lines[changed], state[changed])
    rows["state"][lines] = state
    full = (sockets["sort"][at] == wire.FULL) & (state != wire.LISTEN)
    lines, at = lines[full], at[full]
    for name in (*COUNTERS, "ca_state", "cgroup"):
        rows[name][lines] = sockets[name][at]
    fin = np.where(sockets["options"][at] & wire.FIN_RECEIVED, FIN_RECEIVED, 0).astype(np.uint8)
    rows["flags"][lines] |= fin | np.uint8(HAS_COUNTERS)


def _append_state(rows: np.ndarray, lines: np.ndarray, states: np.ndarray) -> None:
    """A state whose beginning nobody saw."""
    place = np.minimum(rows["path_len"][lines], PATH - 1)
    rows["path_state"][lines, place] = states
    rows["path_ns"][lines, place] = 0
    rows["path_len"][lines] = place + 1


def _guess_servers(rows: np.ndarray, sockets: np.ndarray) -> None:
    """A connection found open whose port is being listened on was accepted here."""
    nameless = np.flatnonzero((rows["role"] == UNKNOWN_ROLE) & (rows["cookie"] != 0) & (rows["state"] != wire.LISTEN))
    listeners = sockets[sockets["state"] == wire.LISTEN]
    served = np.isin(_port_key(rows[nameless]), _port_key(listeners))
    rows["role"][nameless[served]] = SERVER


def _port_key(records: np.ndarray) -> np.ndarray:
    return (records["netns"].astype(np.uint64) << np.uint64(16)) | records["lport"]


def _find_gone(table: Table, snapshot: Snapshot) -> np.ndarray:
    rows = table.rows
    covered = np.isin(rows["netns"], np.fromiter(snapshot.namespaces, np.uint32, len(snapshot.namespaces)))
    absent = np.flatnonzero(
        (rows["cookie"] != 0)
        & covered
        & (rows["seen_ns"] < snapshot.begin_ns)
        & (rows["changed_ns"] < snapshot.begin_ns)
    )
    closed = rows["flags"][absent] & CLOSED != 0
    released = absent[closed & (rows["flags"][absent] & LET_GO != 0)]
    rows["state"][absent[closed]] = wire.CLOSE
    open_ = absent[~closed]
    rows["missed"][open_] += 1
    gone = open_[rows["missed"][open_] >= _MISSES]
    # Half-open connections that came to nothing and listeners are nobody's life
    lifeless = np.isin(rows["state"][gone], (wire.LISTEN,)) | _only_half_open(rows, gone)
    table.release(np.concatenate([released, gone[lifeless]]))
    ended = gone[~lifeless]
    rows["flags"][ended] |= CLOSED | VANISHED
    rows["state"][ended] = wire.CLOSE
    return ended.astype(np.int32)


def _only_half_open(rows: np.ndarray, lines: np.ndarray) -> np.ndarray:
    return (rows["state"][lines] == wire.SYN_RECV) & (rows["path_len"][lines] == 1)
