"""What each command does: puts a source, the tracker and a face together. Knows no flag but by its value, and leaves
errors to the command line. Faces are imported by the command that needs them, so that the others start fast."""

import os
import select
import signal
import sys
import time
from argparse import Namespace
from io import TextIOWrapper
from types import FrameType
from typing import TYPE_CHECKING

from tcpwatch import wire
from tcpwatch.errors import KernelLacks, NotPermitted, TcpwatchError, UsageError
from tcpwatch.frame import Frame, Probe
from tcpwatch.kernel import namespaces
from tcpwatch.kernel.programs import Knobs, Programs
from tcpwatch.kernel.source import KernelSource, Pace
from tcpwatch.narration import say
from tcpwatch.tracker.tracker import Tracker

if TYPE_CHECKING:
    from tcpwatch.filter import Filter
    from tcpwatch.source import Source
    from tcpwatch.tui.app import Companion

# A face that follows the stream looks at all sockets only to find what was open before, and what was lost
_STREAM = Pace(tick=0.1, share=0.02)
_ONE_LOOK = Pace(tick=0.02, share=1.0)
_SCREEN = Pace(tick=0.2)


def run(command: str, options: Namespace, expression: str, wanted: "Filter | None") -> int:
    """Run a command to its end and return its exit code. wanted: the compiled expression; None where it is empty."""
    if command == "doctor":
        return _doctor(options)
    if command == "live":
        return _live(options, expression)
    if command == "demo":
        return _demo(options, expression)
    return _snapshot(options, wanted) if command == "snapshot" else _stream(command, options, wanted)


def _stream(command: str, options: Namespace, wanted: "Filter | None") -> int:
    """events, life: until there is no more to say, or nobody wants to hear it."""
    from tcpwatch.text.writer import Writer

    ending = _Ending()
    source = _source(options, wanted, _STREAM, time_wait=False)
    ending.governs(source, options.duration)
    tracker = Tracker()
    writer = Writer(command, options.format, sys.stdout.buffer, wanted, options.count)  # type: ignore[arg-type]
    try:
        writer.header()
        attached = sum(probe.attached for probe in source.programs.probes)
        say(f"tcpwatch: watching ({attached} of {len(source.programs.probes)} probes), Ctrl-C ends")
        for frame in source.frames():
            writer.write(tracker.fold(frame))
            if writer.done or ending.due():
                source.stop()
    finally:
        source.close()
    if tracker.frame is not None:
        _summarise(source, tracker.frame)
    return 0


def _snapshot(options: Namespace, wanted: "Filter | None") -> int:
    from tcpwatch.text.writer import Writer

    ending = _Ending()
    source = _source(options, wanted, _ONE_LOOK, time_wait=True)
    ending.governs(source)
    if not source.takes_snapshots:
        source.close()
        raise KernelLacks("this kernel does not let us list its sockets", "see tcpwatch doctor")
    tracker = Tracker()
    writer = Writer("snapshot", options.format, sys.stdout.buffer, wanted, options.count)
    try:
        writer.header()
        for frame in source.frames():
            writer.write(tracker.fold(frame))
            if frame.snapshot is not None:
                break
    finally:
        source.close()
    return 0


def _demo(options: Namespace, expression: str) -> int:
    from tcpwatch.scenarios import SCENARIOS
    from tcpwatch.scenarios.show import Company, check, choose

    if options.list:
        width = max(map(len, SCENARIOS))
        sys.stdout.writelines(f"{name:<{width}}  {one.line}\n" for name, one in SCENARIOS.items())
        return 0
    company = Company(choose(options.scenarios))
    check()
    try:
        return _live(options, expression, company.begin)
    finally:
        company.end()


