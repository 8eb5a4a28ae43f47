"""What the rules look at: the machine as one picture shows it, with what the last minute brought. Judges nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from tcpwatch import rows as shape
from tcpwatch import wire
from tcpwatch.frame import Probe
from tcpwatch.health.groups import GROUP


@dataclass(frozen=True)
class Scene:
    """connections: rows.CONNECTION. listeners: (n,) rows.LISTENER; times_ns: (p,) u8, points: (n, p) rows.POINT. ports:
    rows.PORTS. idle: rows.IDLE. troubled: groups.GROUP, who had what verdict within a minute, or has it now; ends: how
    many connections ended in that minute, by GROUP.service. counted: by namespace, what its counters (counters.COUNTS)
    grew by within a minute. lost, seen: events, likewise. home: the observer's namespace. now_ns: CLOCK_MONOTONIC."""

    now_ns: int
    home: int = 0
    connections: np.ndarray = field(default_factory=lambda: np.empty(0, shape.CONNECTION))
    listeners: np.ndarray = field(default_factory=lambda: np.empty(0, shape.LISTENER))
    times_ns: np.ndarray = field(default_factory=lambda: np.empty(0, np.uint64))
    points: np.ndarray = field(default_factory=lambda: np.empty((0, 0), shape.POINT))
    ports: np.ndarray = field(default_factory=lambda: np.empty(0, shape.PORTS))
    idle: np.ndarray = field(default_factory=lambda: np.empty(0, shape.IDLE))
    nat_timeout_s: float = 0.0
    probes: tuple[Probe, ...] = ()
    namespaces: Mapping[int, str] = field(default_factory=dict)
    settings: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    troubled: np.ndarray = field(default_factory=lambda: np.empty(0, GROUP))
    ends: Mapping[int, int] = field(default_factory=dict)
    counted: Mapping[int, Mapping[str, int]] = field(default_factory=dict)
    lost: int = 0
    seen: int = 0

    @cached_property
    def alive(self) -> np.ndarray:
        """Indices of the connections that are not over, without listeners."""
        rows = self.connections
        live = (rows["flags"] & shape.CLOSED == 0) & (rows["state"] != wire.LISTEN)
        return np.flatnonzero(live)

    def elsewhere(self, netns: int) -> str:
        """` in blue` for a namespace that is not the observer's own, for the end of a name."""
        return "" if netns in (self.home, 0) else f" in {self.namespaces.get(netns) or netns}"

    def sysctl(self, netns: int, name: str) -> str | None:
        return self.settings.get(netns, {}).get(name)
