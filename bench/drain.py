"""`python -m bench.drain`: tcpwatch's hooks and its ring, and nobody who looks at what comes. Watches until Ctrl-C;
what it costs is the floor under every other watcher's figure."""

import signal
import sys
import time

from tcpwatch.flags import RING_MB
from tcpwatch.kernel.programs import Knobs, Programs
from tcpwatch.kernel.rings import Rings
from tcpwatch.kernel.source import DRAIN_LIMIT

_TICK_S = 0.1


def main() -> int:
    programs = Programs(RING_MB << 20, Knobs())
    rings = Rings(programs.rings, programs.ring_size)
    asked: list[int] = []
    signal.signal(signal.SIGINT, lambda number, frame: asked.append(number))
    sys.stderr.write("watching\n")
    while not asked:
        rings.wait(_TICK_S)
        rings.drain(DRAIN_LIMIT, time.monotonic_ns())
    rings.close()
    programs.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
