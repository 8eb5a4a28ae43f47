"""How much is done: how many rounds, how long, how many sockets."""

from dataclasses import dataclass

from bench.workshop import Workshop


@dataclass(frozen=True, slots=True)
class Scale:
    """seconds: one run of a load. passes: of measures whose ratios lie near 1, where many short runs tell more than
    a few long ones. sockets: for the snapshot. connections: on the screen."""

    workshop: Workshop
    rounds: int
    passes: int
    seconds: float
    sockets: int
    connections: int
    keys: int
