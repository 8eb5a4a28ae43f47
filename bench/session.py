"""`python -m bench.session`: the TUI's session without its screen. Watches until Ctrl-C; what remains is the cost of
keeping the picture that the screen would draw."""

import signal
import sys
import threading

from tcpwatch.flags import RING_MB
from tcpwatch.kernel.programs import Knobs
from tcpwatch.kernel.source import KernelSource, Pace
from tcpwatch.live import Session
from tcpwatch.tracker.tracker import Tracker


def main() -> int:
    asked = threading.Event()
    signal.signal(signal.SIGINT, lambda number, frame: asked.set())
    source = KernelSource(RING_MB << 20, Knobs(want_time_wait=1), Pace(tick=0.2))
    tracker = Tracker(keep_closed=5000, history_bytes=16 << 20, keep_events=20_000)
    session = Session(source, tracker)
    session.start()
    sys.stderr.write(f"watching ({len(source.programs.probes)} probes)\n")
    asked.wait()
    session.stop()
    if session.error is not None:
        raise session.error
    assert tracker.frame is not None
    seen, lost = (int(tracker.frame.tally[name].sum()) for name in ("seen", "lost"))
    sys.stderr.write(f"tcpwatch: {seen} events seen, {int(source.delivered.sum())} delivered, {lost} lost\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
