"""Runs the connect/close load and says what it did."""

import subprocess
from dataclasses import dataclass

from bench.room import Room

STATE_CHANGES = 9  # per connection, both ends: the client's 5, the accepted socket's 4
_SPARE_S = 30.0


@dataclass(frozen=True, slots=True)
class Done:
    connections: int
    seconds: float
    pairs: int

    @property
    def rate(self) -> float:
        """Connections per second."""
        return self.connections / self.seconds

    @property
    def state_changes(self) -> int:
        """How many a watcher has to tell of: each connection's, and each listener's two."""
        return self.connections * STATE_CHANGES + self.pairs * 2


def start(program: str, room: Room, pairs: int, seconds: float) -> "subprocess.Popen[str]":
    """Begins a load that ends by itself; finish() waits for it."""
    return subprocess.Popen(room.inside(program, str(pairs), str(seconds)), stdout=subprocess.PIPE, text=True)


def finish(load: "subprocess.Popen[str]", pairs: int, seconds: float) -> Done:
    try:
        out, _ = load.communicate(timeout=seconds + _SPARE_S)
    except BaseException:
        load.kill()
        load.wait()
        raise
    if load.returncode:
        raise RuntimeError(f"the load failed with exit code {load.returncode}; its reason is above")
    connections, took = out.split()
    return Done(int(connections), float(took), pairs)


def run(program: str, room: Room, pairs: int, seconds: float) -> Done:
    return finish(start(program, room, pairs, seconds), pairs, seconds)
