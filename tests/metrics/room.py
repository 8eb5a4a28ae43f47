"""A tracker and meters over frames written down by hand, and short ways to read what they say."""

import math
from typing import Any

import numpy as np

from tcpwatch import wire
from tcpwatch.frame import Frame
from tcpwatch.metrics import Meters, Picture
from tcpwatch.tracker.tracker import Tracker
from tests.tracker import build

LOCAL, REMOTE, FAR = ([0] * 10 + [255, 255, 10, 0, 0, last] for last in (1, 2, 9))
LOOPBACK = [0] * 10 + [255, 255, 127, 0, 0, 1]
CLIENT: dict[str, Any] = {"laddr": LOCAL, "raddr": REMOTE, "lport": 50_000, "rport": 443, "family": wire.INET}
SERVER: dict[str, Any] = {"laddr": LOCAL, "raddr": REMOTE, "lport": 80, "rport": 50_000, "family": wire.INET}
OPENED, BYE = ((7, 2), (2, 1)), ((1, 4), (4, 5), (5, 7))  # of a client
_FIN = wire.EVENT_SOCKET | wire.EVENT_FIN_RECEIVED


class Room:
    """settings: of Meters."""

    def __init__(self, *labels: str, **settings: Any) -> None:
        self.tracker = Tracker(history_bytes=1)
        self.meters = Meters(labels, **settings) if labels else Meters(**settings)

    def fold(self, *frames: Frame) -> None:
        for frame in frames:
            self.meters.fold(self.tracker.fold(frame))

    def picture(self) -> Picture:
        return self.meters.picture(self.tracker.view())

    def series(self, name: str) -> dict[str, float]:
        """Labels that say something, as `a=b c=d`, and numbers."""
        family = self.picture().family(name)
        shown = (" ".join(f"{k}={v}" for k, v in zip(family.labels, values) if v) for values in family.values)
        return {labels: number for labels, number in zip(shown, family.numbers.tolist()) if not math.isnan(number)}

    def total(self, name: str) -> float:
        return float(np.nansum(self.picture().family(name).numbers))


def listener(at: float = 0.0, **more: Any) -> np.ndarray:
    """A server begins to listen."""
    facts = {"cookie": 9, "laddr": LOCAL, "raddr": [0] * 16, "lport": 80, "rport": 0, "pid": 7, "comm": b"nginx"}
    return build.moves((7, 10), at=at, **facts | more)


def listening(**more: Any) -> dict[str, Any]:
    """The same as a snapshot shows it."""
    facts = {"cookie": 9, "netns": 1, "state": wire.LISTEN, "laddr": LOCAL, "lport": 80, "cgroup": 5, "send_queue": 128}
    return facts | more


def life(at: float, cookie: int, *, server: bool = False, **more: Any) -> np.ndarray:
    """A whole life, a millisecond from state to state."""
    facts = {**(SERVER if server else CLIENT), "cookie": cookie, "flags": _FIN, **more}
    if not server:
        facts = {"pid": 5, "comm": b"curl"} | facts
    return build.moves(*(build.SERVER_LIFE if server else build.CLIENT_LIFE), at=at, **facts)


def bucket_of(picture: Picture, name: str, series: int = 0) -> list[float]:
    """Upper bounds of the buckets that hold something, one for each observation."""
    family = picture.family(name)
    counts = np.diff(family.buckets[series], prepend=0)
    return np.repeat(family.bounds, counts.astype(int)).tolist()


def snapshot_frame(second: float, **facts: object) -> Frame:
    """A client's socket as it is then."""
    shown = build.sockets({**CLIENT, "state": 1, **facts})
    return build.frame(second, snapshot=shown, begin=second - 0.01)
