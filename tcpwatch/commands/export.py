"""`tcpwatch export`: a recording as tables for other programs."""

from argparse import Namespace
from typing import TYPE_CHECKING

from tcpwatch.commands import sources
from tcpwatch.commands.ending import Ending
from tcpwatch.export.export import export

if TYPE_CHECKING:
    from tcpwatch.filter import Filter


def run(options: Namespace, _expression: str, wanted: "Filter | None") -> int:
    from tcpwatch.recording.reader import Recording

    ending = Ending(stdout=False)
    source = sources.recorded(options.recording)
    ending.governs(source)
    recording = source.recording
    span = (recording.begin_ns, recording.end_ns) if isinstance(recording, Recording) else None
    try:
        export(
            source,
            options.to,
            options.output,
            table=options.table,
            wanted=wanted,
            force=options.force,
            span=span,
        )
    finally:
        source.close()
    return sources.admit_gaps(source, options.netns)
