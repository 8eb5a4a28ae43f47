"""Which options has each command, and what may they say? Makes the parsers; does nothing with what they find."""

import os
from argparse import SUPPRESS, ArgumentParser, ArgumentTypeError, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from tcpwatch import __version__
from tcpwatch.errors import UsageError
from tcpwatch.record.sizes import size
from tcpwatch.serve import options as serve

COMMANDS = {
    "live": "the terminal UI (the default)",
    "events": "one line per event as it happens",
    "life": "one line per finished connection",
    "snapshot": "every socket now, once, as ss -tin shows them",
    "record": "a session into a file, for another day or another machine",
    "replay": "the terminal UI on a recording: stop, step, seek, at any speed; no root needed",
    "export": "a recording as Parquet, CSV or JSON lines",
    "serve": "a Prometheus exporter, on 127.0.0.1:9465 unless told otherwise",
    "demo": "real trouble of every kind, made in network namespaces of its own, under the terminal UI",
    "doctor": "what this kernel, these privileges and these sysctls allow",
}
_FILTER_HELP = (
    "the filter language is ss's and more: state established and ( dport = :443 or comm = nginx ) and rtt > 50ms"
)
_SHOWN_HELP = "show only what matches; see docs/filters.md"
_KEPT_HELP = "keep only what matches: by address, port, family and netns; see docs/filters.md"
_FROM_HELP = {
    "live": "a recording in place of the kernel: the same as tcpwatch replay FILE",
    "events": "a recording in place of the kernel (- for standard input)",
    "record": "copy a recording (- for standard input): to redact it, to cut it into pieces",
    "snapshot": "a recording in place of the kernel (- for standard input: the last snapshot in it)",
    "serve": "a recording in place of the kernel (- for standard input), as fast as it was recorded",
}
RING_MB = min(32, 4 * (os.cpu_count() or 1))  # a ring for each CPU, or each few (kernel/programs.py)
_NAT_TIMEOUT_S = 350.0  # AWS's gateways and balancers; Azure 240, home routers 300 to 1800, Linux 5 days

_SCREENS = ("live", "replay", "demo")
_LINES = ("events", "life", "snapshot")
_KEEPING = ("record", "serve")  # others may ask later, so the filter says what is kept and not what is shown
_WITHOUT_WORDS = ("demo", "doctor")


class Parser(ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message, f"see {self.prog} --help")


def parse(argv: Sequence[str]) -> Namespace:
    """The options of a command, all of which are there whatever the command. Raises UsageError; --help and --version
    end the program."""
    arguments = _with_command(_joined(argv))
    command = arguments[0]
    if command not in COMMANDS:
        return _overview().parse_args(arguments)
    parser = Parser(prog=f"tcpwatch {command}", description=COMMANDS[command], epilog=_epilog(command))
    _add_options(parser, command)
    options = Namespace(command=command, filter=[], words=[], recording="")
    _, rest = parser.parse_known_args(arguments[1:], options)
    if rest[:1] == ["--"] and command not in _WITHOUT_WORDS:
        options.words, rest = [*options.words, *rest[1:]], []
    if rest and (command in _WITHOUT_WORDS or any(word.startswith("-") for word in rest)):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    options.words = [*options.words, *rest]  # those after an option that follows others, which argparse does not expect
    return options


