"""Reads the SNMP counters of the network namespace the calling thread is in. Knows the format of two files of /proc and
nothing of what the counts mean."""

import numpy as np

from tcpwatch.counters import COUNTS, EXTENDED, TCP

_FILES = (("snmp", b"Tcp:", TCP), ("netstat", b"TcpExt:", EXTENDED))


def read(netns: int, directory: str = "/proc/thread-self/net") -> np.ndarray:
    """(1,) COUNTS. Raises OSError where /proc hides them."""
    counts = np.zeros(1, COUNTS)
    counts["netns"] = netns
    for file, title, names in _FILES:
        with open(f"{directory}/{file}", "rb") as lines:
            found = _values(lines.read(), title)
        for field, name in names.items():
            # Tcp's are signed as MaxConn is, and some wrap: as unsigned 64 bits they still differ rightly
            counts[field] = found.get(name, 0) % (1 << 64)
    return counts


def _values(text: bytes, title: bytes) -> dict[str, int]:
    """A line of names, a line of numbers, each begun by `title`."""
    lines = [line.split()[1:] for line in text.splitlines() if line.startswith(title)]
    if len(lines) != 2:
        return {}
    return {name.decode("ascii", "replace"): int(value) for name, value in zip(*lines) if value.lstrip(b"-").isdigit()}
