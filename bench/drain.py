"""`python -m bench.drain`: tcpwatch's hooks and its ring, and nobody who looks at what comes. Watches until Ctrl-C;
what it costs is the floor under every other watcher's figure."""

import signal
import sys

from tcpwatch.kernel.programs import Knobs, Programs
from tcpwatch.kernel.ring import Ring
from tcpwatch.kernel.source import DRAIN_LIMIT

_RING_BYTES = 32 << 20
_TICK_S = 0.1


def main() -> int:
    programs = Programs(_RING_BYTES, Knobs())
    ring = Ring(programs.ring, programs.ring_bytes)
    asked: list[int] = []
    signal.signal(signal.SIGINT, lambda number, frame: asked.append(number))
    sys.stderr.write("watching\n")
    while not asked:
        ring.wait(_TICK_S)
        ring.drain(DRAIN_LIMIT)
    ring.close()
    programs.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
