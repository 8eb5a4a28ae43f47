"""A real terminal around a real process: a pty, and pyte for what a person would see on it."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyte

DEADLINE_S = 120.0
ROOT = Path(__file__).parents[2]


class Glass:
    """One process on its own terminal. raw: every byte it wrote; screen: what they look like."""

    def __init__(self, arguments: tuple[str, ...], width: int, height: int, **environment: str) -> None:
        self.screen = pyte.Screen(width, height)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
        self.before = termios.tcgetattr(slave)
        self._slave = slave
        known = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "COLORTERM")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.tui.demo", *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=ROOT,
            env={**known, "TERM": "xterm-256color", **environment},
            start_new_session=True,
        )

    def text(self) -> str:
        return "\n".join(self.screen.display)

    def type(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def until(self, seen: Callable[["Glass"], bool]) -> float:
        """Read on until something is seen; how many seconds that took."""
        begin = time.monotonic()
        while not seen(self):
            left = begin + DEADLINE_S - time.monotonic()
            assert left > 0, f"not seen within {DEADLINE_S} s:\n{self.text()}"
            self._read(left)
        return time.monotonic() - begin

    def ended(self) -> int:
        """Read until the process has ended; its exit code."""
        self.until(lambda _: self.process.poll() is not None)
        while self._read(0.0):
            pass
        return self.process.returncode

    def cpu_s(self) -> float:
        """What it has used so far; proc(5): the 14th and 15th of its numbers."""
        told = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(told[11]) + int(told[12])) / os.sysconf("SC_CLK_TCK")

    def settings(self) -> list[object]:
        return list(termios.tcgetattr(self._slave))

    def _read(self, wait_s: float) -> bool:
        ready, _, _ = select.select([self.master], [], [], min(wait_s, 0.05))
        if not ready:
            return False
        data = os.read(self.master, 65536)
        self.raw += data
        self._stream.feed(data)
        return True

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self._slave)


@contextmanager
def glass(*arguments: str, width: int = 120, height: int = 40, **environment: str) -> Iterator[Glass]:
    """`tests.tui.demo` with these arguments, on a terminal of its own."""
    on = Glass(arguments, width, height, **environment)
    try:
        yield on
    finally:
        on.close()