def _live(options: Namespace, expression: str, companion: "Companion | None" = None) -> int:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError(
            "the live view needs a terminal", "use tcpwatch events, life or snapshot where the output goes elsewhere"
        )
    if not sys.stderr.isatty():
        os.dup2(sys.stdout.fileno(), sys.stderr.fileno())  # Textual draws on stderr
    from tcpwatch.live import Session
    from tcpwatch.text import export
    from tcpwatch.tui.app import run as show

    # The filter can be changed at any time, so none of it is left to the kernel
    source = _source(options, None, _SCREEN, time_wait=True)
    session = Session(
        source, Tracker(keep_closed=5000, history_bytes=16 << 20, keep_events=20_000, nat_timeout_s=options.nat_timeout)
    )
    session.start()
    show(
        session,
        expression,
        loader="core",
        theme=options.theme,
        seconds=options.duration,
        export=export.connections,
        companion=companion,
    )
    return 0


def _doctor(options: Namespace) -> int:
    from tcpwatch import doctor
    from tcpwatch.text.doctor import write

    failure: TcpwatchError | None = None
    probes: tuple[Probe, ...] = ()
    ring_bytes = options.ring_mb << 20
    try:
        programs = Programs(ring_bytes, Knobs())
        probes, ring_bytes = programs.probes, programs.ring_bytes
        programs.close()
    except TcpwatchError as error:
        failure = error
    report = doctor.examine(probes, ring_bytes, failure)
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a locale without check marks
    write(report, options.format, sys.stdout)
    sys.stdout.flush()
    return report.exit_code


class _Ending:
    """Why a stream should end: Ctrl-C or SIGTERM, --duration, or a reader that went away without our writing. Made
    before the source, so that a signal in the middle of loading is neither lost nor an exception in somebody's
    callback."""

    def __init__(self) -> None:
        self._until: float | None = None
        self._source: Source | None = None
        self._wanted = False
        self._pipe = select.poll()
        self._pipe.register(sys.stdout.fileno(), 0)  # errors and hang-ups are always reported
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._asked)

    def governs(self, source: "Source", duration: float | None = None) -> None:
        self._source = source
        self._until = None if duration is None else time.monotonic() + duration
        if self._wanted:
            source.stop()

    def due(self) -> bool:
        timed_out = self._until is not None and time.monotonic() >= self._until
        return timed_out or bool(self._pipe.poll(0))

    def _asked(self, number: int, _frame: FrameType | None) -> None:
        self._wanted = True
        if self._source is not None:
            self._source.stop()
        signal.signal(number, signal.default_int_handler)  # asked again: at once


def _source(options: Namespace, wanted: "Filter | None", pace: Pace, time_wait: bool) -> KernelSource:
    """Attached, with what the kernel can decide of the filter left to it."""
    netns = namespaces.resolve(options.netns)
    known = {netns: namespaces.Place(netns, options.netns)} if "/" in options.netns else {}
    if wanted is None:
        knobs = Knobs(want_netns=netns, want_time_wait=time_wait)
    else:
        knobs = Knobs(
            want_family=wanted.kernel.family,
            want_netns=netns or wanted.kernel.netns,
            want_lport_min=wanted.kernel.lport_min,
            want_lport_max=wanted.kernel.lport_max,
            want_rport_min=wanted.kernel.rport_min,
            want_rport_max=wanted.kernel.rport_max,
            want_time_wait=time_wait,
        )
    source = KernelSource(options.ring_mb << 20, knobs, pace, known)
    _admit_blindness(source, netns)
    return source


def _admit_blindness(source: KernelSource, netns: int) -> None:
    """A namespace that cannot be read must not look empty. Raises NotPermitted where it is the one asked for."""
    count, refused = source.unreadable()
    if not refused:
        return
    reason = next(iter(refused.values()))
    if netns in refused:
        source.close()
        raise NotPermitted(f"the sockets of that network namespace cannot be listed: {reason}", "run as root")
    say(f"tcpwatch: the sockets of {len(refused)} of {count} network namespaces cannot be listed: {reason}")


def _summarise(source: KernelSource, frame: Frame) -> None:
    shown = wire.SHOWN_KINDS
    seen, lost = (int(frame.tally[column][shown].sum()) for column in ("seen", "lost"))
    say(f"tcpwatch: {seen} events seen, {int(source.delivered[shown].sum())} delivered, {lost} lost")
    if frame.tally["lost"].any():
        say("tcpwatch: the ring was too small for the load: use a larger --ring-mb, or filter by port or namespace")
