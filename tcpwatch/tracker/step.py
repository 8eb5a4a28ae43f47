"""What folding one frame brought: the hand-over from the tracker to faces that follow the stream."""

from collections.abc import Mapping
from dataclasses import dataclass

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
