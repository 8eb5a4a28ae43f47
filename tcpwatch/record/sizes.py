"""How large is 100M? Sizes as people write them."""

import re

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(i?b)?", re.IGNORECASE)
_POWERS = ("", "k", "m", "g", "t")


def size(text: str) -> int:
    """Bytes: `1000000`, `100M` and `100MiB` (times 1024 twice), `100MB` (times 1000 twice). Raises ValueError."""
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise ValueError(text)
    number, prefix, unit = found.groups()
    base = 1000 if (unit or "").lower() == "b" else 1024
    return round(float(number) * base ** _POWERS.index(prefix.lower()))


def told(count: int) -> str:
    """`23.4 MB`, in powers of 1024 as `--max-size` counts."""
    if count < 1 << 10:
        return f"{count} bytes"
    for power, unit in ((3, "GB"), (2, "MB"), (1, "kB")):
        if count >= 1 << 10 * power:
            return f"{count / (1 << 10 * power):.1f} {unit}"
    raise AssertionError


def told_time(span_ns: int) -> str:
    """`42s`, `4m 10s`, `2h 03m`."""
    minutes, seconds = divmod(span_ns // 1_000_000_000, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h {minutes:02}m"
    return f"{minutes}m {seconds:02}s" if minutes else f"{seconds}s"
