"""`tcpwatch snapshot`: every socket now, or at some moment of a recording."""

import sys
from argparse import Namespace
from io import BytesIO
from typing import TYPE_CHECKING, BinaryIO, cast

from tcpwatch.commands import sources
from tcpwatch.commands.ending import Ending
from tcpwatch.errors import BadInput, KernelLacks, UsageError
from tcpwatch.narration import say
from tcpwatch.record.progress import Progress
from tcpwatch.text.writer import Writer
from tcpwatch.tracker.tracker import Tracker

if TYPE_CHECKING:
    from tcpwatch.filter import Filter
    from tcpwatch.frame import Snapshot
    from tcpwatch.recording.reader import Recording
    from tcpwatch.recording.source import RecordedSource


def run(options: Namespace, expression: str, wanted: "Filter | None") -> int:
    if options.at is not None and not options.recording:
        raise UsageError("--at chooses a moment of a recording", "add --from FILE")
    ending = Ending(options.duration, recorded=bool(options.recording))
    if options.recording:
        from tcpwatch.recording.reader import Recording

        source = sources.recorded(options.recording)
        ending.governs(source)
        show = _recorded if isinstance(source.recording, Recording) else _piped
        return show(source, options, wanted)
    return _live(options, ending, wanted)


def _writer(options: Namespace, out: BinaryIO, wanted: "Filter | None") -> Writer:
    writer = Writer("snapshot", options.format, out, wanted, options.count)
    writer.header()
    return writer


def _live(options: Namespace, ending: Ending, wanted: "Filter | None") -> int:
    from tcpwatch.kernel.source import Pace

    source = sources.watched(options, wanted, Pace(tick=0.02, share=1.0), time_wait=True)
    ending.governs(source)
    if not source.takes_snapshots:
        source.close()
        raise KernelLacks("this kernel does not let us list its sockets", "see tcpwatch doctor")
    tracker = Tracker()
    try:
        writer = _writer(options, sys.stdout.buffer, wanted)
        for frame in source.frames():
            writer.write(tracker.fold(frame))
            if frame.snapshot is not None or ending.due(frame):
                break
    finally:
        source.close()
    return 0


def _recorded(source: "RecordedSource", options: Namespace, wanted: "Filter | None") -> int:
    """The last snapshot up to the moment; without one, the last of all."""
    recording, progress = cast("Recording", source.recording), Progress()
    try:
        until_ns = recording.end_ns if options.at is None else _moment(recording, options.at)
        segment, shown = _last_snapshot(recording, until_ns)
        if options.at is not None:
            say(_age(shown, until_ns, recording.host.realtime_offset_ns))
        # Which connection it is, since when, and at which end: only what precedes tells. The bare text shows none of it
        bare = options.format == "text" and wanted is None
        tracker = Tracker()
        writer = _writer(options, sys.stdout.buffer, wanted)
        for frame in recording.frames(segment) if bare else source.frames():
            step = tracker.fold(frame)
            if frame.snapshot is not None and frame.snapshot.begin_ns == shown.begin_ns:
                progress.clear()
                writer.write(step)
                break
            if not bare and progress.due():
                share = (frame.end_ns - recording.begin_ns) / max(1, shown.begin_ns - recording.begin_ns)
                progress.show(f"{min(share, 1):.0%} of what precedes it is read")
        else:
            progress.say("ended before that moment was reached: nothing is shown")
    finally:
        progress.clear()
        source.close()
    return sources.admit_gaps(source, options.netns)


def _age(shown: "Snapshot", moment_ns: int, offset_ns: int) -> str:
    from tcpwatch.replay.when import said

    apart_s = (moment_ns - shown.end_ns) / 1e9
    side = "before" if apart_s >= 0 else "after"
    at = f"{said(shown.end_ns + offset_ns)}.{(shown.end_ns + offset_ns) // 1_000_000 % 1000:03}"
    return f"tcpwatch: as it was at {at}, {abs(apart_s):.3f} s {side} the moment asked for"


def _piped(source: "RecordedSource", options: Namespace, wanted: "Filter | None") -> int:
    """The last of all. Which one that is shows only at the end, when the tracker has gone on: each is written down."""
    if options.at is not None:
        raise UsageError("a moment cannot be looked for in a pipe", "save it to a file first")
    tracker, said = Tracker(), None
    for frame in source.frames():
        step = tracker.fold(frame)
        if frame.snapshot is not None:
            said = BytesIO()
            _writer(options, said, wanted).write(step)
    if said is None:
        raise BadInput("what came through the pipe has no snapshot", "its events are there: see tcpwatch events --from")
    sys.stdout.buffer.write(said.getbuffer())
    sys.stdout.buffer.flush()
    return sources.admit_gaps(source, options.netns)


def _moment(recording: "Recording", at: str) -> int:
    from tcpwatch.replay.when import Span, moment

    offset_ns = recording.host.realtime_offset_ns
    begin_ns, end_ns = recording.begin_ns + offset_ns, recording.end_ns + offset_ns
    return moment(at, Span(begin_ns, end_ns, begin_ns if at.lstrip().startswith("+") else end_ns)) - offset_ns


def _last_snapshot(recording: "Recording", until_ns: int) -> "tuple[int, Snapshot]":
    """And its segment; the first of all where none precedes the moment. A segment begins with a snapshot if there are
    any, so one is looked through, or two."""
    for segment in range(len(recording.segments) - 1, -1, -1):
        found = None
        for frame in recording.frames(segment):
            if frame.end_ns > until_ns and (found is not None or segment):
                break
            found = frame.snapshot or found
        if found is not None:
            return segment, found
    raise BadInput(f"{recording.name} has no snapshot", "its events are there: see tcpwatch events --from")
