"""`tcpwatch snapshot`: every socket now, or at some moment of a recording."""

import sys
from argparse import Namespace
from typing import TYPE_CHECKING

from tcpwatch.commands import sources
from tcpwatch.commands.ending import Ending
from tcpwatch.errors import BadInput, KernelLacks, UsageError
from tcpwatch.text.writer import Writer
from tcpwatch.tracker.tracker import Tracker

if TYPE_CHECKING:
    from tcpwatch.filter import Filter
    from tcpwatch.recording.reader import Recording
    from tcpwatch.recording.source import RecordedSource


def run(options: Namespace, expression: str, wanted: "Filter | None") -> int:
    if options.at and not options.recording:
        raise UsageError("--at chooses a moment of a recording", "add --from FILE")
    ending = Ending()
    writer = Writer("snapshot", options.format, sys.stdout.buffer, wanted, options.count)
    if options.recording:
        return _recorded(sources.recorded(options.recording), options.at, ending, writer)
    from tcpwatch.kernel.source import Pace

    source = sources.watched(options, wanted, Pace(tick=0.02, share=1.0), time_wait=True)
    ending.governs(source)
    if not source.takes_snapshots:
        source.close()
        raise KernelLacks("this kernel does not let us list its sockets", "see tcpwatch doctor")
    tracker = Tracker()
    try:
        writer.header()
        for frame in source.frames():
            writer.write(tracker.fold(frame))
            if frame.snapshot is not None:
                break
    finally:
        source.close()
    return 0


def _recorded(source: "RecordedSource", at: str, ending: Ending, writer: Writer) -> int:
    """The last snapshot up to the moment; without one, the last of all."""
    from tcpwatch.recording.reader import Recording

    ending.governs(source)
    recording = source.recording
    if not isinstance(recording, Recording):
        raise UsageError("a snapshot cannot be looked for in a pipe", "save it to a file first")
    try:
        until_ns = _moment(recording, at) if at else recording.end_ns
        segment, place = _last_snapshot(recording, until_ns)
        tracker = Tracker()
        writer.header()
        for number, frame in enumerate(recording.frames(segment)):
            step = tracker.fold(frame)
            if number == place:
                writer.write(step)
                break
    finally:
        source.close()
    return sources.admit_gaps(source)


def _moment(recording: "Recording", at: str) -> int:
    from tcpwatch.replay.when import Span, moment

    offset_ns = recording.host.realtime_offset_ns
    begin_ns, end_ns = recording.begin_ns + offset_ns, recording.end_ns + offset_ns
    return moment(at, Span(begin_ns, end_ns, begin_ns if at.lstrip().startswith("+") else end_ns)) - offset_ns


def _last_snapshot(recording: "Recording", until_ns: int) -> tuple[int, int]:
    """(segment, which of its frames has it); the first of all where none precedes the moment. A segment begins with a
    snapshot if there are any, so one is looked through, or two."""
    for segment in range(len(recording.segments) - 1, -1, -1):
        found = None
        for number, frame in enumerate(recording.frames(segment)):
            if frame.end_ns > until_ns and (found is not None or segment):
                break
            if frame.snapshot is not None:
                found = number
        if found is not None:
            return segment, found
    raise BadInput(f"{recording.name} has no snapshot", "its events are there: see tcpwatch events --from")
