"""Is it time to write out what was kept? When a finding of some severity appears, but not for every one of a storm.
Has no clock: time is what it is told."""

from collections.abc import Hashable, Sequence

from tcpwatch.health import Finding

GAP_NS = 60_000_000_000  # between two alarms: what appears meanwhile shares the second
SETTLE_NS = 3_000_000_000  # what is found so soon was there before, and how it came about is in nobody's memory


class Alarm:
    """severity: LOW, MEDIUM or HIGH of tcpwatch.verdicts. again_ns: so long a code that gave the alarm gives none."""

    def __init__(self, severity: int, again_ns: int) -> None:
        self._severity, self._again_ns = severity, again_ns
        self._present: set[tuple[str, Hashable]] = set()
        self._given: dict[str, int] = {}  # when, by code
        self._waiting: list[Finding] = []
        self._began_ns: int | None = None
        self._last_ns: int | None = None

    def look(self, findings: Sequence[Finding], now_ns: int) -> list[Finding]:
        """Those to raise the alarm for, the worst first; mostly none. findings: all there are now."""
        if self._began_ns is None:
            self._began_ns = now_ns
        severe = [one for one in findings if one.severity >= self._severity]
        for one in severe:
            if (one.code, one.subject) not in self._present and self._may_give(one.code, now_ns):
                self._given[one.code] = now_ns
                self._waiting.append(one)
        self._present = {(one.code, one.subject) for one in severe}
        if not self._waiting or (self._last_ns is not None and now_ns - self._last_ns < GAP_NS):
            return []
        given, self._waiting, self._last_ns = self._waiting, [], now_ns
        return sorted(given, key=lambda one: -one.severity)

    def _may_give(self, code: str, now_ns: int) -> bool:
        assert self._began_ns is not None
        given_ns = self._given.get(code)
        return now_ns - self._began_ns >= SETTLE_NS and (given_ns is None or now_ns - given_ns >= self._again_ns)
