"""Which capabilities this process holds, and what each one gives tcpwatch. Every statement here was tried on a kernel
(docs/privileges.md); nothing here raises, drops or asks for privileges."""

import os
from collections.abc import Iterable

from tcpwatch.errors import NotPermitted

BITS = {
    "CAP_DAC_READ_SEARCH": 2,
    "CAP_NET_ADMIN": 12,
    "CAP_SYS_PTRACE": 19,
    "CAP_SYS_ADMIN": 21,
    "CAP_PERFMON": 38,
    "CAP_BPF": 39,
}

NEEDED = ("CAP_BPF", "CAP_PERFMON")

GAINS = {
    "CAP_BPF": "create BPF maps and load BPF programs",
    "CAP_PERFMON": "let those programs read the kernel's sockets",
    "CAP_SYS_ADMIN": "snapshots of other network namespaces",
    "CAP_SYS_PTRACE": "find the namespaces that only other users' processes hold (most containers)",
}

_STANDS_IN = {"CAP_BPF": "CAP_SYS_ADMIN", "CAP_PERFMON": "CAP_SYS_ADMIN"}  # kernel: bpf_capable(), perfmon_capable()
_INITIAL_USER_NAMESPACE = 0xEFFFFFFD  # PROC_USER_INIT_INO and PROC_PID_INIT_INO: fixed numbers, ABI since 3.8
_INITIAL_PID_NAMESPACE = 0xEFFFFFFC


def effective(proc: str = "/proc") -> frozenset[str]:
    """The capabilities of BITS that this process may use now."""
    with open(f"{proc}/self/status", encoding="ascii", errors="replace") as lines:
        mask = next((int(line.split()[1], 16) for line in lines if line.startswith("CapEff:")), 0)
    return frozenset(name for name, bit in BITS.items() if mask >> bit & 1)


def missing(required: Iterable[str] = NEEDED, held: frozenset[str] | None = None) -> tuple[str, ...]:
    """Those of `required` that neither this process holds nor CAP_SYS_ADMIN stands in for, in the given order.

    held: judge these instead of the process's own."""
    have = effective() if held is None else held
    return tuple(name for name in required if name not in have and _STANDS_IN.get(name) not in have)


def in_initial_user_namespace(proc: str = "/proc") -> bool:
    """Capabilities count for BPF only in the machine's first user namespace; a rootless container has another."""
    return os.stat(f"{proc}/self/ns/user").st_ino == _INITIAL_USER_NAMESPACE


def in_initial_pid_namespace(proc: str = "/proc") -> bool:
    """Elsewhere the kernel's process numbers are not the ones /proc knows, and outside processes are not seen."""
    return os.stat(f"{proc}/self/ns/pid").st_ino == _INITIAL_PID_NAMESPACE


def require(required: Iterable[str] = NEEDED) -> None:
    """Raises NotPermitted, with the missing capabilities by name, unless all of them are there and count."""
    required = tuple(required)
    lacking = missing(required)
    if lacking:
        raise NotPermitted(
            f"watching the kernel's sockets is not permitted: {', '.join(lacking)} missing", cure(lacking)
        )
    if not in_initial_user_namespace():
        raise NotPermitted(
            f"{', '.join(required)} are held in a user namespace only, where they do not count for BPF",
            "run tcpwatch on the host, or in a container without a user namespace of its own (not a rootless one)",
        )


def cure(lacking: Iterable[str], root: bool | None = None) -> str:
    """What to do about missing capabilities. root: whether the user is root (default: as it is).

    Never setcap on the interpreter: every Python script of every user would get them."""
    if os.geteuid() == 0 if root is None else root:
        options = " ".join(f"--cap-add {name.removeprefix('CAP_')}" for name in lacking)
        return f"root without them is a container's: start it with {options}"
    return f"run it as root: sudo tcpwatch ...; or from a systemd unit with AmbientCapabilities={' '.join(lacking)}"
