"""What the kernel's verifier meant. Knows its habits, and nothing of who asked it."""

import errno
import re
from typing import NoReturn

from tcpwatch.errors import KernelLacks, NotPermitted

PERMIT = (
    "run as root: sudo tcpwatch; in a container add CAP_BPF and CAP_PERFMON and check its seccomp profile; "
    "before Linux 5.11 ulimit -l must allow for it, too"
)
_NOISE = ("libbpf:", "-- ", "processed ", "verification time", "stack depth", "max_states", "mark_precise", "from ")


def last_words(messages: str, error: OSError) -> str:
    """The line of the log that says why, else what the system call said."""
    lines = [line.strip() for line in messages.splitlines()]
    said = [line for line in lines if line and not line.startswith(_NOISE) and not re.match(r"\d+: \(", line)]
    return said[-1] if said else str(error.strerror or error)


def reject(messages: str, error: OSError) -> NoReturn:
    """Where it was none of the programs: raises NotPermitted or KernelLacks."""
    if error.errno in (errno.EPERM, errno.EACCES):
        raise NotPermitted(
            f"the kernel does not let us load BPF programs: {last_words(messages, error)}", PERMIT
        ) from error
    raise KernelLacks(
        f"the BPF programs cannot be loaded: {last_words(messages, error)}", "see tcpwatch doctor"
    ) from error
