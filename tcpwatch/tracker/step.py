"""What folding one frame brought: the hand-over from the tracker to faces that follow the stream."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from tcpwatch.frame import Frame, Process


@dataclass(frozen=True, slots=True)
class Step:
    """Valid until the next fold: `table` is the tracker's own, not a copy."""

    frame: Frame
    rows: np.ndarray  # (len(frame.events),) intp: each event's line in table; -1: none (a reset for a closed port)
    table: np.ndarray  # rows.ROW; lines with cookie 0 are free, and in no snapshot
    lives: np.ndarray  # rows.ROW, copies of the connections that ended and were not told before
    lost: np.ndarray  # (KINDS,) u8, records lost since the previous frame, by kind
    cgroups: Mapping[int, str]
    namespaces: Mapping[int, str]
    processes: Mapping[int, Process]
    ended: np.ndarray = field(default_factory=lambda: np.empty(0, np.intp))  # (len(lives),) each life's line in table
    kinds: np.ndarray = field(default_factory=lambda: np.empty(0, np.uint8))  # of the frame's events, as their columns
    new_states: np.ndarray = field(default_factory=lambda: np.empty(0, np.uint8))
