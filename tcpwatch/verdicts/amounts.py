"""How amounts and names read in a sentence: `7.0 s`, `3 times`, `1.2 MB`, `71 %`, `ETIMEDOUT`, `SYN_SENT`."""

import errno

from tcpwatch import wire

_SMALL = ((1_000, 1, "ns"), (1_000_000, 1_000, "µs"), (1_000_000_000, 1_000_000, "ms"), (60 * 10**9, 10**9, "s"))
_LARGE = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
_BYTES = ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (10**3, "kB"))


def span(ns: int) -> str:
    """`312 µs`, `4.2 ms`, `42 ms`, `7.0 s`, `2 min 13 s`, `3 h 5 min`."""
    for limit, unit_ns, unit in _SMALL:
        amount = ns / unit_ns
        if ns < limit and (unit == "ns" or not _rounds_up(ns, limit)):
            return f"{amount:.1f} {unit}" if amount < 9.95 and unit != "ns" else f"{amount:.0f} {unit}"
    seconds = round(ns / 1e9)
    place = next(i for i, (size, _) in enumerate(_LARGE) if seconds >= size)
    size, unit = _LARGE[place]
    finer, finer_unit = _LARGE[place + 1]
    rest = seconds % size // finer
    return f"{seconds // size} {unit} {rest} {finer_unit}" if rest else f"{seconds // size} {unit}"


def _rounds_up(ns: int, limit: int) -> bool:
    return ns >= limit * (1 - 0.5 / 1000) or (limit == 60 * 10**9 and ns >= 59_500_000_000)


def times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count:,} times")


def many(count: int, thing: str) -> str:
    """`1 segment`, `2 segments`."""
    return f"{count:,} {thing}" if count == 1 else f"{count:,} {thing}s"


def size(count: int) -> str:
    """`812 bytes`, `1.2 MB`; a kilobyte is 1000."""
    for unit_bytes, unit in _BYTES:
        if count >= unit_bytes:
            amount = count / unit_bytes
            return f"{amount:.1f} {unit}" if amount < 9.95 else f"{amount:,.0f} {unit}"
    return many(count, "byte")


def percent(share: float) -> str:
    amount = share * 100
    return f"{amount:.1f} %" if 0 < amount < 9.95 else f"{amount:.0f} %"


def error_name(number: int) -> str:
    return errno.errorcode.get(number, f"error {number}")


def state_name(number: int) -> str:
    """A recording may hold a number of a kernel yet to come."""
    known = wire.STATES[number] if number < len(wire.STATES) else None
    return known or f"state {number}"