def _overview() -> ArgumentParser:
    """For --help and --version of the whole."""
    parser = Parser(
        prog="tcpwatch",
        description="Every TCP connection of this machine, live, from the kernel.",
        epilog=_FILTER_HELP,
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"tcpwatch {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, purpose in COMMANDS.items():
        commands.add_parser(name, help=purpose)
    return parser


def _epilog(command: str) -> str:
    return "" if command in (*_KEEPING, "doctor") else _FILTER_HELP


def _add_options(parser: ArgumentParser, command: str) -> None:
    add = parser.add_argument
    if command not in ("replay", "export"):
        _add_kernel(add)
    if command == "doctor":
        add("--format", choices=("text", "jsonl"), default="text")
        return
    if command in ("replay", "export"):
        add(
            "recording", metavar="FILE", help="a recording" + (" (- for standard input)" if command == "export" else "")
        )
        add("--netns", default="all", metavar="all|NAME", help="which network namespaces, as the recording names them")
    else:
        add("--netns", default="all", metavar="all|self|NAME|PATH", help="which network namespaces (default all)")
    if command in ("live", *_KEEPING, *_LINES):
        add("--from", dest="recording", default="", metavar="FILE", help=_FROM_HELP.get(command, _FROM_HELP["events"]))
    if command != "export":
        add("--duration", type=_seconds, metavar="S", help="end after so many seconds")
    filter_help = _KEPT_HELP if command in _KEEPING else _SHOWN_HELP
    add("-f", "--filter", action="append", metavar="EXPR", default=[], help=f"{filter_help}; several must all match")
    if command not in _WITHOUT_WORDS:
        # with a default, or argparse calls them required
        add("words", nargs="*", default=[], metavar="EXPR", help="the filter as trailing words, as ss takes it")
    for commands, add_more in _MORE:
        if command in commands:
            add_more(add)


def _add_kernel(add: Callable[..., Any]) -> None:
    add(
        "--loader",
        choices=("auto", "core", "bcc"),
        default="auto",
        help="how programs get into the kernel: ready-made (core), or compiled now by bcc; see docs/loaders.md",
    )
    add(
        "--ring-mb",
        type=_megabytes,
        default=RING_MB,
        metavar="N",
        help=f"size of the event rings, together (default {RING_MB}: 4 for each CPU, 32 at most)",
    )


def _add_lines(add: Callable[..., Any]) -> None:
    add("--count", type=_count, metavar="N", help="end after so many lines")
    add("--format", choices=("text", "jsonl", "csv"), default="text", help="how lines are written (default text)")


def _add_findings(add: Callable[..., Any]) -> None:
    add(
        "--nat-timeout",
        type=_seconds,
        default=_NAT_TIMEOUT_S,
        metavar="S",
        help=f"silence after which a NAT forgets a connection (default {_NAT_TIMEOUT_S:.0f} s, as AWS's do)",
    )


def _add_screen(add: Callable[..., Any]) -> None:
    add("--theme", default=None, help=SUPPRESS)


def _add_demo(add: Callable[..., Any]) -> None:
    add("scenarios", nargs="*", metavar="SCENARIO", help="which ones (default: all short ones)")
    add("--list", action="store_true", help="say which scenarios there are")


def _add_snapshot(add: Callable[..., Any]) -> None:
    add(
        "--at",
        metavar="TIME",
        help="with --from: the snapshot of this moment (14:02:11, +30s from the beginning, -1m from the end, 40%%)",
    )


def _add_record(add: Callable[..., Any]) -> None:
    add("-o", "--output", required=True, metavar="FILE", help="where to; - for standard output")
    add("--force", action="store_true", help="replace the file if there is one")
    add("--max-size", type=_size, metavar="SIZE", help="begin another file when one is so large (100M, 2G)")
    add("--max-age", type=_seconds, metavar="S", help="begin another file when one is so old (90, 10m, 1h)")
    add("--max-files", type=_count, metavar="N", help="keep no more than the newest N files: older ones are deleted")
    add(
        "--keep",
        type=_seconds,
        metavar="S",
        help="flight recorder: keep the last so much in memory (30, 10m), and write it to a file on SIGUSR1 or the key "
        "e; --max-size is then the memory it may take (default 256M)",
    )
    add(
        "--on-finding",
        choices=("low", "medium", "high"),
        help="with --keep: write it when a finding of this severity, or worse, appears",
    )
    add(
        "--redact",
        nargs="?",
        const="",
        metavar="KEYFILE",
        help="replace addresses and names; with the same key always by the same (- asks for a passphrase; without "
        "KEYFILE nobody knows the key)",
    )


def _add_export(add: Callable[..., Any]) -> None:
    add("--to", required=True, choices=("parquet", "csv", "jsonl"), help="which form")
    add("-o", "--output", required=True, metavar="OUT", help="the directory for the tables; with --table the file")
    add("--table", choices=("events", "lives", "samples"), help="only this one")
    add("--force", action="store_true", help="replace files that are there")


_MORE: tuple[tuple[tuple[str, ...], Callable[[Callable[..., Any]], None]], ...] = (
    (_LINES, _add_lines),
    ((*_SCREENS, "serve"), _add_findings),
    (_SCREENS, _add_screen),
    (("demo",), _add_demo),
    (("snapshot",), _add_snapshot),
    (("record",), _add_record),
    (("export",), _add_export),
    (("serve",), serve.add),
)


def _joined(argv: Sequence[str]) -> list[str]:
    """`--at -1m` as `--at=-1m`: argparse would take the moment for an option."""
    joined: list[str] = []
    for word in argv:
        if joined and joined[-1] == "--at":
            joined[-1] = f"--at={word}"
        else:
            joined.append(word)
    return joined


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
        "--from",
        "--at",
        "-o",
        "--output",
        "--max-size",
        "--max-age",
        "--max-files",
        "--keep",
        "--on-finding",
        "--to",
        "--table",
        *serve.TAKING,
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
        raise ArgumentTypeError(f"{text!r} is no whole number from 1 to 1024")
    return int(text)


def _size(text: str) -> int:
    try:
        return size(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no size such as 100M or 2G") from None
