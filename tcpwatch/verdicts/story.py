"""One row read out: plain numbers, the path, and the facts about it, for whoever puts it into words."""

from collections.abc import Callable
from functools import cached_property

import numpy as np

from tcpwatch import rows as shape
from tcpwatch import wire
from tcpwatch.verdicts import amounts
from tcpwatch.verdicts.facts import Facts
from tcpwatch.words import clean


class Story:
    """The row at place `at` of the facts."""

    def __init__(self, facts: Facts, at: int) -> None:
        self.facts = facts
        self.at = at
        self.row = facts.rows[at]
        self.now_ns = int(facts.now_ns)

    def __getitem__(self, name: str) -> int:
        return int(self.row[name])

    def fact(self, column: np.ndarray) -> int:
        return int(column[self.at])

    def holds(self, condition: Callable[[Facts], np.ndarray]) -> bool:
        return bool(self.facts.once(condition)[self.at])

    def cause(self, cause: int) -> int:
        return int(self.row["causes"][cause]) if self["again_ns"] else 0

    @property
    def ended(self) -> bool:
        return bool(self["flags"] & shape.CLOSED)

    @property
    def last(self) -> int:
        return int(self.facts.last[self.at])

    @property
    def who(self) -> str:
        """`nginx (812)`, or `Its process` where that is not known: what a sentence begins with."""
        name = clean(bytes(self.row["comm"]))
        return f"{name or 'Process'} ({self['pid']})" if self["pid"] else "Its process"

    @property
    def by_whom(self) -> str:
        """The same within a sentence."""
        return self.who if self["pid"] else "its process"

    @property
    def error(self) -> str:
        return amounts.error_name(self["error"])

    @cached_property
    def path(self) -> tuple[tuple[int, int], ...]:
        """(state, when it was entered or 0) in order."""
        length = min(self["path_len"], shape.PATH)
        return tuple(zip(self.row["path_state"][:length].tolist(), self.row["path_ns"][:length].tolist()))

    @property
    def end_ns(self) -> int:
        """When it ended, or now; 0 where nobody saw the end."""
        return self["closed_ns"] if self.ended else self.now_ns

    def span(self, from_ns: int, to_ns: int) -> str | None:
        """The time between; None where one of them is unknown."""
        return amounts.span(to_ns - from_ns) if 0 < from_ns <= to_ns else None

    def after(self, from_ns: int, to_ns: int, words: str = " after {}") -> str:
        """Such as ` after 7.0 s`; nothing where the time is unknown."""
        span = self.span(from_ns, to_ns)
        return words.format(span) if span is not None else ""

    @property
    def reason(self) -> str | None:
        """The kernel's name for why it sent the newest reset, None where it gave none."""
        if not self["reset_flags"] & wire.EVENT_REASON or not self.facts.reason_given[self.at]:
            return None
        return clean(self.facts.reasons[self["reset_reason"]])

    @property
    def payload_sent(self) -> int:
        return max(self["bytes_sent"] - self["bytes_retrans"], 0)

    @property
    def payload_received(self) -> int:
        """The FIN counts as a byte in the kernel."""
        fin = bool(self["flags"] & shape.FIN_RECEIVED)
        return max(self["bytes_received"] - fin, 0)

    def ticks(self, name: str) -> int:
        """Nanoseconds."""
        return self[name] * 1_000_000_000 // max(self.facts.hz, 1)

    def share(self, name: str) -> float:
        """Of the time with data to send."""
        return self[name] / max(self["busy_ticks"], 1)
