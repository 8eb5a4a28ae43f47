"""Folds a batch of events into the table: a whole batch at once, each connection touched once. Knows how a life reads
from its state changes, and nothing of snapshots, owners or faces."""

from dataclasses import dataclass

import numpy as np

from tcpwatch import wire
from tcpwatch.rows import (
    ABORTED,
    CLIENT,
    CLOSED,
    FIN_RECEIVED,
    HAS_COUNTERS,
    PATH,
    ROW,
    SERVER,
    TOLD,
    UNKNOWN_ROLE,
    VANISHED,
)
from tcpwatch.tracker.batch import Batch
from tcpwatch.tracker.columns import Passage
from tcpwatch.tracker.table import Table
from tcpwatch.tracker.troubles import note_troubles

COUNTERS = (
    "bytes_sent",
    "bytes_acked",
    "bytes_received",
    "bytes_retrans",
    "srtt_us",
    "rttvar_us",
    "min_rtt_us",
    "cwnd",
    "ssthresh",
    "mss",
    "retrans",
    "segs_out",
    "segs_in",
    "spurious",
    "probes",
)
_MEASURES = Passage(wire.EVENT, ROW, (*COUNTERS, "ca_state", "error"))
_ENDS = Passage(wire.EVENT, ROW, ("laddr", "raddr", "rport", "family"))
_ACTOR = Passage(wire.EVENT, ROW, ("pid", "comm"))
_PATH_STATE, _PATH_NS = (ROW.fields[name][1] for name in ("path_state", "path_ns"))  # type: ignore[index]
_FIN = wire.EVENT_SOCKET | wire.EVENT_FIN_RECEIVED


@dataclass(slots=True)
class _Moves:
    """State changes, sorted by line, in each line's own order."""

    at: np.ndarray  # positions in the batch
    lines: np.ndarray
    old: np.ndarray
    new: np.ndarray
    first: np.ndarray  # whether it is its line's first


class _Newest:
    """Each connection's newest event: positions in the batch, and the records. Mostly those for which something holds
    are the same ones."""

    def __init__(self, table: Table, batch: Batch) -> None:
        self.at = table.last_of_each(batch.lines)
        self._table, self._batch = table, batch
        self._records = batch.events.take(self.at)

    def where(self, holds: np.ndarray) -> np.ndarray:
        """Positions of each connection's newest event for which it holds (n,)."""
        if holds[self.at].all():
            return self.at
        at = np.flatnonzero(holds)
        newest: np.ndarray = at[self._table.last_of_each(self._batch.lines[at])]
        return newest

    def records(self, at: np.ndarray) -> np.ndarray:
        """wire.EVENT at what where() answered."""
        return self._records if at is self.at else self._batch.events.take(at)


def fold_events(table: Table, batch: Batch) -> np.ndarray:
    """Fills in batch.lines, -1 where an event has no socket. Returns the lines of connections that ended in this
    batch."""
    # An event on what is closed already (a TIME_WAIT that sends a reset) opens no line: nothing would ever end it
    batch.lines = table.find_or_add(batch.cookie, batch.netns, batch.tells)
    known = np.flatnonzero(batch.lines >= 0)
    if len(known) == len(batch.lines):
        return _fold(table, batch) if len(known) else known
    lined = batch.only(known)
    lined.lines = batch.lines[known]
    ended = _fold(table, lined)
    batch.lines[known] = lined.lines
    return ended


def _fold(table: Table, batch: Batch) -> np.ndarray:
    """batch: events that all have a line."""
    moves, unended = _turns(table, batch)
    newest = _Newest(table, batch)
    _note_ends(table, batch, newest)
    _note_actors(table, batch)
    _note_half_open(table, batch)
    aborted = _note_resets(table.rows, batch)
    if len(moves.at):
        _walk_states(table.rows, batch, moves)
    _note_counters(table, batch, newest)
    note_troubles(table, batch)
    _take_back_time_wait(table.rows, aborted)
    vanish(table.rows, unended)
    return np.concatenate([unended, _closes(table.rows, batch)])


