"""How does a test run tcpwatch? The real command as a process, its two outputs read line by line as they come, ended
with Ctrl-C."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from tcpwatch.scenarios.namespace import DEADLINE_S
from tests import again

from .witness import skipped

Record = dict[str, Any]
COMMAND = [sys.executable, "-m", "tcpwatch"]
LOADER = os.environ.get("TCPWATCH_TESTS_LOADER", "auto")  # which one these tests are about
PREFIX = tuple(os.environ.get("TCPWATCH_TESTS_PREFIX", "").split())  # what goes before every command that watches


def tcpwatch(*arguments: str, prefix: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Runs the command to its end. prefix: what goes before it (`unshare`, `setpriv`)."""
    return subprocess.run([*prefix, *COMMAND, *arguments], capture_output=True, text=True, timeout=DEADLINE_S)


def snapshot(*arguments: str) -> list[Record]:
    """`tcpwatch snapshot`, its records."""
    done = tcpwatch("snapshot", "--format", "jsonl", "--loader", LOADER, *arguments, prefix=PREFIX)
    assert done.returncode == 0, (done.returncode, done.stderr)
    return [json.loads(line) for line in done.stdout.splitlines()]


class Watch:
    """A command that streams JSON lines. Entered once it is attached. records: what came so far, in order."""

    def __init__(self, *arguments: str) -> None:
        self.records: list[Record] = []
        self.narration = ""
        self.garbage = ""  # the first line on stdout that is no record
        self._lock = threading.Lock()
        command = [*PREFIX, *COMMAND, *arguments, "--format", "jsonl", "--loader", LOADER]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert self.process.stdout
        assert self.process.stderr
        self._readers = [
            threading.Thread(target=self._read, args=(self.process.stdout, self._record)),
            threading.Thread(target=self._read, args=(self.process.stderr, self._narrate)),
        ]
        for reader in self._readers:
            reader.start()

    def __enter__(self) -> Self:
        try:
            self._wait(lambda: "watching" in self.narration, "to be attached")
        except BaseException:
            self.end(signal.SIGKILL)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self.process.poll() is None:
            self.end(signal.SIGINT if kind is None else signal.SIGKILL)
            assert kind is not None or self.process.returncode == 0, self.narration
        self._read_to_the_end()
        again.note_skipped("interrupted a hook" in self.narration)
        assert not self.garbage, self.garbage

    def until(self, count: int, wanted: Callable[[Record], bool] = lambda record: True) -> list[Record]:
        """Waits until that many of the wanted records have come; all wanted ones, so more if there are more."""
        self._wait(lambda: sum(map(wanted, self.records)) >= count, f"for {count} records")
        return list(filter(wanted, self.records))

    def finish(self) -> list[Record]:
        """Ends it with Ctrl-C; everything it said."""
        self.end(signal.SIGINT)
        return self.records

    def end(self, by: signal.Signals) -> None:
        """Ends it with that signal."""
        with suppress(OSError):  # it may have ended by itself
            again.note_skipped(skipped(self.process.pid))  # killed, it would not tell
        self.process.send_signal(by)
        self._read_to_the_end()

    def pause(self) -> None:
        """Stops it, and waits until it stands: a signal takes its time."""
        self.process.send_signal(signal.SIGSTOP)
        stat = Path(f"/proc/{self.process.pid}/stat")
        give_up = time.monotonic() + DEADLINE_S
        while stat.read_text().rpartition(")")[2].split()[0] != "T":
            assert time.monotonic() < give_up
            time.sleep(0.001)

    def go_on(self) -> None:
        """After `pause`."""
        self.process.send_signal(signal.SIGCONT)

    def _read_to_the_end(self) -> None:
        """All that it said, once it has ended: a reader may lag behind."""
        self.process.wait(DEADLINE_S)
        for reader in self._readers:
            reader.join()

    def _wait(self, done: Callable[[], bool], what: str) -> None:
        give_up = time.monotonic() + DEADLINE_S
        while True:
            over = self.garbage or not any(map(threading.Thread.is_alive, self._readers)) or time.monotonic() > give_up
            with self._lock:
                came = done()
            if came or over:
                break
            time.sleep(0.02)  # not at each record: `done` may look at all of them
        assert not self.garbage, self.garbage
        ended = f", and it ended with {code}" if (code := self.process.poll()) is not None else ""
        assert came, f"waited {what}; {len(self.records)} came{ended}\n{self.narration}" + "\n".join(
            map(str, self.records[:99])
        )

    def _read(self, pipe: IO[bytes], take: Callable[[str], None]) -> None:
        with pipe:
            for line in pipe:
                with self._lock:
                    take(line.decode())

    def _record(self, line: str) -> None:
        try:
            self.records.append(json.loads(line))
        except ValueError:
            self.garbage = self.garbage or line

    def _narrate(self, line: str) -> None:
        self.narration += line
