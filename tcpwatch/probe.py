"""A probe: one hook of ours in the kernel, and what became of it. Without NumPy, as probes are attached before it is
loaded."""

from collections.abc import Iterable
from dataclasses import dataclass

# kinds of probes: on the kernel's functions, where the others are on tracepoints
FUNCTIONS = ("fentry", "fexit", "kprobe", "kretprobe")
_OF_COOKIES = ("tcp_make_synack", "cookie_v4_check", "cookie_v6_check")


@dataclass(frozen=True, slots=True)
class Probe:
    """One hook or iterator: what it is for, and whether the kernel took it."""

    name: str  # "inet_sock_set_state"
    kind: str  # "tp_btf", "iter", "fentry"
    purpose: str  # "state changes"
    attached: bool
    reason: str = ""  # why not, in the kernel's words made plain
    without: str = ""  # what is missed for want of it
    refused: bool = False  # the kernel has it and would not let us; else, where not attached, it has no such thing


def tell_of_cookies(probes: Iterable[Probe]) -> bool:
    """Whether SYN cookies are told of one by one; else the counters of listeners and namespaces tell of them."""
    return any(probe.attached and probe.name in _OF_COOKIES for probe in probes)
