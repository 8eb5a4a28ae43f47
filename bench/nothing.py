"""`python -m bench.nothing OBJECT`: the hooks of a life with nothing behind them (nothing.bpf.c). Watches until Ctrl-C;
what remains is what no program can save."""

import signal
import sys
import threading
from pathlib import Path

from tcpwatch.kernel import libbpf


def main() -> int:
    asked = threading.Event()
    signal.signal(signal.SIGINT, lambda number, frame: asked.set())
    held = libbpf.Object(Path(sys.argv[1]).read_bytes())
    held.load()
    for name in held.programs:
        held.attach(name)
    sys.stderr.write("watching\n")
    asked.wait()
    held.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
