"""How numbers are written on the screen: with their unit, as short as they can be read, unknown as a dash. Pure text;
knows nothing of columns or colours."""

import time
from collections.abc import Callable
from math import isnan

Write = Callable[[float], str]
UNKNOWN = "–"
_STEPS = ((1e3, "K"), (1e6, "M"), (1e9, "G"), (1e12, "T"), (1e15, "P"))


def scaled(value: float) -> tuple[str, str]:
    """Digits and the letter of thousands: (`1.2`, `M`), (`64`, `K`), (`812`, ``)."""
    if isnan(value):
        return UNKNOWN, ""
    if value < 999.5:
        return f"{value:.0f}", ""
    step, letter = next((s for s in _STEPS if value < s[0] * 999.5), _STEPS[-1])
    amount = value / step
    return (f"{amount:.1f}" if amount < 9.95 else f"{amount:.0f}"), letter


def compact(value: float) -> str:
    """`1.2 M`, `64 K`, `812`; thousands are 1000."""
    return " ".join(scaled(value)).rstrip()


def size(value: float) -> str:
    """Bytes: `1.2 MB`, `812 B`."""
    digits, letter = scaled(value)
    return digits if digits == UNKNOWN else f"{digits} {letter}B"


def lined(value: float) -> str:
    """As `compact`, padded so that digits line up in a right-aligned column."""
    digits, letter = scaled(value)
    return f"{digits} {letter:1}"


def whole(value: float) -> str:
    """`1,284`."""
    return UNKNOWN if isnan(value) else f"{value:,.0f}"


def rate(value: float) -> str:
    """Per second, a decimal only where it says something: `412`, `0.4`."""
    return f"{value:.1f}" if 0 < value < 9.95 and value != int(value) else compact(value)


def percent(share: float) -> str:
    """share: 0..1. `0.8 %`, `71 %`."""
    if isnan(share):
        return UNKNOWN
    amount = share * 100
    return f"{amount:.1f} %" if 0 < amount < 9.95 else f"{amount:.0f} %"


def latency(microseconds: float) -> str:
    """`312 µs`, `4.2 ms`, `42 ms`, `1.2 s `: the unit takes two places, so that digits line up."""
    if isnan(microseconds):
        return UNKNOWN
    if microseconds < 999.5:
        return f"{microseconds:.0f} µs"
    if microseconds < 9_950:
        return f"{microseconds / 1e3:.1f} ms"
    if microseconds < 999_500:
        return f"{microseconds / 1e3:.0f} ms"
    return f"{microseconds / 1e6:.1f} s " if microseconds < 9_950_000 else f"{microseconds / 1e6:.0f} s "


def duration(milliseconds: float) -> str:
    """At most six places: `120ms`, `3.1s`, `41s`, `2m13s`, `2h04m`, `5d03h`, `412d`."""
    if isnan(milliseconds):
        return UNKNOWN
    if milliseconds < 0.9995:
        return f"{milliseconds * 1e3:.0f}µs"
    if milliseconds < 999.5:
        return f"{milliseconds:.0f}ms"
    seconds = milliseconds / 1e3
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    return _long(int(seconds + 0.5))


def _long(seconds: int) -> str:
    if seconds < 60:
        return f"{seconds}s"
    if seconds < 3600:
        return f"{seconds // 60}m{seconds % 60:02}s"
    if seconds < 86400:
        return f"{seconds // 3600}h{seconds % 3600 // 60:02}m"
    days = seconds // 86400
    return f"{days}d{seconds % 86400 // 3600:02}h" if days < 100 else f"{days}d"


def uptime(nanoseconds: int) -> str:
    """`00:12:41`, hours growing as they must."""
    seconds = max(0, nanoseconds) // 10**9
    return f"{seconds // 3600:02}:{seconds % 3600 // 60:02}:{seconds % 60:02}"


def clock(unix_ns: int) -> str:
    """Local time of day to the millisecond: `14:02:11.204`."""
    if unix_ns <= 0:
        return UNKNOWN
    seconds, rest = divmod(unix_ns, 10**9)
    return f"{time.strftime('%H:%M:%S', time.localtime(seconds))}.{rest // 10**6:03}"
