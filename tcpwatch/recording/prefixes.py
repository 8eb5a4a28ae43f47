"""Which address stands for another, so that neighbours stay neighbours? Two addresses that share their first k bits and
no more share their first k bits and no more afterwards (Xu et al., Crypto-PAn). Knows nothing of frames."""

import ipaddress
from hashlib import blake2b

import numpy as np

# Such prefixes stay what they are, so that what an address is good for can still be told. Every other address shows
# thereby how many bits it has in common with them: 4 of 32 on average
KEPT_PREFIXES = (
    *("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16"),  # private, or a provider's own
    *("169.254.0.0/16", "224.0.0.0/4"),  # link-local, multicast
    *("fc00::/7", "fe80::/64", "ff00::/8"),  # private, link-local, multicast
)
# ... and in these the rest, too: they name nobody
KEPT_WHOLE = ("0.0.0.0/8", "127.0.0.0/8", "::/128", "::1/128")
_FOUR = ipaddress.ip_network("::ffff:0:0/96")  # where IPv4 lives


class Prefixes:
    """key: 1 to 64 bytes. The same key gives the same addresses."""

    def __init__(self, key: bytes) -> None:
        self._hash = blake2b(digest_size=32, key=key, person=b"tcpwatch address")
        self._clears = _clears()
        self._whole = tuple(begin[: length // 8] for begin, length in map(_begin, KEPT_WHOLE))

    def answer(self, addresses: np.ndarray) -> np.ndarray:
        """addresses: (n, 16) u1, IPv4 as IPv4-mapped; sorted, each once. (n, 16) u1.

        One byte after the other: those that share all bytes before it share a tree of 255 bits, one for each beginning
        of the byte, which says whether the bit that comes next is turned over."""
        result = np.empty_like(addresses)
        begins = np.zeros(len(addresses), bool)
        begins[:1] = True
        for place in range(16):
            trees = b"".join(self._tree(addresses[at, :place].tobytes()) for at in np.flatnonzero(begins))
            tree = np.frombuffer(trees, np.uint8).reshape(-1, 32)[np.cumsum(begins) - 1]
            result[:, place] = _turned(addresses[:, place], tree)
            begins[1:] |= addresses[1:, place] != addresses[:-1, place]
        return result

    def _tree(self, before: bytes) -> bytes:
        """32 bytes. Bit n, from the left, belongs to the beginning that n has after its first 1."""
        if before.startswith(self._whole):
            return bytes(32)
        hashed = self._hash.copy()
        hashed.update(before)
        tree = hashed.digest()
        clears = self._clears.get(before)
        return tree if clears is None else (int.from_bytes(tree, "big") & ~clears).to_bytes(32, "big")


def _turned(column: np.ndarray, trees: np.ndarray) -> np.ndarray:
    """(n,) u1. trees: (n, 32) u1."""
    everyone = np.arange(len(column))
    node: np.ndarray = np.ones(len(column), np.uint8)
    turns: np.ndarray = np.zeros(len(column), np.uint8)
    for bit in range(8):
        turns = turns << 1 | (trees[everyone, node >> 3] >> (7 - (node & 7)) & 1)
        if bit < 7:
            node = node << 1 | (column >> (7 - bit) & 1)
    result: np.ndarray = column ^ turns
    return result


def _clears() -> dict[bytes, int]:
    """By the bytes before it, which bits of a tree must not turn anything over."""
    found: dict[bytes, int] = {}
    for text in (*KEPT_PREFIXES, *KEPT_WHOLE, str(_FOUR)):
        begin, length = _begin(text)
        for at in range(length):
            before, node = begin[: at // 8], 1 << at % 8 | begin[at // 8] >> 8 - at % 8
            found[before] = found.get(before, 0) | 1 << 255 - node
    return found


def _begin(text: str) -> tuple[bytes, int]:
    """(16 bytes, how many bits of them count)"""
    network = ipaddress.ip_network(text)
    packed = network.network_address.packed
    if network.version == 6:
        return packed, network.prefixlen
    return _FOUR.network_address.packed[:12] + packed, 96 + network.prefixlen
