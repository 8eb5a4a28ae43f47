"""The command line: flags in, exit codes out. The one place that turns errors into messages; what the commands do lives
elsewhere, and is imported only by the command that needs it."""

import os
import sys
from argparse import SUPPRESS, ArgumentParser, ArgumentTypeError, Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, NoReturn

from tcpwatch import __version__, words
from tcpwatch.errors import FilterError, TcpwatchError, UsageError
from tcpwatch.narration import say

if TYPE_CHECKING:
    from tcpwatch.filter import Filter

COMMANDS = {
    "live": "the terminal UI (the default)",
    "events": "one line per event as it happens",
    "life": "one line per finished connection",
    "snapshot": "every socket now, once, as ss -tin shows them",
    "demo": "real trouble of every kind, made in network namespaces of its own, under the terminal UI",
    "doctor": "what this kernel, these privileges and these sysctls allow",
}
_FILTER_HELP = (
    "the filter language is ss's and more: state established and ( dport = :443 or comm = nginx ) and rtt > 50ms"
)
_RING_MB = 32
_NAT_TIMEOUT_S = 350.0  # AWS's gateways and balancers; Azure 240, home routers 300 to 1800, Linux 5 days


class Parser(ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message, f"see {self.prog} --help")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code (the contract's: 0, 1, 2, 3, 4, 5)."""
    # NumPy's linear algebra, which nothing here uses, would start a spinning thread per CPU
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        if sys.stdout is None:
            raise UsageError("stdout is closed: there is nowhere to write to", "redirect it to /dev/null instead")
        options = _parse(list(sys.argv[1:] if argv is None else argv))
        if options.command == "doctor":
            expression, wanted = "", None
        else:
            expression = _expression(options)
            wanted = _filter(options, expression)
        from tcpwatch.commands import run

        return run(options.command, options, expression, wanted)
    except TcpwatchError as error:
        _explain(error)
        return error.exit_code
    except BrokenPipeError:
        _discard_output()  # the reader has seen enough
        return 0
    except OSError as error:
        say(f"tcpwatch: {error.strerror or error}{f': {error.filename}' if error.filename else ''}")
        _discard_output()
        return 1
    except KeyboardInterrupt:
        return 0  # before there was anything to summarise, or for the second time


def _discard_output() -> None:
    """What could not be written cannot be written at exit either, and Python would complain once more."""
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
    arguments = _with_command(argv)
    if arguments[0] not in COMMANDS:
        return parser.parse_args(arguments)
    options = Namespace(command=arguments[0])
    # not through the parser above: it would answer for the command's options, and send users to the wrong --help
    return commands.choices[arguments[0]].parse_args(arguments[1:], options)


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
    if command == "demo":
        parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help="which ones (default: all short ones)")
        parser.add_argument("--list", action="store_true", help="say which scenarios there are")
        parser.set_defaults(words=[])
    else:
        parser.add_argument("words", nargs="*", metavar="EXPR", help="the filter as trailing words, as ss takes it")
    parser.add_argument(
        "--netns", default="all", metavar="all|self|NAME|PATH", help="which network namespaces (default all)"
    )
    if command != "snapshot":
        parser.add_argument("--duration", type=_seconds, metavar="S", help="end after so many seconds")
    if command not in ("live", "demo"):
        parser.add_argument("--count", type=_count, metavar="N", help="end after so many records")
        parser.add_argument("--format", choices=("text", "jsonl", "csv"), default="text")
    else:
        parser.add_argument(
            "--nat-timeout",
            type=_seconds,
            default=_NAT_TIMEOUT_S,
            metavar="S",
            help=f"silence after which a NAT forgets a connection (default {_NAT_TIMEOUT_S:.0f} s, as AWS's do)",
        )
        parser.add_argument("--theme", default=None, help=SUPPRESS)


def _with_command(argv: list[str]) -> list[str]:
    """Put the command first: `live` is understood where none is named, and options may precede it."""
    taking = (
        "-f",
        "--filter",
        "--netns",
        "--duration",
        "--count",
        "--format",
        "--loader",
        "--ring-mb",
        "--theme",
        "--nat-timeout",
    )
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


def _explained(error: FilterError, options: Namespace) -> TcpwatchError:
    """A word that begins no filter may have been meant as a command."""
    if options.command != "live" or not options.words or error.column > len(options.words[0]):
        return error
    meant = get_close_matches(options.words[0], COMMANDS, n=1)
    return FilterError(
        f"{words.clean(options.words[0])!r} is no command, and no filter begins so",
        error.expression,
        error.column,
        error.length,
        f"did you mean tcpwatch {meant[0]}?" if meant else f"the commands are {', '.join(COMMANDS)}",
    )


def _expression(options: Namespace) -> str:
    trailing = " ".join(options.words)
    return f"( {options.filter} ) and ( {trailing} )" if options.filter and trailing else options.filter or trailing


def _filter(options: Namespace, expression: str) -> "Filter | None":
    if not expression:
        return None
    from tcpwatch.filter import parse

    try:
        wanted = parse(expression)
    except FilterError as error:
        raise _explained(error, options) from error
    for note in wanted.notes:
        say(f"tcpwatch: {note}")
    return wanted


def _explain(error: TcpwatchError) -> None:
    say(f"tcpwatch: {error.what}")
    if isinstance(error, FilterError):
        say(f"  {words.clean(error.expression)}")
        before, fault = error.expression[: error.column], error.expression[error.column :][: error.length]
        say(f"  {' ' * words.width(words.clean(before))}{'^' * max(1, words.width(words.clean(fault)))}")
    if error.cure:
        say(f"  {error.cure}")


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
