"""The command line: flags in, exit codes out. The one place that turns errors into messages; what the commands do lives
elsewhere, and is imported only by the command that needs it."""

import errno
import os
import sys
from argparse import Namespace
from collections.abc import Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING

from tcpwatch import words
from tcpwatch.commands.loading import loading
from tcpwatch.errors import FilterError, TcpwatchError, UsageError
from tcpwatch.flags import COMMANDS, parse
from tcpwatch.narration import say

if TYPE_CHECKING:
    from tcpwatch.filter import Filter

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # files that are written have names; only stdout has none


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code (the contract's: 0, 1, 2, 3, 4, 5)."""
    # NumPy's linear algebra, which nothing here uses, would start a spinning thread per CPU
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        if sys.stdout is None:
            raise UsageError("stdout is closed: there is nowhere to write to", "redirect it to /dev/null instead")
        options = parse(sys.argv[1:] if argv is None else argv)
        parts = _parts(options)
        expression = _joined(parts)
        with loading():
            wanted = _filter(options, parts, expression)
            from tcpwatch.commands import find

            run = find(options.command)
        return run(options, expression, wanted)
    except TcpwatchError as error:
        _explain(error)
        return error.exit_code
    except BrokenPipeError:
        _discard_output()  # the reader has seen enough
        return 0
    except OSError as error:
        where = error.filename or ("standard output" if error.errno in _FULL else "")
        say(f"tcpwatch: {error.strerror or error}{f': {words.clean(str(where))}' if where else ''}")
        _discard_output()
        return 1
    except KeyboardInterrupt:
        return 0  # before there was anything to summarise, or for the second time


def _discard_output() -> None:
    """What could not be written cannot be written at exit either, and Python would complain once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _explained(error: FilterError, options: Namespace) -> TcpwatchError:
    """A word that begins no filter may have been meant as a command; one that is missing was taken by --redact."""
    if (taken := getattr(options, "redact", "")) and taken != "-" and not os.path.exists(taken):
        cure = f"{taken!r} was taken for the KEYFILE of --redact: write the filter before it"
        return FilterError(error.what, error.expression, error.column, error.length, cure)
    if options.command != "live" or not options.words or error.column > len(options.words[0]):
        return error
    word = options.words[0]
    meant = [f"replay {word}"] if word.endswith(".tcpw") else get_close_matches(word, COMMANDS, n=1)
    return FilterError(
        f"{words.clean(word)!r} is no command, and no filter begins so",
        error.expression,
        error.column,
        error.length,
        f"did you mean tcpwatch {meant[0]}?" if meant else f"the commands are {', '.join(COMMANDS)}",
    )


def _parts(options: Namespace) -> list[str]:
    return [part for part in (*options.filter, " ".join(options.words), _place(options)) if part]


def _joined(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else " and ".join(f"( {part} )" for part in parts)


def _place(options: Namespace) -> str:
    """In a recording --netns is a filter like any other."""
    if not options.recording or getattr(options, "netns", "all") == "all":
        return ""
    if options.netns == "self" or "/" in options.netns:
        raise UsageError("--netns self and paths are about this machine", "use --netns NAME, as the recording names it")
    return f"netns = {options.netns}"


def _filter(options: Namespace, parts: list[str], expression: str) -> "Filter | None":
    """parts: what `expression` joins; each must be a filter by itself, and its fault is shown in it alone."""
    if not expression:
        return None
    from tcpwatch.filter import parse as compiled

    try:
        if len(parts) > 1:
            for part in parts:
                compiled(part)
        wanted = compiled(expression)
    except FilterError as error:
        raise _explained(error, options) from error
    for note in wanted.notes:
        say(f"tcpwatch: {note}")
    return wanted


def _explain(error: TcpwatchError) -> None:
    say(f"tcpwatch: {words.clean(error.what)}")
    if isinstance(error, FilterError):
        say(f"  {words.clean(error.expression)}")
        before, fault = error.expression[: error.column], error.expression[error.column :][: error.length]
        say(f"  {' ' * words.width(words.clean(before))}{'^' * max(1, words.width(words.clean(fault)))}")
    if error.cure:
        say(f"  {words.clean(error.cure)}")
