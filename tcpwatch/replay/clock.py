"""Which moment of the recording is it now? Runs at a speed, stands still, is set. Knows no time of its own: that is an
argument."""

from math import inf, isinf

_NEVER_NS = 1 << 62


class Clock:
    """wall_ns: any clock that only goes forward. Moments are CLOCK_MONOTONIC of the recorded machine."""

    def __init__(self) -> None:
        self.speed = 1.0
        self.running = False
        self._from_ns = 0
        self._since_ns = 0

    def moment_ns(self, wall_ns: int) -> int:
        """Far in the future where it runs as fast as possible."""
        if not self.running:
            return self._from_ns
        passed_ns = wall_ns - self._since_ns
        return _NEVER_NS if isinf(self.speed) else self._from_ns + int(passed_ns * self.speed)

    def set(self, moment_ns: int, wall_ns: int) -> None:
        self._from_ns, self._since_ns = moment_ns, wall_ns

    def run(self, running: bool, speed: float, wall_ns: int, shown_ns: int) -> None:
        """From what is shown now on."""
        self.set(shown_ns, wall_ns)
        self.running, self.speed = running, speed

    def hold_back(self, shown_ns: int, wall_ns: int, most_ns: int) -> None:
        """It must not run away from what is shown by more than most_ns of real time: what cannot be kept up with is
        played slower, and not skipped."""
        if not isinf(self.speed) and self.moment_ns(wall_ns) - shown_ns > most_ns * self.speed:
            self.set(shown_ns + int(most_ns * self.speed), wall_ns)

    def until_s(self, moment_ns: int, wall_ns: int) -> float:
        """How long it takes until then; inf: it stands still."""
        if not self.running:
            return inf
        return max(0.0, (moment_ns - self.moment_ns(wall_ns)) / 1e9 / self.speed)
