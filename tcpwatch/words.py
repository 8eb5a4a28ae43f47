"""Where the kernel's bytes become text: process names, addresses, states. Anything that came from outside passes
`clean` exactly once, here, so that no face has to remember that a process may be named `\\x1b[2J`."""

import ipaddress
import re
import unicodedata
from functools import lru_cache

_UNSAFE = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"  # C0, DEL, C1
    "\ufffd\ud800-\udfff"  # what could not be decoded
    "\u202a-\u202e\u2066-\u206f\u061c\u200e\u200f"  # bidirectional overrides, isolates and marks
    "\xad\u180e\u200b-\u200d\u2060-\u2065\ufeff\ufff9-\ufffb\U000e0000-\U000e007f"  # there, but never seen
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"  # ... between shorthand letters and notes
    "\u2028\u2029"  # line and paragraph separators
    "]"
)
_MARKS = ("Mn", "Mc", "Me")


def clean(raw: bytes | str) -> str:
    """Text that is safe on a terminal, in a label and in a log. Undecodable bytes and control characters become `?`.

    raw: bytes are cut at the first NUL, as the kernel's comm is."""
    text = raw.split(b"\0", 1)[0].decode("utf-8", "replace") if isinstance(raw, bytes) else raw
    return _UNSAFE.sub("?", text)


@lru_cache(maxsize=65536)
def address(raw: bytes) -> str:
    """16 bytes in network order as text; IPv4-mapped as plain IPv4."""
    six = ipaddress.IPv6Address(raw)
    four = six.ipv4_mapped
    return str(four) if four is not None else six.compressed


def endpoint(raw: bytes, port: int) -> str:
    """`10.0.0.7:443`, `[2001:db8::7]:443`; port 0 is `*`."""
    host = address(raw)
    shown = str(port) if port else "*"
    return f"[{host}]:{shown}" if ":" in host else f"{host}:{shown}"


def width(text: str) -> int:
    """How many cells of a terminal the text takes: wide characters take two, those that mark others none."""
    return sum(0 if unicodedata.category(c) in _MARKS else 1 + (unicodedata.east_asian_width(c) in "WF") for c in text)
