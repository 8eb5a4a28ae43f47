"""Short ways to write down what a picture shows, and to look at it for some seconds."""

from dataclasses import replace
from typing import Any

import numpy as np

from tcpwatch import rows as shape
from tcpwatch import wire
from tcpwatch.counters import COUNTS
from tcpwatch.health import Finding, Health, Scene
from tcpwatch.verdicts import CODES

S = 1_000_000_000
START = 1000 * S
HOME = 4026531840
NO_TALLY = np.zeros(len(wire.KINDS), wire.TALLY)


def address(text: str) -> bytes:
    return bytes(10) + b"\xff\xff" + bytes(int(part) for part in text.split("."))


def filled(dtype: np.dtype[Any], count: int, facts: dict[str, Any]) -> np.ndarray:
    array = np.zeros(count, dtype)
    for name, value in facts.items():
        if name in ("laddr", "raddr"):
            array[name] = np.frombuffer(address(value), np.uint8)
        else:
            array[name] = CODES.index(value) if name == "verdict" else value
    return array


CLIENT: dict[str, Any] = {
    "netns": HOME,
    "pid": 812,
    "comm": b"worker",
    "laddr": "10.0.0.7",
    "raddr": "10.0.9.9",
    "lport": 40_000,
    "rport": 6379,
    "family": wire.INET,
    "role": shape.CLIENT,
}
SERVER: dict[str, Any] = {**CLIENT, "role": shape.SERVER, "lport": 443, "rport": 40_000, "comm": b"nginx"}


def lives(count: int, verdict: str, *, at: int = START, **facts: Any) -> np.ndarray:
    """rows.ROW of connections that ended."""
    return filled(shape.ROW, count, CLIENT | {"verdict": verdict, "closed_ns": at, "flags": shape.CLOSED} | facts)


def living(count: int, verdict: str | None = None, **facts: Any) -> np.ndarray:
    """rows.CONNECTION."""
    common = {"verdict": verdict, "state": wire.ESTABLISHED, "state_ms": 12_000.0}
    return filled(shape.CONNECTION, count, CLIENT | common | facts)


def counts(netns: int = HOME, **numbers: int) -> np.ndarray:
    return filled(COUNTS, 1, {"netns": netns, **numbers})


class Looker:
    """A health that is looked at once a second."""

    def __init__(self, started: int = START - 100 * S) -> None:
        self.health = Health()
        self.now = START
        self._started = started

    def look(
        self, *connections: np.ndarray, counted: np.ndarray | None = None, tally: np.ndarray = NO_TALLY, **scene: Any
    ) -> list[Finding]:
        """A second later."""
        self.now += S
        shown = np.concatenate([np.empty(0, shape.CONNECTION), *connections])
        now = Scene(now_ns=self.now, home=HOME, connections=shown)
        found = self.health.look(replace(now, **scene), counted, tally, started_ns=self._started, offset_ns=0)
        return list(found)

    def rest(self, seconds: int) -> None:
        self.now += seconds * S


def codes(found: list[Finding]) -> list[str]:
    return [finding.code for finding in found]
