"""Where do a command's frames come from? From the kernel, or with --from from a recording; what had to be left out of
either is said here."""

import os
import re
import stat
import sys
from argparse import Namespace
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from tcpwatch import words
from tcpwatch.commands.loading import loading
from tcpwatch.errors import BadInput, NotPermitted, UsageError
from tcpwatch.narration import say

if TYPE_CHECKING:
    import numpy as np

    from tcpwatch.filter import Filter
    from tcpwatch.frame import Frame
    from tcpwatch.kernel.namespaces import Place
    from tcpwatch.kernel.pace import Pace
    from tcpwatch.kernel.programs import Programs
    from tcpwatch.kernel.source import KernelSource
    from tcpwatch.recording.reader import Recording, Stream
    from tcpwatch.recording.source import RecordedSource

    Origin = KernelSource | RecordedSource

STDIN = "-"
_MOST_NAMES = 12


def watched(
    options: Namespace,
    wanted: "Filter | None",
    pace: "Pace",
    time_wait: bool,
    spare: Iterable[str] | None = (),
    announced: bool = False,
) -> "KernelSource":
    """The kernel, attached, with what it can decide of the filter left to it. spare: as KernelSource has it; what the
    command itself needs privileges for, once it watches. announced: say so as soon as it is."""
    from tcpwatch.kernel import namespaces
    from tcpwatch.kernel.programs import Knobs, Programs

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
    programs = Programs(options.ring_mb << 20, knobs, options.loader)
    try:
        _admit_blindness(known | namespaces.discover(), netns)
        if announced:
            _announce(programs)
        with loading():
            # The kernel watches already, while NumPy and what rests on it is still being loaded (100 ms)
            from tcpwatch.kernel.source import KernelSource

        return KernelSource(options.ring_mb << 20, knobs, pace, known, spare, options.loader, programs)
    except BaseException:
        programs.close()
        raise


def announce(source: "Origin") -> None:
    programs = getattr(source, "programs", None)
    if programs is not None:
        _announce(programs)


def _announce(programs: "Programs") -> None:
    attached = sum(probe.attached for probe in programs.probes)
    way = ", compiled by bcc" if programs.loader == "bcc" else ""
    say(f"tcpwatch: watching ({attached} of {len(programs.probes)} probes{way}), Ctrl-C ends")


def recorded(name: str) -> "RecordedSource":
    """name: of a file or a named pipe; "-": standard input. Raises BadInput."""
    with loading():
        from tcpwatch.recording.reader import Recording, Stream
        from tcpwatch.recording.source import RecordedSource

    if name == STDIN:
        if sys.stdin is None:
            raise UsageError("stdin is closed: there is nothing to read", "tcpwatch ... --from - < FILE")
        if sys.stdin.isatty():
            raise UsageError("a recording cannot be typed", "tcpwatch ... --from - < FILE, or --from FILE")
        return RecordedSource(Stream(sys.stdin.buffer))
    try:
        if stat.S_ISFIFO(os.stat(name).st_mode):
            return RecordedSource(Stream(open(name, "rb")))
    except OSError as error:
        raise BadInput(f"cannot read {name}: {error.strerror}") from error
    source = RecordedSource(recording := Recording(name))
    if recording.host.kept:
        say(f"tcpwatch: this recording holds only what matches {words.clean(recording.host.kept)}")
    return source


def account(source: "Origin", frame: "Frame | None", netns: str, delivered: "np.ndarray | None" = None) -> int:
    """After the last frame, if there was one: what was lost, and what of a recording was left out. The exit code.
    netns: which were asked for. delivered: (KINDS,) events, where not all that the source gave were kept."""
    if frame is not None:
        _summarise(source, frame, source.delivered if delivered is None else delivered)
    return finish(source, netns)


def finish(source: "Origin", netns: str) -> int:
    """What of a recording was left out is said; the exit code."""
    return 0 if hasattr(source, "programs") else admit_gaps(source, netns)


def _summarise(source: "Origin", frame: "Frame", by_kind: "np.ndarray") -> None:
    from tcpwatch import wire  # takes NumPy

    seen, lost = (frame.tally[column] - source.tally_before[column] for column in ("seen", "lost"))
    delivered = int(by_kind[wire.SHOWN_KINDS].sum())
    # where a recording was ended early, or breaks off, what was seen last lies behind its end
    said = (
        f"{seen[wire.SHOWN_KINDS].sum()} events seen, {delivered} delivered" if frame.final else f"{delivered} events"
    )
    say(f"tcpwatch: {said}, {lost[wire.SHOWN_KINDS].sum()} lost")
    programs = getattr(source, "programs", None)
    interrupted = programs.interrupted if programs else 0
    if lost.sum() > interrupted:
        say("tcpwatch: the ring was too small for the load: use a larger --ring-mb, or filter by port or namespace")
    if interrupted:
        say(
            f"tcpwatch: {interrupted} of them interrupted a hook, and the kernel runs none within itself; nothing helps"
        )


def admit_gaps(source: "RecordedSource", netns: str) -> int:
    if not source.stopped:
        _admit_absence(source.named, netns)
    return admit_damage(source.recording, source.stopped)


def _admit_absence(named: set[str], netns: str) -> None:
    """A network namespace that a recording tells nothing of must not look idle. netns: a name, perhaps with `*`; or a
    number, which may be that of one without a name."""
    if netns == "all" or re.fullmatch(r"[0-9]+|net:\[[0-9]+\]", netns):
        return
    from tcpwatch.filter.conditions import pattern  # takes NumPy

    if any(map(pattern(netns).fullmatch, named)):
        return
    names = ", ".join(words.clean(name) for name in sorted(named)[:_MOST_NAMES]) or "none"
    more = f" and {len(named) - _MOST_NAMES} more" if len(named) > _MOST_NAMES else ""
    say(f"tcpwatch: what was read names no network namespace {words.clean(netns)!r}: it names {names}{more}")


def admit_damage(recording: "Recording | Stream", stopped: bool) -> int:
    """The exit code: that of a bad input file where it is damaged. That its end is missing is said, and is no fault: it
    may still be written to. stopped: before its end, so that nobody knows."""
    if recording.dropped:
        say(f"tcpwatch: {recording.dropped}")
    elif not recording.complete and not stopped:
        say("tcpwatch: the recording was not brought to its end: up to a second may be missing there")
    return BadInput.exit_code if recording.is_damaged else 0


def _admit_blindness(places: "Mapping[int, Place]", netns: int) -> None:
    """A namespace that cannot be read must not look empty. netns: the only one that is wanted, or ALL. Raises
    NotPermitted where it is the one asked for."""
    from tcpwatch.kernel import namespaces

    wanted = [place for place in places.values() if netns in (namespaces.ALL, place.inode)]
    refused = namespaces.refused(wanted)
    if not refused:
        return
    reason = next(iter(refused.values()))
    if netns in refused:
        raise NotPermitted(f"the sockets of that network namespace cannot be listed: {reason}", "run as root")
    say(f"tcpwatch: the sockets of {len(refused)} of {len(wanted)} network namespaces cannot be listed: {reason}")
