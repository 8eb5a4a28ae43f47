"""A frame's events, with the columns that everybody asks for read once. Knows the table's lines by number only."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from tcpwatch import wire

_COLUMNS = ("cookie", "netns", "time_ns", "pid", "lport", "kind", "old_state", "new_state", "flags")
_PIECE = 16  # bytes


def _pieces() -> Iterator[tuple[int, np.dtype]]:
    """(offset, type) of pieces of an event that hold all columns, each with those that lie in it."""
    assert wire.EVENT.fields is not None
    left = sorted((wire.EVENT.fields[name][1], name) for name in _COLUMNS)
    while left:
        begin = left[0][0] // 8 * 8
        held = [(at - begin, name) for at, name in left if at + wire.EVENT[name].itemsize <= begin + _PIECE]
        left = left[len(held) :]
        names = [name for _, name in held]
        size = 8 if held[-1][0] + wire.EVENT[names[-1]].itemsize <= 8 else _PIECE
        formats = [wire.EVENT[name] for name in names]
        shape = {"names": names, "formats": formats, "offsets": [at for at, _ in held], "itemsize": size}
        yield begin, np.dtype(shape)  # type: ignore[call-overload]


_PIECES = tuple(_pieces())


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
    others: np.ndarray = field(init=False)  # positions of all but state changes, intp
    lines: np.ndarray = field(init=False)  # in the table, intp, once they were looked up

    def __post_init__(self) -> None:
        self.tells = (self.old != wire.CLOSE) | (self.new != wire.CLOSE)
        self.others = np.flatnonzero(self.kind != wire.STATE)
        self.lines = np.full(len(self.events), -1)

    @classmethod
    def of(cls, events: np.ndarray) -> Self:
        columns: dict[str, np.ndarray] = {}
        for begin, shape in _PIECES:  # each costs a look at every record; its columns lie close together then
            piece = events.getfield(f"V{shape.itemsize}", begin).copy().view(shape)
            columns |= {name: piece[name].copy() for name in shape.names or ()}
        return cls(events, *(columns[name] for name in _COLUMNS))

    def of_kind(self, *kinds: int) -> np.ndarray:
        """Positions of events of these kinds, none of them STATE."""
        if not len(self.others):
            return self.others
        found = self.kind[self.others]
        return self.others[np.logical_or.reduce([found == kind for kind in kinds])]

    def repeats(self) -> tuple[np.ndarray, np.ndarray]:
        """Positions of events that tell of segments sent again, and how many: a SYN-ACK's `count` is how often it has
        been repeated so far, and an errno in `reason` means that the attempt did not even leave."""
        at = self.of_kind(wire.RETRANSMIT, wire.SYNACK_RETRANSMIT)
        at = at[self.flags[at] & wire.EVENT_REASON == 0]
        return at, np.where(self.kind[at] == wire.RETRANSMIT, self.events["count"][at], 1)

    def only(self, at: np.ndarray) -> Self:
        """Those at the positions `at`; their lines are yet to be looked up."""
        columns = (self.cookie, self.netns, self.time_ns, self.pid, self.lport, self.kind, self.old, self.new)
        return type(self)(self.events.take(at), *(column[at] for column in (*columns, self.flags)))
