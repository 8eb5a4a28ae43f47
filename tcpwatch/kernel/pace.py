"""How often is the kernel asked? Knows nothing of what it is asked."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """How often to look, in seconds. Snapshots and owners cost in proportion to the sockets there are, so each waits
    until it has used no more than `share` of the time since the last one."""

    tick: float = 0.1
    snapshot: float = 1.0
    owners: float = 0.25
    share: float = 0.03


class Timer:
    """Says when a costly look is due again: not before `period`, nor before its cost has fallen to `share` of a core.
    What counts is CPU time: that others keep the machine busy is a reason to look, not to look away."""

    def __init__(self, period: float, share: float) -> None:
        self._period, self._share = period, share
        self._next = 0.0

    def due(self, now: float) -> bool:
        return now >= self._next

    def ran(self, begin: float, cost: float) -> None:
        self._next = begin + max(self._period, cost / self._share)
