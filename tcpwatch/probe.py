"""A probe: one hook of ours in the kernel, and what became of it. Without NumPy, as probes are attached before it is
loaded."""

from dataclasses import dataclass

# kinds of probes: on the kernel's functions, where the others are on tracepoints
FUNCTIONS = ("fentry", "fexit", "kprobe", "kretprobe")


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
