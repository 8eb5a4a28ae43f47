"""Draws the listeners of a View: their queues now, what became of handshakes, who owns them, and their last minutes."""

import numpy as np

from tcpwatch import wire
from tcpwatch.rows import CLOSED, LISTENER
from tcpwatch.tracker.hints import hints
from tcpwatch.tracker.listeners import Listeners
from tcpwatch.tracker.table import Table
from tcpwatch.tracker.view import NOBODY, Listening

_SAME = ("cookie", "netns", "laddr", "lport", "family", "marks")
_MEASURED = ("accept_queue", "accept_limit", "half_open", "half_open_young", "syn_limit", "drops")
_COUNTED = ("overflows", "cookies_sent", "cookies_accepted", "cookies_rejected")


def draw_listeners(listeners: Listeners, table: Table, offset_ns: int) -> Listening:
    """The connections of the view must be the table's live lines, in order."""
    known, points = listeners.known, listeners.points
    if len(points) != len(known):  # nobody wanted to look
        return NOBODY
    lines = table.index.find(known["cookie"].copy(), known["netns"].copy())
    here = np.flatnonzero(lines >= 0)
    rows = table.rows
    here = here[(rows["state"][lines[here]] == wire.LISTEN) & (rows["flags"][lines[here]] & CLOSED == 0)]
    here = here[np.argsort(lines[here])]
    known, points, lines = known[here], points[here], lines[here]
    drawn = np.empty(len(known), LISTENER)
    drawn["at"] = np.searchsorted(table.live(), lines)
    drawn["pid"], drawn["comm"] = rows["pid"][lines], rows["comm"][lines]
    for name in _SAME:
        drawn[name] = known[name]
    for name in _MEASURED:
        drawn[name] = np.where(known["missed"], np.nan, known[name])
    counted = listeners.counted()[here]
    for name in _COUNTED:
        drawn[name] = np.where(counted, known[name], np.nan)
    drawn["drops_lately"] = points["drops"]
    drawn["synack_retrans"] = known["synack_retrans"]
    drawn["accepts_s"] = points["accepts"] / listeners.seconds
    times, past = listeners.backlog.picture(here)
    drawn["hint"] = hints(drawn, times, past)
    times += np.uint64(offset_ns)
    for array in (drawn, times, past):
        array.setflags(write=False)
    return Listening(drawn, times, past)
