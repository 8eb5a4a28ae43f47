"""Starts and ends the programs that watch, tcpwatch and its peers alike, and reads what CPU time they took. Knows what
each prints once it is attached."""

import os
import selectors
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.tools import find
from bench.workshop import ROOT

_DEADLINE_S = 30.0
_SETTLE_S = 0.5  # tcpwatch loads what it needs for telling while it watches already: no part of what watching costs
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Watcher:
    """attached: what it prints on stderr when it has begun to watch; b"" for a peer that says nothing."""

    name: str
    command: tuple[str, ...]
    attached: bytes = b""


def tcpwatch(name: str, *arguments: str) -> Watcher:
    return Watcher(name, (sys.executable, "-m", "tcpwatch", *arguments), b"watching")


def headless_session() -> Watcher:
    """What the TUI runs besides its screen: the same source, the same tracker, a view each second."""
    return Watcher("tcpwatch: the TUI's session, no screen", (sys.executable, "-m", "bench.session"), b"watching")


def hooks_alone() -> Watcher:
    """What tcpwatch costs before anybody looks at the events."""
    return Watcher("tcpwatch: hooks and ring alone", (sys.executable, "-m", "bench.drain"), b"watching")


def hooks_of_nothing(image: Path) -> Watcher:
    """What the kernel takes for calling programs at all, whatever they do."""
    return Watcher("hooks that do nothing", (sys.executable, "-m", "bench.nothing", str(image)), b"watching")


def libbpf_tool(name: str) -> Watcher:
    return Watcher(f"libbpf-tools {name}", libbpf_command(name))


def libbpf_command(name: str) -> tuple[str, ...]:
    """The tools attach through tracefs; where it is not mounted they get a mount of their own, that goes with them."""
    mount = "test -e /sys/kernel/tracing/events || mount -t tracefs tracefs /sys/kernel/tracing"
    return ("unshare", "--mount", "sh", "-c", f'{mount}; exec "$0"', find(name))


class Watching:
    """A watcher while it runs; its stdout goes to the file `out`. Entered once it is attached and at rest; left with
    Ctrl-C. attached_s: from exec to attached."""

    def __init__(self, watcher: Watcher, out: Path | None = None) -> None:
        self._watcher = watcher
        self._out = Path(os.devnull) if out is None else out
        self.narration = b""
        self.process: subprocess.Popen[bytes]

    def __enter__(self) -> Self:
        begin = time.perf_counter()
        with self._out.open("wb") as out:
            self.process = subprocess.Popen(self._watcher.command, stdout=out, stderr=subprocess.PIPE, cwd=ROOT)
        try:
            self._wait()
        except BaseException:
            self.process.kill()
            raise
        self.attached_s = time.perf_counter() - begin
        time.sleep(_SETTLE_S)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is not None:
            self.process.kill()
        self.process.send_signal(signal.SIGINT)
        _, rest = self.process.communicate(timeout=_DEADLINE_S)
        self.narration += rest

    def cpu_s(self) -> float:
        """User and system time so far."""
        return cpu_s(self.process.pid)

    def _wait(self) -> None:
        if self._watcher.attached:
            assert self.process.stderr
            self.narration = read_until(self.process.stderr.fileno(), self._watcher.attached)
            return
        # Output to a file stays in the peer's buffer; but the descriptors it needs to watch can be seen
        until = time.monotonic() + _DEADLINE_S
        while not {"anon_inode:bpf_link", "anon_inode:[eventpoll]"} <= self._descriptors():
            if self.process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"{self._watcher.name} does not watch: {self._said()}")
            time.sleep(0.01)

    def _descriptors(self) -> set[str]:
        with suppress(FileNotFoundError):  # one was closed meanwhile; look again
            return {os.readlink(entry) for entry in Path(f"/proc/{self.process.pid}/fd").iterdir()}
        return set()

    def _said(self) -> str:
        self.process.kill()
        return self.process.communicate()[1].decode(errors="replace")


def read_until(descriptor: int, wanted: bytes) -> bytes:
    """Everything that came, once `wanted` is in it. Raises RuntimeError where it does not come."""
    until, said = time.monotonic() + _DEADLINE_S, b""
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        while wanted not in said:
            ready = selector.select(until - time.monotonic())
            part = read_some(descriptor) if ready else b""
            if not part:
                raise RuntimeError(f"waited for {wanted!r}, got: {said.decode(errors='replace')}")
            said += part
    return said


def read_some(descriptor: int) -> bytes:
    """What is there; b"" at the end, which a terminal reports as an error."""
    try:
        return os.read(descriptor, 1 << 16)
    except OSError:
        return b""


def memory_mb(pid: int) -> dict[str, float]:
    """By the kernel's names: `Rss`, `Pss`, ..."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]
    return {line.split(":")[0]: int(line.split()[1]) / 1000 for line in lines}


def cpu_s(pid: int) -> float:
    """User and system time of a process so far, all its threads, in steps of a clock tick."""
    fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S
