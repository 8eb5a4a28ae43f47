"""Addresses and what goes with them as numbers, many at once: hashes that stand for them, and which are loopback's."""

import numpy as np

_FACTORS = np.array(
    [0xBF58476D1CE4E5B9, 0x94D049BB133111EB, 0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93, 0xFF51AFD7ED558CCD], np.uint64
)
_FOUR_LOOPBACK = np.frombuffer(
    bytes.fromhex("ffffffffff000000 0000ffff7f000000"), np.uint64
)  # which bits; their values
_SIX_LOOPBACK = np.frombuffer(bytes(7) + b"\1", np.uint64)[0]


def hashed(*columns: np.ndarray) -> np.ndarray:
    """(n,) u8, of columns that are (n,) u8. Upper bits are folded into the lower ones first, as multiplication carries
    only upwards; the last steps are those of splitmix64."""
    total = np.zeros(len(columns[0]), np.uint64)
    for column, factor in zip(columns, _FACTORS):
        part = column >> np.uint64(32)
        part ^= column
        part *= factor
        total += part
    for shift, factor in ((30, _FACTORS[0]), (27, _FACTORS[1])):
        total ^= total >> np.uint64(shift)
        total *= factor
    total ^= total >> np.uint64(31)
    return total


def halves(addresses: np.ndarray, which: np.ndarray | slice) -> tuple[np.ndarray, np.ndarray]:
    """The two halves of (n, 16) u1, as numbers in the machine's byte order."""
    # as one piece each: else NumPy copies them byte by byte
    whole = np.ascontiguousarray(addresses.view("V16")[:, 0]).view(np.uint64).reshape(-1, 2)
    return whole[:, 0][which], whole[:, 1][which]


def on_loopback(records: np.ndarray, which: np.ndarray | slice) -> np.ndarray:
    """Either end is 127.0.0.0/8 or ::1."""
    found: np.ndarray = np.zeros(1, bool)
    for name in ("laddr", "raddr"):
        first, second = halves(records[name], which)
        found = found | ((first == 0) & ((second & _FOUR_LOOPBACK[0] == _FOUR_LOOPBACK[1]) | (second == _SIX_LOOPBACK)))
    return found
