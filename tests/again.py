"""Was a test shown what really happened? Not where a softirq came upon a running BPF program, which the kernel does not
run within itself: what it did then nobody tells. Nor where the kernel ran none for another reason (kernel/unheard.py),
or the machine stood still, and timers ran out that a play relies on. Such a test is played again if it failed; every
other failure stands."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import pytest

from tcpwatch.errors import TcpwatchError
from tests.kernel import unheard
from tests.scenarios.standstill import Standstill

PLAYS = 5  # at the most

Seen = TypeVar("Seen")
_skipped = 0


def note_skipped(count: int) -> None:
    """So many calls of programs that the present test looks through were left out (tests.kernel.witness.skipped)."""
    global _skipped
    _skipped += count


class Disturbance:
    """What came between a play and the truth, since it began."""

    def __init__(self, still: Standstill) -> None:
        self._still = still
        self._before = _skipped + unheard.count()
        self._begin = time.monotonic()

    @property
    def left_out(self) -> int:
        """Calls of hooks."""
        return _skipped + unheard.count() - self._before

    def __str__(self) -> str:
        """Empty if there was none."""
        if self.left_out:
            return f"the kernel left out a hook {self.left_out} times"
        return "the machine stood still" if self._still.since(self._begin) else ""


@contextmanager
def watched() -> Iterator[Disturbance]:
    """Looks out for disturbances."""
    with Standstill() as still:
        yield Disturbance(still)


def played(once: Callable[[], list[pytest.TestReport]], tell: Callable[[str], object]) -> list[pytest.TestReport]:
    """The reports of the first play that passed or was undisturbed, or else of the last. tell: given a sentence for
    each that does not count."""
    for _ in range(PLAYS - 1):
        with watched() as disturbance:
            reports = once()
            why = str(disturbance) if any(report.failed for report in reports) else ""
        if not why:
            return reports
        tell(f"{why}: played again")
    return once()


def undisturbed(once: Callable[[], Seen], plays: int) -> Seen:
    """What the first undisturbed play showed, or else the last. For what many tests look at and cannot judge before."""
    for _ in range(plays - 1):
        with watched() as disturbance:
            try:
                seen = once()
            except (AssertionError, TcpwatchError):
                if not str(disturbance):
                    raise
                continue
            if not str(disturbance):
                return seen
    return once()
