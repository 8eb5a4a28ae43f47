"""What went wrong on the way, kept with each connection for the verdict: segments sent again and why, resets and who
sent them, a process that ended with the socket open, a peer that takes no more. Judges nothing."""

import numpy as np

from tcpwatch import wire
from tcpwatch.frame import Snapshot
from tcpwatch.rows import EXITED, STALLED
from tcpwatch.tracker.batch import Batch
from tcpwatch.tracker.table import Table

_MOST = 65535


def note_troubles(table: Table, batch: Batch) -> None:
    """batch: events that all have a line."""
    _note_repeats(table, batch)
    _note_resets(table, batch)
    # Of a socket that is closed by the kernel in a dying process's name
    exits = np.flatnonzero((batch.flags & wire.EVENT_EXITING != 0) & (batch.kind != wire.CONGESTION))
    table.rows["marks"][batch.lines[exits]] |= EXITED


def _note_repeats(table: Table, batch: Batch) -> None:
    """Count segments sent again by their cause."""
    at, segments = batch.repeats()
    if not len(at):
        return
    lines, rows = batch.lines[at], table.rows
    newest = table.last_of_each(lines)
    rows["again_ns"][lines[newest]] = batch.time_ns[at[newest]]
    places, which = np.unique(lines * len(wire.CAUSES) + batch.events["cause"][at], return_inverse=True)
    line, cause = np.divmod(places, len(wire.CAUSES))
    total = rows["causes"][line, cause] + np.bincount(which, segments)
    rows["causes"][line, cause] = np.minimum(total, _MOST)


def _note_resets(table: Table, batch: Batch) -> None:
    """The newest reset of each connection."""
    at = batch.of_kind(wire.RESET_SENT, wire.RESET_RECEIVED)
    if not len(at):
        return
    at = at[table.last_of_each(batch.lines[at])]
    lines, rows = batch.lines[at], table.rows
    rows["reset_ns"][lines] = batch.time_ns[at]
    rows["reset_reason"][lines] = batch.events["reason"][at]
    rows["reset_flags"][lines] = batch.flags[at]


def note_standstill(rows: np.ndarray, snapshot: Snapshot, lines: np.ndarray, at: np.ndarray, hz: int) -> None:
    """Which sockets wait for their peer's window to open, and when data last went either way. lines, at: the same
    sockets in rows and in the snapshot. hz: jiffies per second, 0: unknown."""
    sockets = snapshot.sockets
    waits = (sockets["snd_wnd"][at] == 0) & (sockets["send_queue"][at] != 0) & (sockets["state"][at] != wire.SYN_SENT)
    since = rows["stalled_ns"][lines]
    rows["stalled_ns"][lines] = np.where(waits, np.where(since, since, np.uint64(snapshot.begin_ns)), np.uint64(0))
    rows["marks"][lines[waits]] |= STALLED
    if hz:
        met = np.flatnonzero(sockets["state"][at] != wire.SYN_SENT)  # the kernel's times are of no data before that
        idle_ns = sockets["idle_ticks"][at[met]] * np.uint64(1_000_000_000 // hz)
        rows["moved_ns"][lines[met]] = np.maximum(snapshot.begin_ns - idle_ns.astype(np.int64), 0)
