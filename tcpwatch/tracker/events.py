"""Folds a batch of events into the table: a whole batch at once, each connection touched once. Knows how a life reads
from its state changes, and nothing of snapshots, owners or faces."""

import numpy as np

from tcpwatch import wire
from tcpwatch.tracker.rows import (
    CLIENT,
    CLOSED,
    FIN_RECEIVED,
    HAS_COUNTERS,
    PATH,
    SERVER,
    TOLD,
    UNKNOWN_ROLE,
)
from tcpwatch.tracker.table import Table

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
)
_ENDPOINTS = ("laddr", "raddr", "rport", "family")


def fold_events(table: Table, events: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(lines, ended): each event's line in the table, (n,) i4, -1 where it has no socket; and the lines of connections
    that ended in this batch, in the order they did. events: wire.EVENT, oldest first for each socket."""
    lines, _ = table.find_or_add(events["cookie"], events["netns"])
    lines = _reopened(table, events, lines)
    known = np.flatnonzero(lines >= 0)
    if not len(known):
        return lines, known.astype(np.int32)
    _note_ends(table, events, lines, known)
    _note_counters(table, events, lines)
    _note_actors(table, events, lines)
    _note_half_open(table, events, lines)
    _count_resets(table, events, lines)
    states = np.flatnonzero((events["kind"] == wire.STATE) & (lines >= 0))
    if len(states):
        _walk_states(table, events[states], lines[states])
    closes = states[events["new_state"][states] == wire.CLOSE]
    ended = lines[closes]
    listeners = events["old_state"][closes] == wire.LISTEN
    table.rows["flags"][ended[listeners]] |= TOLD  # a listener's end is nobody's life
    return lines, ended


def _reopened(table: Table, events: np.ndarray, lines: np.ndarray) -> np.ndarray:
    """Give a socket that connects again a line of its own: each connection is a life, though the cookie stays."""
    opens = (events["kind"] == wire.STATE) & (events["old_state"] == wire.CLOSE)
    candidates = np.flatnonzero(opens & (lines >= 0))
    if not len(candidates):
        return lines
    order, starts = table.grouped(lines[candidates])
    again = np.ones(len(order), bool)
    again[starts] = (table.rows["flags"][lines[candidates][order[starts]]] & CLOSED) != 0
    for place in np.sort(candidates[order[again]]):  # seldom: one by one
        old = lines[place]
        later = (lines == old) & (np.arange(len(lines)) >= place)
        lines[later] = table.succeed(int(old))
    return lines


def _note_ends(table: Table, events: np.ndarray, lines: np.ndarray, known: np.ndarray) -> None:
    """Addresses, from each connection's newest event. A SYN_SENT precedes the choice of the local port: 0 until then."""
    newest = known[table.last_of_each(lines[known])]
    at = lines[newest]
    for name in _ENDPOINTS:
        table.rows[name][at] = events[name][newest]
    table.rows["changed_ns"][at] = events["time_ns"][newest]
    ported = known[events["lport"][known] != 0]
    newest = ported[table.last_of_each(lines[ported])]
    table.rows["lport"][lines[newest]] = events["lport"][newest]


def _note_counters(table: Table, events: np.ndarray, lines: np.ndarray) -> None:
    """The counters are cumulative, so the newest event of each connection says it all."""
    full = np.flatnonzero((events["flags"] & wire.EVENT_SOCKET != 0) & (lines >= 0))
    newest = full[table.last_of_each(lines[full])]
    at = lines[newest]
    for name in (*COUNTERS, "ca_state", "error"):
        table.rows[name][at] = events[name][newest]
    fin = np.where(events["flags"][newest] & wire.EVENT_FIN_RECEIVED, FIN_RECEIVED, 0).astype(np.uint8)
    table.rows["flags"][at] |= fin | np.uint8(HAS_COUNTERS)
    turned = newest[events["kind"][newest] == wire.CONGESTION]  # the hook comes before the socket's own field
    table.rows["ca_state"][lines[turned]] = events["reason"][turned]


def _note_actors(table: Table, events: np.ndarray, lines: np.ndarray) -> None:
    """Who held the socket's lock is its user. The opener stays the owner; later actors count only where none is known."""
    acted = np.flatnonzero((events["pid"] != 0) & (lines >= 0))
    opener = (events["old_state"][acted] == wire.CLOSE) & (events["kind"][acted] == wire.STATE)
    acted = acted[opener | (table.rows["pid"][lines[acted]] == 0)]
    newest = acted[table.last_of_each(lines[acted])]
    at = lines[newest]
    table.rows["pid"][at] = events["pid"][newest]
    table.rows["comm"][at] = events["comm"][newest]


def _note_half_open(table: Table, events: np.ndarray, lines: np.ndarray) -> None:
    """A repeated SYN-ACK tells of a half-open connection, and when its first SYN-ACK left."""
    repeated = np.flatnonzero((events["kind"] == wire.SYNACK_RETRANSMIT) & (lines >= 0))
    newest = repeated[table.last_of_each(lines[repeated])]
    newest = newest[table.rows["path_len"][lines[newest]] == 0]
    begin_half_open(table, lines[newest], events["since_ns"][newest])
    table.rows["retrans"][lines[newest]] = events["count"][newest]


def begin_half_open(table: Table, lines: np.ndarray, since_ns: np.ndarray) -> None:
    """Start lives with a request socket; since_ns: when its first SYN-ACK left."""
    table.rows["state"][lines] = wire.SYN_RECV
    table.rows["role"][lines] = SERVER
    table.rows["opened_ns"][lines] = since_ns
    table.rows["path_len"][lines] = 1
    table.rows["path_state"][lines, 0] = wire.SYN_RECV
    table.rows["path_ns"][lines, 0] = since_ns


def _count_resets(table: Table, events: np.ndarray, lines: np.ndarray) -> None:
    for kind, name in ((wire.RESET_SENT, "resets_sent"), (wire.RESET_RECEIVED, "resets_received")):
        np.add.at(table.rows[name], lines[(events["kind"] == kind) & (lines >= 0)], np.uint8(1))


def _walk_states(table: Table, events: np.ndarray, lines: np.ndarray) -> None:
    """Append each connection's new states to its path and move it to the last of them. events: all of kind STATE."""
    order, starts = table.grouped(lines)
    events, lines = events[order], lines[order]
    rows = table.rows
    first = np.zeros(len(lines), bool)
    first[starts] = True
    old, new, time_ns = events["old_state"], events["new_state"], events["time_ns"]

    before = np.concatenate(([0], new[:-1])).astype(np.uint8)
    before[starts] = rows["state"][lines[starts]]
    unborn = first & (rows["path_len"][lines] == 0)
    broken = np.where(unborn, ~np.isin(old, (wire.CLOSE, wire.LISTEN)), old != before)
    waits = _leaves_time_wait(events, rows["resets_sent"][lines])
    entered = np.where(waits, wire.TIME_WAIT, new)
    adds = (new != wire.CLOSE) | waits

    _note_openings(table, events, lines, unborn)
    entries = broken.astype(np.int64) + adds
    running = np.cumsum(entries) - entries
    group = np.cumsum(first) - 1
    place = running - running[starts][group] + rows["path_len"][lines]
    _write_path(rows, lines[broken], place[broken], old[broken], _began(events, unborn)[broken])
    _write_path(rows, lines[adds], (place + broken)[adds], entered[adds], time_ns[adds])

    last = np.concatenate((starts[1:], [len(lines)])) - 1
    at = lines[last]
    rows["path_len"][at] = np.minimum(place[last] + entries[last], PATH)
    lingers = (new == wire.CLOSE) & (old == wire.FIN_WAIT2) & ~waits & _ended_well(events, rows["resets_sent"][lines])
    rows["state"][at] = np.where(lingers, wire.FIN_WAIT2, entered)[last]

    opened = np.flatnonzero((new == wire.ESTABLISHED) & np.isin(old, (wire.SYN_SENT, wire.SYN_RECV)))
    rows["established_ns"][lines[opened]] = time_ns[opened]
    closed = np.flatnonzero(new == wire.CLOSE)
    rows["closed_ns"][lines[closed]] = time_ns[closed]
    rows["flags"][lines[closed]] |= CLOSED


def _note_openings(table: Table, events: np.ndarray, lines: np.ndarray, unborn: np.ndarray) -> None:
    """Role and time of opening, where this batch holds the opening."""
    rows = table.rows
    active = np.flatnonzero((events["old_state"] == wire.CLOSE) & (events["new_state"] == wire.SYN_SENT))
    rows["role"][lines[active]] = CLIENT
    rows["opened_ns"][lines[active]] = events["time_ns"][active]
    passive = np.flatnonzero((events["old_state"] == wire.SYN_RECV) & (rows["role"][lines] == UNKNOWN_ROLE))
    rows["role"][lines[passive]] = SERVER
    passive = passive[unborn[passive]]
    began = _began(events, unborn)[passive]
    rows["opened_ns"][lines[passive]] = np.where(began, began, events["time_ns"][passive])


def _began(events: np.ndarray, unborn: np.ndarray) -> np.ndarray:
    """When the state that an event leaves was entered, where the event itself tells: the child of a request socket
    starts with the round trip of its SYN-ACK as its only RTT sample (tcp_synack_rtt_meas), unless one was repeated."""
    measured = (
        unborn
        & (events["old_state"] == wire.SYN_RECV)
        & (events["new_state"] == wire.ESTABLISHED)
        & (events["retrans"] == 0)
        & (events["srtt_us"] != 0)
    )
    return np.where(measured, events["time_ns"] - events["srtt_us"].astype(np.uint64) * np.uint64(1000), 0)


def _leaves_time_wait(events: np.ndarray, resets_sent: np.ndarray) -> np.ndarray:
    """Closes that left a TIME_WAIT socket behind: both FINs were seen and nothing went wrong. (tcp_time_wait() makes
    the small object first and then closes the full one.)"""
    both_fins = (events["old_state"] == wire.CLOSING) | (
        (events["old_state"] == wire.FIN_WAIT2) & (events["flags"] & wire.EVENT_FIN_RECEIVED != 0)
    )
    return (events["new_state"] == wire.CLOSE) & both_fins & _ended_well(events, resets_sent)


def _ended_well(events: np.ndarray, resets_sent: np.ndarray) -> np.ndarray:
    return (events["error"] == 0) & (resets_sent == 0)


def _write_path(
    rows: np.ndarray, lines: np.ndarray, place: np.ndarray, states: np.ndarray, times_ns: np.ndarray
) -> None:
    place = np.minimum(place, PATH - 1)
    rows["path_state"][lines, place] = states
    rows["path_ns"][lines, place] = times_ns
