"""Many established connections in a namespace of their own, held as long as they are needed."""

import subprocess
from types import TracebackType
from typing import Self

from bench.room import Room

_SPARE_S = 60.0


class Crowd:
    """pairs: connections; each has both its ends here, so there are twice as many sockets."""

    def __init__(self, program: str, room: Room, pairs: int) -> None:
        self._command = room.inside(program, str(pairs))

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdout
        if self._process.stdout.readline() != b"ready\n":
            self._process.wait()
            raise RuntimeError("the crowd could not be made; its reason is above")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.communicate(timeout=_SPARE_S)
