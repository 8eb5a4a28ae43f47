"""A private network namespace, so that what one run leaves behind (TIME_WAIT sockets above all) is gone before the next
begins and nobody else's traffic is in it."""

import itertools
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.tools import find

_numbers = itertools.count(1)
_TEARDOWN_S = 20.0

# A fast machine makes more connections in a second, after which a port may be used again, than there are ports by
# default; and a full TIME_WAIT table would let connections end another way halfway through a run
_SETTINGS = {"net.ipv4.ip_local_port_range": "1024 65535", "net.ipv4.tcp_max_tw_buckets": "262144"}


class Room:
    """Use as a context. Leaving it removes the namespace; what runs inside must have ended before."""

    def __init__(self) -> None:
        self.name = f"tw-bench-{os.getpid()}-{next(_numbers)}"

    def __enter__(self) -> Self:
        _run(find("ip"), "netns", "add", self.name)
        _run(*self.inside(find("ip"), "link", "set", "lo", "up"))
        for name, value in _SETTINGS.items():
            _run(*self.inside(find("sysctl"), "-q", "-w", f"{name}={value}"))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        _run(find("ip"), "netns", "delete", self.name)
        _await_teardown()

    @property
    def path(self) -> Path:
        return Path("/run/netns", self.name)

    @property
    def inode(self) -> int:
        return self.path.stat().st_ino

    def inside(self, *command: str) -> list[str]:
        """The command line that runs `command` in here; ip replaces itself by it, so the pid is the command's."""
        return [find("ip"), "netns", "exec", self.name, *command]


def _await_teardown() -> None:
    """The kernel takes a namespace down in the background, and a hundred thousand TIME_WAIT sockets take a while: that
    must not be charged to the next run. A kernel worker is named for what it is at."""
    until, quiet = time.monotonic() + _TEARDOWN_S, 0
    while quiet < 2 and time.monotonic() < until:
        time.sleep(0.05)
        quiet = 0 if any(name.endswith("+netns") for name in _names()) else quiet + 1


def _names() -> Iterator[str]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError):  # it has ended meanwhile
                yield (entry / "comm").read_text(encoding="utf-8", errors="replace").strip()


def _run(*command: str) -> None:
    subprocess.run(command, check=True)
