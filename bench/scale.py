"""How much is done: how many rounds, how long, how many sockets."""

from dataclasses import dataclass

from bench.workshop import Workshop


@dataclass(frozen=True, slots=True)
class Scale:
    """seconds: one run of a load. sockets: for the snapshot. connections: on the screen."""

    workshop: Workshop
    rounds: int
    seconds: float
    sockets: int
    connections: int
    keys: int
