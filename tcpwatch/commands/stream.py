"""`tcpwatch events` and `tcpwatch life`: until there is no more to say, or nobody wants to hear it."""

import sys
from argparse import Namespace
from typing import TYPE_CHECKING

from tcpwatch.commands import sources
from tcpwatch.commands.ending import Ending
from tcpwatch.commands.loading import loading

if TYPE_CHECKING:
    from tcpwatch.commands.sources import Origin
    from tcpwatch.filter import Filter


def run(options: Namespace, expression: str, wanted: "Filter | None") -> int:
    ending = Ending(options.duration, recorded=bool(options.recording))
    source = sources.recorded(options.recording) if options.recording else _watched(options, wanted)
    try:
        with loading():
            # The kernel watches already, while what it takes to follow and to write is still being loaded (70 ms)
            from tcpwatch.text.writer import Writer
            from tcpwatch.tracker.tracker import Tracker

        tracker = Tracker()
        writer = Writer(options.command, options.format, sys.stdout.buffer, wanted, options.count)
        writer.header()
        ending.governs(source)
        for frame in source.frames():
            writer.write(tracker.fold(frame))
            if writer.done or ending.due(frame):
                source.stop()
    finally:
        source.close()
    return sources.account(source, tracker.frame, options.netns)


def _watched(options: Namespace, wanted: "Filter | None") -> "Origin":
    from tcpwatch.kernel.pace import Pace

    # It looks at all sockets only to find what was open before, and what was lost
    return sources.watched(options, wanted, Pace(tick=0.1, share=0.02), time_wait=False, announced=True)
