"""Which capabilities this process holds, what each one gives tcpwatch, and which are given up once it watches. Every
statement here was tried on a kernel (docs/privileges.md); nothing here asks for more than there is."""

import ctypes
import os
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress

from tcpwatch.errors import NotPermitted, TcpwatchError

BITS = {
    "CAP_CHOWN": 0,
    "CAP_DAC_OVERRIDE": 1,
    "CAP_DAC_READ_SEARCH": 2,
    "CAP_FOWNER": 3,
    "CAP_NET_ADMIN": 12,
    "CAP_SYS_PTRACE": 19,
    "CAP_SYS_ADMIN": 21,
    "CAP_SYS_NICE": 23,
    "CAP_PERFMON": 38,
    "CAP_BPF": 39,
}

NEEDED = ("CAP_BPF", "CAP_PERFMON")
# What root writes a file with, in the directory of who called sudo, and hands it to them
FILES = ("CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER")

GAINS = {
    "CAP_BPF": "create BPF maps and load BPF programs",
    "CAP_PERFMON": "let those programs read the kernel's sockets",
    "CAP_SYS_ADMIN": "snapshots of other network namespaces",
    "CAP_SYS_PTRACE": "find the namespaces that only other users' processes hold (most containers)",
    "CAP_DAC_READ_SEARCH": "the names in /run/docker/netns",
    "CAP_SYS_NICE": "read events in time on a machine whose CPUs are all busy",
}

_STANDS_IN = {"CAP_BPF": "CAP_SYS_ADMIN", "CAP_PERFMON": "CAP_SYS_ADMIN"}  # kernel: bpf_capable(), perfmon_capable()
_INITIAL_USER_NAMESPACE = 0xEFFFFFFD  # PROC_USER_INIT_INO and PROC_PID_INIT_INO: fixed numbers, ABI since 3.8
_INITIAL_PID_NAMESPACE = 0xEFFFFFFC
_PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 24, 38, 47, 4  # linux/prctl.h
_CAPABILITY_VERSION_3 = 0x20080522  # linux/capability.h


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


def needed_later(abroad: bool, ask: Callable[[], object]) -> frozenset[str]:
    """What watching still takes once everything is attached, found out by doing it without.

    abroad: whether other namespaces than the own are looked at. ask: asks the kernel once what it will be asked for
    again and again."""
    kept = {"CAP_SYS_ADMIN", "CAP_SYS_PTRACE"} if abroad else set()
    if abroad and os.geteuid():
        kept.add("CAP_DAC_READ_SEARCH")  # /run/docker/netns is root's, which needs nothing to read it
    kept |= reading()
    if not works_with_only(kept, _see_processes):
        kept.add("CAP_SYS_PTRACE")
    if not works_with_only(kept, ask):  # before Linux 5.19, with kernel.unprivileged_bpf_disabled
        kept.update(NEEDED)
    return frozenset(kept)


def reading() -> frozenset[str]:
    """What importing modules takes, which every thread may do at any time: under sudo they may lie in a home directory
    that is closed to others."""
    return frozenset() if works_with_only((), _read_modules) else frozenset({"CAP_DAC_READ_SEARCH"})


def keep_only(names: Iterable[str]) -> None:
    """The calling thread, and every thread and process it starts from now on, gives up all capabilities but these, for
    good; what it does not hold it does not gain, nor does it by executing something (no_new_privs). Threads that run
    already keep theirs. Raises TcpwatchError."""
    kept = sum(1 << BITS[name] for name in set(names))
    libc = ctypes.CDLL(None, use_errno=True)
    _check(libc.prctl(_PR_SET_NO_NEW_PRIVS, *_words(1, 0, 0, 0)))
    for capability in range(64):  # an error where the kernel knows no such one, or CAP_SETPCAP is missing
        libc.prctl(_PR_CAPBSET_DROP, *_words(capability, 0, 0, 0))
    _check(libc.prctl(_PR_CAP_AMBIENT, *_words(_PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)))
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)  # 0: the calling thread
    sets = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable: bits 0 to 31 of each, then 32 to 63
    _check(libc.capget(header, sets))
    for at, mask in ((0, kept & 0xFFFFFFFF), (3, kept >> 32)):
        sets[at : at + 3] = [sets[at] & mask, sets[at + 1] & mask, 0]
    _check(libc.capset(header, sets))


def works_with_only(names: Iterable[str], attempt: Callable[[], object]) -> bool:
    """Whether `attempt` raises no OSError where these capabilities are all that is left: tried on a thread of its own,
    with which the loss ends."""
    outcome: list[bool] = []

    def run() -> None:
        keep_only(names)
        with suppress(OSError):
            attempt()
            outcome.append(True)

    thread = threading.Thread(target=run, name="attempt")
    thread.start()
    thread.join()
    return bool(outcome)


def _read_modules() -> None:
    for path in (__file__, os.__file__):
        with open(path, "rb"):
            pass


def _see_processes() -> None:
    """Another user's, as a rule: /proc may be mounted with hidepid."""
    with open("/proc/1/stat", "rb"):
        pass


def _words(*values: int) -> list[ctypes.c_ulong]:
    """prctl's arguments, which it takes from where it expects longs."""
    return [ctypes.c_ulong(value) for value in values]


def _check(result: int) -> None:
    if result:
        reason = os.strerror(ctypes.get_errno())
        raise TcpwatchError(f"capabilities cannot be given up: {reason}", "allow capget, capset and prctl to tcpwatch")
