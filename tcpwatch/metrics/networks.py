"""Which of the configured networks holds a remote address? Many addresses at once, the longest prefix wins. Knows
addresses, and nothing of connections."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tcpwatch.errors import UsageError
from tcpwatch.metrics.metric import LOOPBACK, OTHER
from tcpwatch.metrics.names import label

_Prefix = ipaddress.IPv4Network | ipaddress.IPv6Network

NOWHERE, ON_LOOPBACK, ELSEWHERE, FIRST = range(4)  # codes; FIRST and on: the configured ones
MOST = 1000
_FOUR = np.uint64(0xFFFF0000)  # how the second half of an IPv4-mapped address begins, in a little-endian number
_LOW = np.uint64(0xFFFFFFFF)


@dataclass(frozen=True, slots=True)
class Network:
    prefix: _Prefix
    name: str


def parse(text: str) -> Network:
    """`10.0.0.0/8=internal`, `2001:db8::/32=lab`. Raises UsageError."""
    cidr, equals, name = text.partition("=")
    if not equals or not name.strip():
        raise UsageError(f"--group {label(text)!r} names no network", "give it as CIDR=NAME: 10.0.0.0/8=internal")
    try:
        prefix = ipaddress.ip_network(cidr.strip())
    except ValueError as error:
        cure = "give it as CIDR=NAME: 10.0.0.0/8=internal"
        raise UsageError(f"--group {label(text)!r}: {label(str(error))}", cure) from error
    return Network(_unmapped(prefix), label(name.strip()))


def _unmapped(prefix: _Prefix) -> _Prefix:
    """::ffff:10.0.0.0/104 is 10.0.0.0/8."""
    four = prefix.network_address.ipv4_mapped if isinstance(prefix, ipaddress.IPv6Network) else None
    return ipaddress.ip_network((four, prefix.prefixlen - 96)) if four and prefix.prefixlen >= 96 else prefix


class Networks:
    """configured: of several that are the same prefix the first counts."""

    def __init__(self, configured: Sequence[Network] = ()) -> None:
        names = list(dict.fromkeys(one.name for one in configured))
        self.names = ("", LOOPBACK, OTHER, *names)
        self._rest = np.uint64(ELSEWHERE if configured else NOWHERE)
        ranked = list(configured)[::-1]  # whoever is painted last wins
        ranked.sort(key=lambda one: one.prefix.prefixlen)
        codes = {name: FIRST + i for i, name in enumerate(names)}
        self._sixes = [
            (_halves(one.prefix.network_address), _halves(one.prefix.netmask), codes[one.name])
            for one in ranked
            if isinstance(one.prefix, ipaddress.IPv6Network)
        ]
        fours = [one for one in ranked if isinstance(one.prefix, ipaddress.IPv4Network)]
        spans = [(int(one.prefix[0]), int(one.prefix[-1]) + 1, codes[one.name]) for one in fours]
        edges = sorted({0, *(edge for span in spans for edge in span[:2])})
        self._edges = np.array(edges, np.uint64)
        self._painted = np.zeros(len(edges), np.uint64)
        for begin, end, code in spans:
            self._painted[np.searchsorted(self._edges, begin) : np.searchsorted(self._edges, end)] = code

    def of(self, remote: np.ndarray, local: np.ndarray) -> np.ndarray:
        """(n,) u8: places in `names`. remote, local: (n, 2) u8, both halves of addresses as they lie in memory."""
        first, second = remote[:, 0], remote[:, 1]
        four = mapped(remote)
        own = (second == local[:, 1]) & (first == local[:, 0])
        own |= four & (second & np.uint64(0xFF00000000) == np.uint64(0x7F00000000))  # 127.0.0.0/8
        own |= (first == 0) & (second == np.uint64(1 << 56))  # ::1
        codes: np.ndarray = np.where(own, np.uint64(ON_LOOPBACK), self._rest)
        if len(self._edges) > 1:
            at = np.searchsorted(self._edges, second.byteswap() & _LOW, side="right") - 1
            found = np.where(four, self._painted[at], np.uint64(0))
            codes = np.where(found != 0, found, codes)
        for address, mask, code in self._sixes:
            inside = ~four & (first & mask[0] == address[0]) & (second & mask[1] == address[1])
            codes[inside] = code
        codes[(first == 0) & (second == 0)] = NOWHERE  # a socket without a peer
        return codes


def mapped(addresses: np.ndarray) -> np.ndarray:
    """(n,) bool: IPv4-mapped ones. addresses: (n, 2) u8."""
    four: np.ndarray = (addresses[:, 0] == 0) & (addresses[:, 1] & _LOW == _FOUR)
    return four


def _halves(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> np.ndarray:
    return np.frombuffer(address.packed, np.uint64)
