"""Which local ports does a namespace give to outgoing connections? Its range, less what is reserved or listened on, and
whether TIME_WAIT gives ports back early. Reads sysctls as text; knows nothing of who uses the ports."""

from collections.abc import Mapping

import numpy as np

from tcpwatch import wire
from tcpwatch.rows import CLOSED
from tcpwatch.tracker.addresses import on_loopback

Settings = Mapping[int, Mapping[str, str]]  # sysctls by namespace

_LOW_BITS = np.uint64(0xFFFF)


class Offers:
    """What each namespace offers for outgoing connections, from its sysctls and its listeners."""

    def __init__(self, settings: Settings, connections: np.ndarray) -> None:
        known = sorted(netns for netns in settings if _port_range(settings[netns]))
        self._netns = np.array(known, np.uint32)
        ranges = np.array([_port_range(settings[netns]) for netns in known], np.int64).reshape(-1, 2)
        self._low, self._high = ranges[:, 0], ranges[:, 1]
        values = [settings[netns].get("net.ipv4.tcp_tw_reuse", "0") for netns in known]
        stamped = [settings[netns].get("net.ipv4.tcp_timestamps", "1") != "0" for netns in known]
        self._reuse = np.array([int(v) if v in "12" and s else 0 for v, s in zip(values, stamped)], np.uint8)
        reserved = [_keys(np.uint32(netns), _reserved(settings[netns])) for netns in known]
        listening = (connections["state"] == wire.LISTEN) & (connections["flags"] & CLOSED == 0)
        heard = connections.take(np.flatnonzero(listening))
        self._listened = wire.distinct(_keys(heard["netns"], heard["lport"]))
        self._kept_back = wire.distinct(np.concatenate([self._listened, *reserved]))

    def _place(self, netns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(where each namespace is, whether it is there at all)."""
        if not len(self._netns):
            return np.zeros(len(netns), np.intp), np.zeros(len(netns), bool)
        at = np.minimum(np.searchsorted(self._netns, netns), len(self._netns) - 1)
        return at, self._netns[at] == netns

    def in_range(self, netns: np.ndarray, lport: np.ndarray) -> np.ndarray:
        at, known = self._place(netns)
        if not len(self._netns):
            return known
        inside: np.ndarray = known & (lport >= self._low[at]) & (lport <= self._high[at])
        return inside

    def offered(self, netns: np.ndarray, lport: np.ndarray) -> np.ndarray:
        """Whether the kernel chooses that port by itself."""
        return self.in_range(netns, lport) & ~among(_keys(netns, lport), self._kept_back)

    def listened(self, netns: np.ndarray, lport: np.ndarray) -> np.ndarray:
        return among(_keys(netns, lport), self._listened)

    def size(self, netns: np.ndarray) -> np.ndarray:
        """How many ports each namespace offers; NaN where nobody knows."""
        at, known = self._place(netns)
        if not len(self._netns):
            return np.full(len(netns), np.nan)
        spaces, ports = (self._kept_back >> np.uint64(16)).astype(np.uint32), self._kept_back & _LOW_BITS
        lost = np.bincount(self._place(spaces)[0][self.in_range(spaces, ports)], minlength=len(self._netns))
        return np.where(known, (self._high - self._low + 1 - lost)[at], np.nan)

    def reuses(self, lines: np.ndarray) -> np.ndarray:
        """Whether TIME_WAIT gives ports back early there: tcp_tw_reuse 1 always, 2 on loopback only, and only with
        timestamps."""
        at, known = self._place(lines["netns"])
        if not len(self._netns):
            return known
        return known & ((self._reuse[at] == 1) | ((self._reuse[at] == 2) & on_loopback(lines, slice(None))))


def _port_range(values: Mapping[str, str]) -> tuple[int, int] | None:
    words = values.get("net.ipv4.ip_local_port_range", "").split()
    return (int(words[0]), int(words[1])) if len(words) == 2 and all(map(str.isdecimal, words)) else None


def _reserved(values: Mapping[str, str]) -> np.ndarray:
    """`8080,30000-30010` as ports."""
    found = []
    for part in values.get("net.ipv4.ip_local_reserved_ports", "").split(","):
        first, _, last = part.partition("-")
        if first.isdecimal():
            found.append(np.arange(int(first), int(last if last.isdecimal() else first) + 1, dtype=np.uint64))
    return np.concatenate([np.empty(0, np.uint64), *found])


def _keys(netns: np.ndarray | np.uint32, lport: np.ndarray) -> np.ndarray:
    keys: np.ndarray = (netns.astype(np.uint64) << np.uint64(16)) | lport.astype(np.uint64)
    return keys


def among(keys: np.ndarray, few: np.ndarray) -> np.ndarray:
    """few: sorted."""
    if not len(few):
        return np.zeros(len(keys), bool)
    found: np.ndarray = few[np.minimum(np.searchsorted(few, keys), len(few) - 1)] == keys
    return found
