"""The command line: flags in, exit codes out. The one place that turns errors into messages; what the commands do lives
elsewhere, and is imported only by the command that needs it."""

import os
import select
import signal
import sys
import time
from argparse import SUPPRESS, ArgumentParser, ArgumentTypeError, Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from difflib import get_close_matches
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from tcpwatch import __version__, words
from tcpwatch.errors import FilterError, TcpwatchError, UsageError

if TYPE_CHECKING:
    from tcpwatch.filter import Filter
    from tcpwatch.frame import Frame, Probe
    from tcpwatch.kernel.source import KernelSource, Pace

COMMANDS = {
    "live": "the terminal UI (the default)",
    "events": "one line per event as it happens",
    "life": "one line per finished connection",
    "snapshot": "every socket now, once, as ss -tin shows them",
    "doctor": "what this kernel, these privileges and these sysctls allow",
}
_FILTER_HELP = (
    "the filter language is ss's and more: state established and ( dport = :443 or comm = nginx ) and rtt > 50ms"
)
_RING_MB = 32


class Parser(ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message, f"see {self.prog} --help")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code (the contract's: 0, 1, 2, 3, 4, 5)."""
    try:
        options = _parse(list(sys.argv[1:] if argv is None else argv))
        return _run(options)
    except TcpwatchError as error:
        _explain(error)
        return error.exit_code
    except BrokenPipeError:
        # the reader has seen enough; Python would complain once more when it flushes at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        _say(f"tcpwatch: {error.strerror or error}{f': {error.filename}' if error.filename else ''}")
        _discard_output()
        return 1
    except KeyboardInterrupt:
        return 130


def _discard_output() -> None:
    """Whatever could not be written before cannot be written at exit either."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parse(argv: list[str]) -> Namespace:
    parser = Parser(
        prog="tcpwatch",
        description="Every TCP connection of this machine, live, from the kernel.",
        epilog=_FILTER_HELP,
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"tcpwatch {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, purpose in COMMANDS.items():
        _add_options(commands.add_parser(name, help=purpose, description=purpose, epilog=_FILTER_HELP), name)
    return parser.parse_args(_with_command(argv))


def _add_options(parser: ArgumentParser, command: str) -> None:
    parser.add_argument("--loader", choices=("auto", "core"), default="auto", help="how programs get into the kernel")
    parser.add_argument(
        "--ring-mb", type=_megabytes, default=_RING_MB, metavar="N", help=f"size of the event ring (default {_RING_MB})"
    )
    if command == "doctor":
        parser.add_argument("--format", choices=("text", "jsonl"), default="text")
        return
    parser.add_argument(
        "-f", "--filter", metavar="EXPR", default="", help="show only what matches; see docs/filters.md"
    )
    parser.add_argument("words", nargs="*", metavar="EXPR", help="the filter as trailing words, as ss takes it")
    parser.add_argument(
        "--netns", default="all", metavar="all|self|NAME|PATH", help="which network namespaces (default all)"
    )
    if command != "snapshot":
        parser.add_argument("--duration", type=_seconds, metavar="S", help="end after so many seconds")
    if command != "live":
        parser.add_argument("--count", type=_count, metavar="N", help="end after so many records")
        parser.add_argument("--format", choices=("text", "jsonl", "csv"), default="text")
    else:
        parser.add_argument("--theme", default=None, help=SUPPRESS)


def _with_command(argv: list[str]) -> list[str]:
    """Put the command first: `live` is understood where none is named, and options may precede it."""
    taking = ("-f", "--filter", "--netns", "--duration", "--count", "--format", "--loader", "--ring-mb", "--theme")
    skip = False
    for place, word in enumerate(argv):
        if skip:
            skip = False
        elif word in taking:
            skip = True
        elif word in COMMANDS:
            return [word, *argv[:place], *argv[place + 1 :]]
        elif not word.startswith("-") or word == "--":
            break
    return argv if argv and argv[0] in ("-h", "--help", "--version") else ["live", *argv]


def _run(options: Namespace) -> int:
    if options.command == "doctor":
        return _doctor(options)
    if options.command == "live":
        return _live(options)
    return _stream(options)


def _stream(options: Namespace) -> int:
    """events, life, snapshot: frames go through the tracker to stdout until there is no more to say."""
    from tcpwatch.kernel.source import Pace
    from tcpwatch.text.writer import Writer
    from tcpwatch.tracker.tracker import Tracker

    wanted = _filter(options)
    one_look = options.command == "snapshot"
    pace = Pace(tick=0.02 if one_look else 0.1, share=1.0 if one_look else 0.02)
    source = _source(options, wanted, pace, time_wait=one_look)
    tracker = Tracker()
    writer = Writer(
        options.command, options.format, sys.stdout.buffer, wanted if _expression(options) else None, options.count
    )
    ending = _Ending(source, None if one_look else options.duration)
    try:
        writer.header()
        if not one_look:
            _say(f"tcpwatch: watching ({_probes(source)}), Ctrl-C ends")
        for frame in source.frames():
            step = tracker.fold(frame)
            writer.write(step)
            if writer.done or ending.due() or (one_look and frame.snapshot is not None):
                source.stop()
                if writer.done or one_look:
                    break
    finally:
        source.close()
    if not one_look and tracker.frame is not None:
        _summarise(source, tracker.frame)
    return 0


def _live(options: Namespace) -> int:
    try:
        _filter(options)  # a wrong one is refused before the screen changes
    except FilterError as error:
        raise _explained(error, options) from error
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError(
            "the live view needs a terminal", "use tcpwatch events, life or snapshot where the output goes elsewhere"
        )
    if not sys.stderr.isatty():
        os.dup2(sys.stdout.fileno(), sys.stderr.fileno())  # Textual draws on stderr
    from tcpwatch.kernel.source import Pace
    from tcpwatch.live import Session
    from tcpwatch.text import export
    from tcpwatch.tracker.tracker import Tracker
    from tcpwatch.tui.app import run

    source = _source(options, None, Pace(tick=0.2), time_wait=True)
    session = Session(source, Tracker(keep_closed=5000, history_bytes=16 << 20, keep_events=20_000))
    session.start()
    try:
        run(session, _expression(options), theme=options.theme, export=export.connections)
    finally:
        session.stop()
    if session.error is not None:
        raise session.error
    return 0


def _explained(error: FilterError, options: Namespace) -> TcpwatchError:
    """A word that begins no filter may have been meant as a command."""
    if not options.words or error.column > len(options.words[0]):
        return error
    meant = get_close_matches(options.words[0], COMMANDS, n=1)
    return FilterError(
        f"{words.clean(options.words[0])!r} is no command, and no filter begins so",
        error.expression,
        error.column,
        error.length,
        f"did you mean tcpwatch {meant[0]}?" if meant else f"the commands are {', '.join(COMMANDS)}",
    )


def _doctor(options: Namespace) -> int:
    from tcpwatch import doctor
    from tcpwatch.kernel.programs import Knobs, Programs
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
    write(report, options.format, sys.stdout)
    sys.stdout.flush()
    return report.exit_code


class _Ending:
    """Why a stream should end: Ctrl-C or SIGTERM, --duration, or a reader that went away without our writing."""

    def __init__(self, source: "KernelSource", duration: float | None) -> None:
        self._until = None if duration is None else time.monotonic() + duration
        self._source = source
        self._pipe = select.poll()
        self._pipe.register(sys.stdout.fileno(), 0)  # errors and hang-ups are always reported
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._asked)

    def due(self) -> bool:
        timed_out = self._until is not None and time.monotonic() >= self._until
        return timed_out or bool(self._pipe.poll(0))

    def _asked(self, number: int, _frame: FrameType | None) -> None:
        self._source.stop()
        signal.signal(number, signal.default_int_handler)  # asked again: at once


def _source(options: Namespace, wanted: "Filter | None", pace: "Pace", time_wait: bool) -> "KernelSource":
    from tcpwatch.kernel import namespaces
    from tcpwatch.kernel.programs import Knobs
    from tcpwatch.kernel.source import KernelSource

    netns = namespaces.resolve(options.netns)
    kernel = wanted.kernel if wanted is not None else None
    knobs = Knobs(
        want_netns=netns or (kernel.netns if kernel else 0),
        want_time_wait=int(time_wait),
        **(
            {}
            if kernel is None
            else {
                "want_family": kernel.family,
                "want_lport_min": kernel.lport_min,
                "want_lport_max": kernel.lport_max,
                "want_rport_min": kernel.rport_min,
                "want_rport_max": kernel.rport_max,
            }
        ),
    )
    return KernelSource(options.ring_mb << 20, knobs, pace)


def _expression(options: Namespace) -> str:
    trailing = " ".join(options.words)
    return f"( {options.filter} ) and ( {trailing} )" if options.filter and trailing else options.filter or trailing


def _filter(options: Namespace) -> "Filter | None":
    expression = _expression(options)
    if not expression:
        return None
    from tcpwatch.filter import parse

    wanted = parse(expression)
    for note in wanted.notes:
        _say(f"tcpwatch: {note}")
    return wanted


def _probes(source: "KernelSource") -> str:
    attached = sum(probe.attached for probe in source.programs.probes)
    return f"{attached} of {len(source.programs.probes)} probes"


def _summarise(source: "KernelSource", frame: "Frame") -> None:
    from tcpwatch import wire

    shown = slice(len(wire.EVENT_KINDS))
    seen, lost = (int(frame.tally[column][shown].sum()) for column in ("seen", "lost"))
    _say(f"tcpwatch: {seen} events seen, {int(source.delivered[shown].sum())} delivered, {lost} lost")
    if frame.tally["lost"].any():
        _say("tcpwatch: the ring was too small for the load: use a larger --ring-mb, or filter by port or namespace")


def _explain(error: TcpwatchError) -> None:
    _say(f"tcpwatch: {error.what}")
    if isinstance(error, FilterError):
        _say(f"  {words.clean(error.expression)}")
        _say(f"  {' ' * error.column}{'^' * error.length}")
    if error.cure:
        _say(f"  {error.cure}")


def _say(text: str) -> None:
    """Narration goes to stderr; if nobody can hear it, that is no reason to fail."""
    try:
        print(text, file=sys.stderr, flush=True)  # noqa: T201 - the one place that narrates
    except OSError:
        return


def _seconds(text: str) -> float:
    units = {"s": 1, "m": 60, "h": 3600}
    scale = units.get(text[-1:], 0)
    try:
        seconds = float(text[:-1] if scale else text) * (scale or 1)
    except ValueError:
        seconds = -1
    if not 0 <= seconds < 1e9:
        raise ArgumentTypeError(f"{text!r} is no duration such as 10, 2.5s or 5m")
    return seconds


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise ArgumentTypeError(f"{text!r} is no positive number")
    return int(text)


def _megabytes(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1024:
        raise ArgumentTypeError(f"{text!r} is not between 1 and 1024")
    return int(text)
