"""How are the parties of a conversation directed? An Actor is a real process in a namespace, with a known pid and name,
that does one step when told and says when it is done."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tcpwatch.errors import TcpwatchError
from tcpwatch.scenarios.namespace import DEADLINE_S, Namespace

SCRIPT = Path(__file__).with_name("party.py")
STEP_S = 150.0  # no step takes longer
_GLANCE_S = 0.1


class Actor:
    """comm: bytes, as the kernel keeps them (15 at most). pid follows a fork. glance: called some ten times a second
    while an answer is awaited; what it raises ends the waiting."""

    def __init__(self, room: Namespace, comm: bytes, glance: Callable[[], None] = lambda: None) -> None:
        self.room = room
        self.comm = comm
        self._glance = glance
        # isolated and without site: a third of the time to start, and nothing but the standard library is needed
        command = room.inside(sys.executable, "-IS", str(SCRIPT), comm.hex())
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.pid = self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self._process.stdin
        assert self._process.stdout
        with suppress(BrokenPipeError):  # it was killed
            self._process.stdin.close()
        if kind is not None:
            self._process.kill()
        try:
            self._process.wait(DEADLINE_S)
        finally:
            self._process.kill()
            self._process.wait()
            self._process.stdout.close()

    def ask(self, step: str, **details: Any) -> None:
        """Begins a step without waiting for its end."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps({"do": step, **details}) + "\n")
        self._process.stdin.flush()

    def answer(self) -> Any:
        """Waits for the end of the step begun with `ask`; what it gave."""
        assert self._process.stdout
        give_up = time.monotonic() + STEP_S
        while not select.select([self._process.stdout], [], [], _GLANCE_S)[0]:
            self._glance()
            if time.monotonic() > give_up:
                raise TcpwatchError(f"{self.comm!r}: no answer within {STEP_S:.0f} s")
        answer = json.loads(self._process.stdout.readline() or '{"error": "it died"}')
        if "error" in answer:
            raise TcpwatchError(f"{self.comm!r}: {answer['error']}")
        return answer["ok"]

    def do(self, step: str, **details: Any) -> Any:
        self.ask(step, **details)
        return self.answer()

    def fork(self) -> None:
        """From here on a child of the process acts."""
        self.pid = self.do("fork")

    def kill(self) -> None:
        """As the kernel's memory killer does it: no step, no goodbye. Back when it is gone."""
        os.kill(self.pid, signal.SIGKILL)
        self._process.wait(DEADLINE_S)
