"""Short ways to write down events, snapshots and frames."""

from typing import Any

import numpy as np

from tcpwatch import wire
from tcpwatch.frame import Frame, Snapshot

from .machine import HOST, SECOND_NS

START_NS = 1000 * SECOND_NS
CLIENT_LIFE = ((7, 2), (2, 1), (1, 4), (4, 5), (5, 7))
SERVER_LIFE = ((3, 1), (1, 8), (8, 9), (9, 7))


def fill(dtype: np.dtype[Any], facts: list[dict[str, Any]], **common: Any) -> np.ndarray:
    array = np.zeros(len(facts), dtype)
    for place, one in enumerate(facts):
        for name, value in (common | one).items():
            array[name][place] = value
    return array


def moves(*changes: tuple[int, int], at: float = 0.0, **common: Any) -> np.ndarray:
    """State changes of one socket, a millisecond apart, the first `at` seconds after START_NS."""
    times = [START_NS + int(at * SECOND_NS) + i * 1_000_000 for i in range(len(changes))]
    facts = [{"old_state": old, "new_state": new, "time_ns": t} for (old, new), t in zip(changes, times)]
    return fill(wire.EVENT, facts, **{"cookie": 1, "netns": 1, "flags": wire.EVENT_SOCKET, "lport": 5000, **common})


def event(kind: int, state: int, at: float = 0.0, **more: Any) -> np.ndarray:
    """One event that changes no state."""
    return moves((state, state), at=at, kind=kind, **more)


def sockets(*facts: dict[str, Any], **common: Any) -> np.ndarray:
    return fill(wire.SOCKET, list(facts), **{"cookie": 1, "netns": 1, **common})


def owners(*facts: dict[str, Any], **common: Any) -> np.ndarray:
    return fill(wire.OWNER, list(facts), **{"cookie": 1, "netns": 1, **common})


def frame(
    end: float,
    *events: np.ndarray,
    snapshot: np.ndarray | None = None,
    begin: float | None = None,
    netns: frozenset[int] = frozenset({1}),
    **more: Any,
) -> Frame:
    """A frame that ends `end` seconds after START_NS. snapshot: taken from `begin` (the frame's end) on."""
    end_ns = START_NS + int(end * SECOND_NS)
    begin_ns = end_ns if begin is None else START_NS + int(begin * SECOND_NS)
    taken = None if snapshot is None else Snapshot(begin_ns, end_ns, snapshot, netns)
    return Frame(START_NS, end_ns, HOST, np.concatenate([np.empty(0, wire.EVENT), *events]), taken, **more)
