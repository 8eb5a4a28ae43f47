"""What a transport bar gets to see of a player, and the speeds there are. Shapes only; no threads, no files."""

from dataclasses import dataclass
from math import inf
from typing import Literal

from tcpwatch.replay.marks import Marks

SPEEDS = (0.25, 0.5, 1.0, 2.0, 4.0, 10.0, 30.0, 100.0, 300.0, 1000.0, inf)
"""Of the recording's seconds per second; inf: as fast as possible."""

State = Literal["playing", "paused", "ended", "following"]


@dataclass(frozen=True, slots=True)
class Transport:
    """Times are Unix ns; offset_ns: from those of the marks to Unix time. state: ended: nothing comes after what is
    shown; following: the file is not complete, and what is added to it is shown when it is there. known_from_ns: what
    happened before it is not in the picture; None: everything since the beginning is. busy: on its way to another time.
    scanned: 0..1, how much was searched for findings. mark: what the player was last sent to by a mark; "". notes: what
    is wrong with the file, the worst first."""

    begin_ns: int
    end_ns: int
    now_ns: int
    state: State
    speed: float
    marks: Marks
    offset_ns: int
    known_from_ns: int | None = None
    busy: bool = False
    scanned: float = 0.0
    mark: str = ""
    notes: tuple[str, ...] = ()

    @property
    def still(self) -> bool:
        """Time does not move."""
        return self.state in ("paused", "ended")


def faster(speed: float) -> float:
    return next((one for one in SPEEDS if one > speed), SPEEDS[-1])


def slower(speed: float) -> float:
    return next((one for one in reversed(SPEEDS) if one < speed), SPEEDS[0])