def _turns(table: Table, batch: Batch) -> tuple[_Moves, np.ndarray]:
    """Give a socket that connects again a line of its own: each connection is a life, though the cookie stays. Any
    change of a closed one means that, and so does an opening where none is due: the end was lost. Returns the lines
    of such too."""
    at = np.flatnonzero((batch.kind == wire.STATE) & (batch.old != batch.new))  # a second close reports CLOSE -> CLOSE
    order, starts = table.grouped(batch.lines if len(at) == len(batch.lines) else batch.lines[at])
    at = order if len(at) == len(batch.lines) else at[order]
    lines, old, new = batch.lines[at], batch.old[at], batch.new[at]
    first = np.zeros(len(at), bool)
    first[starts] = True
    begun, closed = ~first, np.zeros(len(at), bool)
    closed[1:] = new[:-1] == wire.CLOSE
    begun[starts] = table.rows["path_len"][lines[starts]] != 0
    closed[starts] = table.rows["flags"][lines[starts]] & CLOSED != 0
    again = closed | ((old == wire.CLOSE) & begun)
    unended = np.empty(0, np.intp)
    if again.any():
        _succeed(table, batch, at[again])
        unended = batch.lines[at[np.flatnonzero(again & ~closed & ~first) - 1]]
        unended = np.concatenate([lines[again & ~closed & first], unended])
        first |= again
        lines = batch.lines[at]
    return _Moves(at, lines, old, new, first), unended


def _succeed(table: Table, batch: Batch, again: np.ndarray) -> None:
    """Move the events from each position of `again` on to a line of their own."""
    begins = np.zeros(len(batch.lines), np.int64)
    begins[again] = 1
    touched = np.zeros(len(table.rows), bool)
    touched[batch.lines[again]] = True
    places = np.flatnonzero(touched[batch.lines])
    order, starts = table.grouped(batch.lines[places])
    places = places[order]
    turns = np.cumsum(begins[places])
    fresh = table.succeed(batch.lines[places[begins[places] == 1]])
    before = np.repeat(turns[starts] - begins[places[starts]], np.diff(np.append(starts, len(places))))
    moved = turns > before
    batch.lines[places[moved]] = fresh[turns[moved] - 1]


def _note_ends(table: Table, batch: Batch, newest: _Newest) -> None:
    """Addresses, from each connection's newest event. A SYN_SENT precedes the local port: 0 until then."""
    rows = table.rows
    rows["changed_ns"][batch.lines[newest.at]] = batch.time_ns[newest.at]
    telling = newest.where(batch.tells)
    _ENDS.copy(newest.records(telling), rows, batch.lines[telling])
    ported = newest.where((batch.lport != 0) & batch.tells)
    rows["lport"][batch.lines[ported]] = batch.lport[ported]


def _note_actors(table: Table, batch: Batch) -> None:
    """Who held the socket's lock is its user. The opener is the owner; of others the first, where none is known."""
    acted = np.flatnonzero(batch.pid)
    opened = (batch.kind[acted] == wire.STATE) & (batch.old[acted] == wire.CLOSE) & (batch.new[acted] != wire.CLOSE)
    others = acted[~opened]
    others = others[table.rows["pid"][batch.lines[others]] == 0]
    ranked = np.concatenate([others[::-1], acted[opened]])
    best = ranked[table.last_of_each(batch.lines[ranked])]
    at = batch.lines[best]
    _ACTOR.copy(batch.events, table.rows, at, best)
    table.rows["owner_start_ns"][at] = 0


def _note_half_open(table: Table, batch: Batch) -> None:
    """A repeated SYN-ACK tells of a half-open connection, and when its first SYN-ACK left."""
    repeated = batch.of_kind(wire.SYNACK_RETRANSMIT)
    if not len(repeated):
        return
    newest = repeated[table.last_of_each(batch.lines[repeated])]
    at = batch.lines[newest]
    begins = table.rows["path_len"][at] == 0
    begin_half_open(table.rows, at[begins], batch.events["since_ns"][newest[begins]])
    half = table.rows["flags"][at] & (HAS_COUNTERS | CLOSED) == 0
    table.rows["retrans"][at[half]] = batch.events["count"][newest[half]]


def begin_half_open(rows: np.ndarray, lines: np.ndarray, since_ns: np.ndarray) -> None:
    """Start lives with a request socket; since_ns: when its first SYN-ACK left."""
    rows["state"][lines] = wire.SYN_RECV
    rows["role"][lines] = SERVER
    rows["opened_ns"][lines] = since_ns
    rows["path_len"][lines] = 1
    rows["path_state"][lines, 0] = wire.SYN_RECV
    rows["path_ns"][lines, 0] = since_ns


