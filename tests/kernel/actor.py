"""How does a test direct the parties of a conversation? An Actor is a real process in a namespace, with a known pid and
name, that does one step when told and says when it is done."""

import json
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from .namespace import DEADLINE_S, Namespace

SCRIPT = Path(__file__).with_name("actor_main.py")


class Actor:
    """comm: bytes, as the kernel keeps them (15 at most). pid follows a fork."""

    def __init__(self, room: Namespace, comm: bytes) -> None:
        self.room = room
        self.comm = comm
        command = room.inside(sys.executable, str(SCRIPT), comm.hex())
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.pid = self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(DEADLINE_S) if kind is None else self._process.kill()
        self._process.wait(DEADLINE_S)
        self._process.stdout.close()

    def ask(self, step: str, **details: Any) -> None:
        """Begins a step without waiting for its end."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps({"do": step, **details}) + "\n")
        self._process.stdin.flush()

    def answer(self) -> Any:
        """Waits for the end of the step begun with `ask`; what it gave."""
        assert self._process.stdout
        answer = json.loads(self._process.stdout.readline() or '{"error": "it died"}')
        assert "error" not in answer, f"{self.comm!r}: {answer}"
        return answer["ok"]

    def do(self, step: str, **details: Any) -> Any:
        self.ask(step, **details)
        return self.answer()

    def fork(self) -> None:
        """From here on a child of the process acts."""
        self.pid = self.do("fork")
