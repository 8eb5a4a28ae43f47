"""How many handshakes ended well, or wanted another SYN-ACK, at each listening port since somebody last asked. Knows
ports and addresses; what listens there it is told."""

import numpy as np

from tcpwatch import wire
from tcpwatch.tracker.batch import Batch

MAPPED = bytes(10) + b"\xff\xff"  # how an IPv4 address begins
ANY, ANY_V4 = bytes(16), MAPPED + bytes(4)


class Arrivals:
    """Counts by (namespace, port). Where several listen on one port, by address too, from the next batch on."""

    def __init__(self) -> None:
        self._counts: dict[tuple[int, int], int] = {}
        self._by_address: dict[tuple[int, int], dict[bytes, int]] = {}
        self._shared: dict[tuple[int, int], list[bytes]] = {}

    def add(self, batch: Batch, at: np.ndarray) -> None:
        """at: positions in the batch, of events at the serving end."""
        if not len(at):
            return
        netns, ports = batch.netns[at], batch.lport[at]
        if (netns == netns[0]).all():
            self._add(batch, int(netns[0]), at, ports)
            return
        for number in wire.distinct(netns).tolist():
            here = netns == number
            self._add(batch, number, at[here], ports[here])

    def _add(self, batch: Batch, netns: int, at: np.ndarray, ports: np.ndarray) -> None:
        counts = np.bincount(ports)
        for port in np.flatnonzero(counts).tolist():
            key = netns, port
            if key in self._shared:
                self._add_addresses(key, batch.events["laddr"][at[ports == port]])
            else:
                self._counts[key] = self._counts.get(key, 0) + int(counts[port])

    def _add_addresses(self, key: tuple[int, int], addresses: np.ndarray) -> None:
        known = self._by_address.setdefault(key, {})
        found, counts = np.unique(np.ascontiguousarray(addresses).view("V16")[:, 0], return_counts=True)
        for address, count in zip(found, counts.tolist()):
            address = address.tobytes()
            known[address] = known.get(address, 0) + count

    def take(self, listeners: np.ndarray) -> np.ndarray:
        """(n,) f8: how many came to each since the last call. listeners: records with netns, lport, laddr. NaN where
        the kernel chose between sockets that listen on one address (SO_REUSEPORT), which no event tells."""
        keys = list(zip(listeners["netns"].tolist(), listeners["lport"].tolist()))
        who: dict[tuple[int, int], list[bytes]] = {}
        for key, address in zip(keys, listeners["laddr"]):
            who.setdefault(key, []).append(address.tobytes())
        came = [self._of(key, address.tobytes(), who[key]) for key, address in zip(keys, listeners["laddr"])]
        self._shared = {key: addresses for key, addresses in who.items() if len(addresses) > 1}
        self._counts.clear()
        self._by_address.clear()
        return np.array(came, float)

    def _of(self, key: tuple[int, int], address: bytes, rivals: list[bytes]) -> float:
        if len(rivals) == 1:
            return self._counts.get(key, 0) + sum(self._by_address.get(key, {}).values())
        if key in self._counts or rivals.count(address) > 1:
            return np.nan
        found = self._by_address.get(key, {})
        return sum(count for local, count in found.items() if _taker(local, rivals) == address)


def _taker(local: bytes, listeners: list[bytes]) -> bytes:
    """Who gets what is sent to this local address: the kernel prefers the address itself to a wildcard."""
    wild = (ANY_V4, ANY) if local.startswith(MAPPED) else (ANY,)
    return next((one for one in (local, *wild) if one in listeners), b"")