def _note_resets(rows: np.ndarray, batch: Batch) -> np.ndarray:
    """Count them. Returns the lines of sockets that sent one at their very end, before or after they closed: those
    leave no TIME_WAIT behind (tcp_close with data unread, FIN_WAIT2 when data comes or its time is over)."""
    for kind, name in ((wire.RESET_SENT, "resets_sent"), (wire.RESET_RECEIVED, "resets_received")):
        lines, counts = np.unique(batch.lines[batch.of_kind(kind)], return_counts=True)
        rows[name][lines] = np.minimum(rows[name][lines] + counts, 255)
    sent = batch.of_kind(wire.RESET_SENT)
    old = batch.old[sent]
    at_the_end = (old == wire.CLOSE) | (old == wire.FIN_WAIT2) | (old == wire.CLOSING)
    aborted = wire.distinct(batch.lines[sent[(batch.flags[sent] & wire.EVENT_SOCKET != 0) & at_the_end]])
    rows["flags"][aborted] |= ABORTED
    return aborted


def _take_back_time_wait(rows: np.ndarray, aborted: np.ndarray) -> None:
    """The reset came in a later batch than the close that looked like a good one."""
    closed = aborted[rows["flags"][aborted] & CLOSED != 0]
    rows["state"][closed] = wire.CLOSE
    last = np.maximum(rows["path_len"][closed].astype(np.intp), 1) - 1
    rows["path_len"][closed] -= rows["path_state"][closed, last] == wire.TIME_WAIT


def _walk_states(rows: np.ndarray, batch: Batch, moves: _Moves) -> None:
    """Append each connection's new states to its path and move it to the last of them."""
    lines, old, new, first = moves.lines, moves.old, moves.new, moves.first
    time_ns = batch.time_ns[moves.at]
    starts = np.flatnonzero(first)
    length = rows["path_len"][lines[starts]].astype(np.int64)

    before = np.empty(len(new), np.uint8)
    before[1:] = new[:-1]
    before[starts] = rows["state"][lines[starts]]
    unborn = np.zeros(len(lines), bool)
    unborn[starts] = length == 0
    broken = np.where(unborn, (old != wire.CLOSE) & (old != wire.LISTEN), old != before)
    began_ns = _began(batch.events, moves, unborn, time_ns)
    waits, lingers = _leaves_small_socket(rows, batch, moves)
    entered = np.where(waits, np.uint8(wire.TIME_WAIT), new)
    enters = (new != wire.CLOSE) | waits

    _note_openings(rows, moves, unborn, time_ns, began_ns)
    entries = broken.astype(np.int64) + enters
    running = np.cumsum(entries) - entries
    place = running + np.repeat(length - running[starts], np.diff(np.append(starts, len(lines))))
    missing = np.flatnonzero(broken & (place < PATH))
    _write_path(rows, lines[missing], place[missing], old[missing], began_ns[missing])
    adds = np.flatnonzero(enters)
    _write_path(rows, lines[adds], np.minimum(place + broken, PATH - 1)[adds], entered[adds], time_ns[adds])

    last = np.append(starts[1:], len(lines)) - 1
    at = lines[last]
    rows["path_len"][at] = np.minimum(place[last] + entries[last], PATH)
    rows["state"][at] = np.where(lingers, np.uint8(wire.FIN_WAIT2), entered)[last]
    closed = np.flatnonzero(new == wire.CLOSE)
    rows["closed_ns"][lines[closed]] = time_ns[closed]
    rows["flags"][lines[closed]] |= CLOSED


def _note_openings(
    rows: np.ndarray, moves: _Moves, unborn: np.ndarray, time_ns: np.ndarray, began_ns: np.ndarray
) -> None:
    """Role, and when it was opened and established."""
    lines, old, new = moves.lines, moves.old, moves.new
    connects = new == wire.SYN_SENT
    rows["role"][lines[np.flatnonzero(connects | (old == wire.SYN_SENT))]] = CLIENT
    opens = np.flatnonzero(connects & (old == wire.CLOSE))
    rows["opened_ns"][lines[opens]] = time_ns[opens]
    accepted = lines[np.flatnonzero(old == wire.SYN_RECV)]
    rows["role"][accepted[rows["role"][accepted] == UNKNOWN_ROLE]] = SERVER
    passive = np.flatnonzero(unborn & (old == wire.SYN_RECV))
    rows["opened_ns"][lines[passive]] = np.where(began_ns[passive], began_ns[passive], time_ns[passive])
    met = np.flatnonzero((new == wire.ESTABLISHED) & ((old == wire.SYN_SENT) | (old == wire.SYN_RECV)))
    rows["established_ns"][lines[met]] = time_ns[met]


