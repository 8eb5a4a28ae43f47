"""`tcpwatch record`: a session into a file, for another day or another machine."""

import signal
from argparse import Namespace
from typing import TYPE_CHECKING

from tcpwatch.commands import sources
from tcpwatch.commands.ending import Ending
from tcpwatch.record.orders import STDOUT
from tcpwatch.record.recorder import Recorder
from tcpwatch.sieve import Sieve, Sieved
from tcpwatch.source import Source

if TYPE_CHECKING:
    from tcpwatch.commands.sources import Origin
    from tcpwatch.filter import Filter


def run(options: Namespace, _expression: str, wanted: "Filter | None") -> int:
    recorder = Recorder(options)  # first: nothing should be attached for an order that makes no sense
    sieve = Sieve(wanted) if wanted else None
    if options.keep is None:
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # meant for a flight recorder, it would cost the file its index
    ending = Ending(options.duration, recorded=bool(options.recording), stdout=options.output == STDOUT)
    origin = sources.recorded(options.recording) if options.recording else _watched(options, wanted)
    source: Source = Sieved(origin, sieve) if sieve else origin
    ending.governs(source)
    sources.announce(origin)
    recorder.run(source, ending.due)
    return sources.finish(origin, options.netns)


def _watched(options: Namespace, wanted: "Filter | None") -> "Origin":
    from tcpwatch.kernel.privileges import FILES
    from tcpwatch.kernel.source import Pace

    spare = () if options.output == STDOUT else FILES
    # Snapshots as often as the screen has them: a recording should answer whatever somebody may ask later
    return sources.watched(options, wanted, Pace(tick=0.1, share=0.02), time_wait=True, spare=spare)
