"""How things stand at one moment: live connections by state and trouble, listeners' queues, local ports. Reads a view;
knows nothing of what went before."""

import numpy as np

from tcpwatch import wire
from tcpwatch.metrics.book import Book
from tcpwatch.metrics.columns import columns
from tcpwatch.metrics.keys import FACTS
from tcpwatch.metrics.series import Group
from tcpwatch.rows import CLOSED
from tcpwatch.tracker.columns import parts
from tcpwatch.tracker.view import View

_QUEUES = {
    "listener_accept_queue_length": "accept_queue",
    "listener_accept_queue_limit": "accept_limit",
    "listener_syn_queue_length": "half_open",
    "listener_syn_queue_limit": "syn_limit",
}
_OF_LISTENERS = ("listener_drops", "listener_overflows", "listener_synack_retransmits", "listener_accepts")
_PORTS = {"ports_used": "used", "ports_time_wait": "time_wait", "ports_free": "free", "ports_available": "ports"}
_NEW_SYN_RECV = 12  # a request socket: to a reader the same state
_ALL_PORTS = 1 << 16


def show(book: Book, view: View) -> None:
    _connections(book, view.connections)
    _listeners(book, view)
    _ports(book, view.ports)


def _connections(book: Book, connections: np.ndarray) -> None:
    state, alive = connections["state"], connections["flags"] & CLOSED == 0
    waits = (state == wire.TIME_WAIT) | (state == wire.FIN_WAIT2)
    lines = np.flatnonzero((alive | waits) & (state != wire.LISTEN) & (state != wire.CLOSE))
    codes = np.empty(len(lines), np.intp)
    for part in parts(len(lines)):
        codes[part] = book.services.of(book.entries(book.keys.of(columns(connections, FACTS, lines[part]))))
    states = state[lines].astype(np.intp)
    states[states == _NEW_SYN_RECV] = wire.SYN_RECV
    states[states >= len(wire.STATES)] = 0
    book.gauges["connections"].show(Group(codes), own=states)
    verdicts = np.where(alive[lines], connections["verdict"][lines], 0)
    ailing = np.flatnonzero(verdicts)
    book.gauges["connections_ailing"].show(Group(codes[ailing]), own=verdicts[ailing].astype(np.intp))


def _listeners(book: Book, view: View) -> None:
    rows = view.listening.rows
    listeners = columns(view.connections, FACTS, rows["at"])
    group = Group(book.listeners.of(book.entries(book.keys.of(listeners, listening=True))))
    for name, field in _QUEUES.items():
        book.gauges[name].show(group, rows[field])
    with np.errstate(divide="ignore", invalid="ignore"):
        fill = np.where(rows["accept_limit"] > 0, rows["accept_queue"] / rows["accept_limit"], np.nan)
    book.gauges["listener_accept_queue_fill_ratio"].show_worst(group, fill, np.fmax)
    for name in _OF_LISTENERS:
        book.counters[name].know(group)


def _ports(book: Book, lines: np.ndarray) -> None:
    """Of each group the destination with the fewest ports left; where nobody knows, with the most in use."""
    codes = book.destinations.of(book.entries(book.keys.of_destinations(lines)))
    left = np.where(np.isnan(lines["free"]), _ALL_PORTS - lines["used"], lines["free"])
    order = np.argsort(-left)
    worst = np.full(int(codes.max(initial=-1)) + 1, -1)
    worst[codes[order]] = order  # of several, the last assignment stays
    worst = worst[worst >= 0]
    for name, field in _PORTS.items():
        book.gauges[name].show(Group(codes[worst]), lines[field][worst])
    book.gauges["ports_exhaustion_seconds"].show_worst(Group(codes), lines["exhausted_s"], np.fmin)
