"""What this machine brings along for watching its sockets: the kernel, its BTF, libbpf. Asks and reports; whether that
is enough is for others to say, and nothing here raises because something is missing."""

import os
from dataclasses import dataclass

from tcpwatch.errors import TcpwatchError
from tcpwatch.kernel import libbpf, privileges
from tcpwatch.kernel.btf import VMLINUX
from tcpwatch.kernel.cgroups import mount_point


@dataclass(frozen=True, slots=True)
class Machine:
    release: str  # uname -r
    architecture: str
    btf: str  # path
    btf_bytes: int | None  # None: the kernel does not describe its types
    libbpf: str | None  # version; None: not found
    libbpf_missing: TcpwatchError | None
    lockdown: str | None  # "none", "integrity", "confidentiality"; None: the kernel has no such thing
    initial_user_namespace: bool
    initial_pid_namespace: bool
    cgroup2: str | None  # where it is mounted


def look(btf: str = VMLINUX, lockdown: str = "/sys/kernel/security/lockdown", proc: str = "/proc") -> Machine:
    """This machine, now."""
    found = os.uname()
    version, failure = _libbpf()
    return Machine(
        release=found.release,
        architecture=found.machine,
        btf=btf,
        btf_bytes=_size(btf),
        libbpf=version,
        libbpf_missing=failure,
        lockdown=_chosen(lockdown),
        initial_user_namespace=privileges.in_initial_user_namespace(proc),
        initial_pid_namespace=privileges.in_initial_pid_namespace(proc),
        cgroup2=mount_point(f"{proc}/self/mounts"),
    )


def _libbpf() -> tuple[str | None, TcpwatchError | None]:
    try:
        return libbpf.version().removeprefix("v"), None
    except TcpwatchError as error:
        return None, error


def _size(path: str) -> int | None:
    try:
        return os.stat(path).st_size
    except OSError:
        return None


def _chosen(path: str) -> str | None:
    """The word in brackets: "none [integrity] confidentiality"."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read().partition("[")[2].partition("]")[0] or None
    except OSError:
        return None
