"""What this machine brings along for watching its sockets: the kernel, its BTF or headers, libbpf, finished programs or
bcc. Asks and reports; whether that is enough is for others to say, and nothing here raises for want of something."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from tcpwatch.errors import TcpwatchError
from tcpwatch.kernel import libbpf, privileges
from tcpwatch.kernel.btf import VMLINUX
from tcpwatch.kernel.cgroups import mount_point
from tcpwatch.kernel.loaders import core
from tcpwatch.kernel.loaders.compiler import Compiler
from tcpwatch.kernel.loaders.headers import Headers

Answer = TypeVar("Answer")


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
    object_missing: TcpwatchError | None = None  # why the core loader has none
    bcc: str | None = None  # version; None: not found
    bcc_missing: TcpwatchError | None = None
    headers_missing: TcpwatchError | None = None  # why bcc would have none of this kernel's


def look(btf: str = VMLINUX, lockdown: str = "/sys/kernel/security/lockdown", proc: str = "/proc") -> Machine:
    """This machine, now."""
    found = os.uname()
    version, failure = _asked(lambda: libbpf.version().removeprefix("v"))
    _, no_object = _asked(core.image)
    bcc, no_bcc = _asked(lambda: Compiler().version())
    _, no_headers = _asked(Headers)
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
        object_missing=no_object,
        bcc=bcc,
        bcc_missing=no_bcc,
        headers_missing=no_headers,
    )


def _asked(question: Callable[[], Answer]) -> tuple[Answer | None, TcpwatchError | None]:
    try:
        return question(), None
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
