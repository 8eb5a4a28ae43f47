"""What /proc says about a process that owns sockets: its command line and its cgroup. Never guesses: a process number
that meanwhile belongs to somebody else gives nothing."""

import os
import time

from tcpwatch import words
from tcpwatch.frame import Process

COMMAND_LENGTH = 512  # characters; longer ones are cut
_COMMAND_BYTES = 4 * COMMAND_LENGTH
_SMALL_FILE_BYTES = 4096
_NS = 1_000_000_000


def describe(pid: int, start_ns: int = 0, proc: str = "/proc", suspended_ns: int | None = None) -> Process | None:
    """The process as it is now; None where it has ended, is hidden, or its number has been given to another one.

    start_ns: when it started on CLOCK_MONOTONIC, from its wire.OWNER record; 0 skips the comparison. suspended_ns:
    how long the machine has slept (default: asked of the clocks)."""
    directory = f"{proc}/{pid}"
    try:
        comm = _read(f"{directory}/comm", _SMALL_FILE_BYTES).rstrip(b"\n")
        slept_ns = suspended() if suspended_ns is None else suspended_ns
        if start_ns and not _same(_started_boot_ns(f"{directory}/stat"), start_ns, slept_ns):
            return None
    except (OSError, ValueError, IndexError):
        return None
    return Process(pid, start_ns, words.clean(comm), _command(directory), _cgroup(directory))


def suspended() -> int:
    """Nanoseconds the machine has spent suspended since it booted: CLOCK_BOOTTIME counts them, CLOCK_MONOTONIC not."""
    return max(0, time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.clock_gettime_ns(time.CLOCK_MONOTONIC))


def _started_boot_ns(stat: str) -> int:
    """Field 22 of /proc/PID/stat; the command in field 2 may hold spaces and brackets."""
    fields = _read(stat, _SMALL_FILE_BYTES).rpartition(b")")[2].split()
    return int(fields[19]) * _NS // os.sysconf("SC_CLK_TCK")


def _same(started_boot_ns: int, start_ns: int, slept_ns: int) -> bool:
    """/proc counts in coarse ticks of the clock that goes on in suspend, the kernel's record in ns of the other; how
    much of the sleep came before the process started is unknown."""
    tick_ns = _NS // os.sysconf("SC_CLK_TCK")
    return -tick_ns <= started_boot_ns - start_ns <= slept_ns + tick_ns


def _command(directory: str) -> str:
    """The arguments joined by spaces, cut at COMMAND_LENGTH; "" for kernel threads and zombies."""
    try:
        raw = _read(f"{directory}/cmdline", _COMMAND_BYTES)
    except OSError:
        return ""
    text = words.clean(raw.rstrip(b"\0 ").replace(b"\0", b" ").decode("utf-8", "replace"))
    return text if len(text) <= COMMAND_LENGTH else text[: COMMAND_LENGTH - 1] + "…"


def _cgroup(directory: str) -> str:
    """The path in the cgroup v2 hierarchy, "" where there is none."""
    try:
        lines = _read(f"{directory}/cgroup", 4 * _SMALL_FILE_BYTES).decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    path = next((line[3:] for line in lines if line.startswith("0::")), "")
    return words.clean(path.removesuffix(" (deleted)"))


def _read(path: str, limit: int) -> bytes:
    with open(path, "rb") as file:
        return file.read(limit)
