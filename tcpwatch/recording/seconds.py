"""How much happened in each second? The line of a recording that a time line is drawn from, counted as frames are
written and carried in the headers, so that nobody has to unpack the frames for it."""

from collections.abc import Sequence

import numpy as np

from tcpwatch import wire
from tcpwatch.frame import Frame
from tcpwatch.recording.format import MOST_LINES, SECOND

_SECOND_NS = 1_000_000_000
_NAMES = ("events", "opened", "closed", "retransmits", "resets")
_MOST = 0xFFFFFFFF


def count_seconds(frames: Sequence[Frame], before: np.ndarray) -> np.ndarray:
    """SECOND, of the seconds in which the frames end, oldest first. before: the tally before the first of them."""
    ends = np.array([frame.end_ns // _SECOND_NS for frame in frames], np.uint64)
    times, which = np.unique(ends, return_inverse=True)
    totals = np.zeros((len(times), len(_NAMES)), np.int64)
    lost = np.zeros(len(times), np.int64)
    for frame, place in zip(frames, which.tolist()):
        totals[place] += _counts(frame.events)
        grown = frame.tally["lost"] - before["lost"]
        lost[place] += int(grown[grown < 1 << 63].sum())
        before = frame.tally
    seconds = np.zeros(len(times), SECOND)
    seconds["time_ns"] = times * np.uint64(_SECOND_NS)
    for name, column in zip(_NAMES, totals.T):
        seconds[name] = np.minimum(column, _MOST)
    seconds["lost"] = np.minimum(lost, _MOST)
    return seconds[:MOST_LINES]


def _counts(events: np.ndarray) -> tuple[int, ...]:
    if not len(events):
        return (0,) * len(_NAMES)
    kind, old, new = (events[name].copy() for name in ("kind", "old_state", "new_state"))
    moved = (kind == wire.STATE) & (old != new)
    opened = moved & (new == wire.ESTABLISHED) & ((old == wire.SYN_SENT) | (old == wire.SYN_RECV))
    closed = moved & (new == wire.CLOSE) & (old != wire.LISTEN)
    again = (kind == wire.RETRANSMIT) | (kind == wire.SYNACK_RETRANSMIT)
    resets = (kind == wire.RESET_SENT) | (kind == wire.RESET_RECEIVED)
    return len(events), *(int(np.count_nonzero(mask)) for mask in (opened, closed, again, resets))


def merge(parts: Sequence[np.ndarray]) -> np.ndarray:
    """SECOND, sorted, each second once with the sums of its lines."""
    lines = np.frombuffer(
        b"".join(part.tobytes() for part in parts), SECOND
    )  # NumPy takes its time over many structures
    times, which = np.unique(lines["time_ns"], return_inverse=True)
    merged = np.zeros(len(times), SECOND)
    merged["time_ns"] = times
    for name in SECOND.names[1:] if SECOND.names else ():
        merged[name] = np.minimum(np.bincount(which, lines[name], len(times)), _MOST)
    return merged
