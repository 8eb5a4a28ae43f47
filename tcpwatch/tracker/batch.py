"""A frame's events, with the columns that everybody asks for read once. Knows the table's lines by number only."""

from dataclasses import dataclass, field
from typing import Self

import numpy as np

from tcpwatch import wire

_COLUMNS = ("cookie", "netns", "time_ns", "pid", "lport", "kind", "old_state", "new_state", "flags")


@dataclass(slots=True)
class Batch:
    """Events, oldest first for each socket, and columns of the same length."""

    events: np.ndarray  # wire.EVENT
    cookie: np.ndarray
    netns: np.ndarray
    time_ns: np.ndarray
    pid: np.ndarray
    lport: np.ndarray
    kind: np.ndarray
    old: np.ndarray
    new: np.ndarray
    flags: np.ndarray
    tells: np.ndarray = field(init=False)  # of a socket: of one closed already, addresses and counters may be wiped
    lines: np.ndarray = field(init=False)  # in the table, intp, once they were looked up

    def __post_init__(self) -> None:
        self.tells = (self.old != wire.CLOSE) | (self.new != wire.CLOSE)
        self.lines = np.full(len(self.events), -1)

    @classmethod
    def of(cls, events: np.ndarray) -> Self:
        return cls(events, *(events[name].copy() for name in _COLUMNS))

    def only(self, at: np.ndarray) -> Self:
        """Those at the positions `at`; their lines are yet to be looked up."""
        columns = (self.cookie, self.netns, self.time_ns, self.pid, self.lport, self.kind, self.old, self.new)
        return type(self)(self.events.take(at), *(column[at] for column in (*columns, self.flags)))