def _began(events: np.ndarray, moves: _Moves, unborn: np.ndarray, time_ns: np.ndarray) -> np.ndarray:
    """When the state that an event leaves was entered, where the event itself tells, else 0: the child of a request
    socket starts with the round trip of its SYN-ACK as its only RTT sample (tcp_synack_rtt_meas), unless one was
    repeated."""
    began_ns = np.zeros(len(time_ns), np.uint64)
    born = np.flatnonzero(unborn & (moves.old == wire.SYN_RECV) & (moves.new == wire.ESTABLISHED))
    at = moves.at[born]
    trip_ns = events["srtt_us"][at] * np.uint64(1000)
    measured = (events["retrans"][at] == 0) & (trip_ns != 0) & (trip_ns < time_ns[born])
    began_ns[born[measured]] = (time_ns[born] - trip_ns)[measured]
    return began_ns


def _leaves_small_socket(rows: np.ndarray, batch: Batch, moves: _Moves) -> tuple[np.ndarray, np.ndarray]:
    """(waits, lingers): closes that left a small socket behind, in TIME_WAIT where both FINs were seen, or still in
    FIN_WAIT2; nothing went wrong then. (tcp_time_wait() makes the small socket first and then closes the full one.)"""
    waits, lingers = np.zeros(len(moves.at), bool), np.zeros(len(moves.at), bool)
    closing, half = moves.old == wire.CLOSING, moves.old == wire.FIN_WAIT2
    ends = np.flatnonzero((moves.new == wire.CLOSE) & (closing | half))
    at, well = moves.at[ends], rows["flags"][moves.lines[ends]] & ABORTED == 0
    well &= batch.events["error"][at] == 0
    both_fins = closing[ends] | (batch.flags[at] & wire.EVENT_FIN_RECEIVED != 0)
    waits[ends], lingers[ends] = well & both_fins, well & ~both_fins
    return waits, lingers


def _note_counters(table: Table, batch: Batch, newest: _Newest) -> None:
    """The counters are cumulative, so the newest event of each connection says it all."""
    full = (batch.flags & wire.EVENT_SOCKET != 0) & batch.tells
    counted = newest.where(full)
    at, records = batch.lines[counted], newest.records(counted)
    note_segments(table, at, records["segs_out"])
    _MEASURES.copy(records, table.rows, at)
    table.rows["flags"][at] |= HAS_COUNTERS
    fins = np.flatnonzero((batch.flags & _FIN == _FIN) & batch.tells)
    table.rows["flags"][batch.lines[fins]] |= FIN_RECEIVED
    turned = np.flatnonzero(records["kind"] == wire.CONGESTION)  # the hook comes before the socket's own field
    table.rows["ca_state"][at[turned]] = records["reason"][turned]


def note_segments(table: Table, lines: np.ndarray, segs_out: np.ndarray) -> None:
    """Add up how many segments were sent since the last look, before it is overwritten. The first look at a socket that
    was open before we came tells nothing of that."""
    rows = table.rows
    followed = (rows["flags"][lines] & HAS_COUNTERS != 0) | (rows["opened_ns"][lines] != 0)
    grown = segs_out.astype(np.int64) - rows["segs_out"][lines]
    table.segments_out += int(grown[followed & (grown > 0)].sum())


def vanish(rows: np.ndarray, lines: np.ndarray) -> None:
    """End connections whose end nobody saw."""
    rows["flags"][lines[is_lifeless(rows, lines)]] |= TOLD
    rows["flags"][lines] |= CLOSED | VANISHED
    rows["state"][lines] = wire.CLOSE


def is_lifeless(rows: np.ndarray, lines: np.ndarray) -> np.ndarray:
    """Whether there is nothing to tell of them: listeners, half-open connections that came to nothing, and sockets of
    which no state was ever seen."""
    state, length = rows["state"][lines], rows["path_len"][lines]
    lifeless: np.ndarray = (state == wire.LISTEN) | (length == 0) | ((state == wire.SYN_RECV) & (length == 1))
    return lifeless


def _closes(rows: np.ndarray, batch: Batch) -> np.ndarray:
    """The lines that closed, in the order they did. A listener's end is nobody's life."""
    closes = np.flatnonzero((batch.kind == wire.STATE) & (batch.new == wire.CLOSE) & (batch.old != wire.CLOSE))
    ended = batch.lines[closes]
    rows["flags"][ended[batch.old[closes] == wire.LISTEN]] |= TOLD
    return ended


def _write_path(
    rows: np.ndarray, lines: np.ndarray, place: np.ndarray, states: np.ndarray, times_ns: np.ndarray
) -> None:
    # as one long row: NumPy takes twice as long with two indices
    rows.view(np.uint8)[lines * ROW.itemsize + (place + _PATH_STATE)] = states
    rows.view(np.uint64)[lines * (ROW.itemsize // 8) + (place + _PATH_NS // 8)] = times_ns
