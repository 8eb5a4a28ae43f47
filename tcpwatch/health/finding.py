"""The shape of a finding: one thing that is wrong with the whole machine, or a part of it. Knows no rules."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Literal

Page = Literal["connections", "listeners", "ports", "idle", "probes"]


@dataclass(frozen=True, slots=True)
class Lead:
    """Where to look closer. expression: the filter that picks the connections concerned; closed: some of them have
    ended. row: the lasting name of the line of a listener (netns, cookie), or of ports (netns, laddr, raddr, rport)."""

    page: Page
    expression: str = ""
    closed: bool = False
    row: Hashable = None


@dataclass(frozen=True, slots=True)
class Finding:
    """code and subject are its lasting name: what is wrong, and with whom. severity: LOW, MEDIUM or HIGH of
    tcpwatch.verdicts. what, where, numbers: a few words each, which make a line. count: how many connections, listeners
    or facts it concerns. strength: how far the threshold is passed; 1 opens a finding, a half keeps it open. since_ns:
    when it began, Unix time of a view's findings and CLOCK_MONOTONIC (0: unknown) of those a rule just made;
    earlier: perhaps before tcpwatch did."""

    code: str
    subject: Hashable
    severity: int
    what: str
    where: str
    numbers: str
    sentence: str
    advice: tuple[str, ...]
    count: int
    lead: Lead
    strength: float = 1.0
    since_ns: int = 0
    earlier: bool = False
