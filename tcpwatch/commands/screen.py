"""`tcpwatch live` and `tcpwatch replay`: the terminal UI, on the kernel or on a recording."""

import os
import socket
import sys
from argparse import Namespace
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tcpwatch.commands import sources
from tcpwatch.commands.loading import loading
from tcpwatch.errors import UsageError
from tcpwatch.narration import say
from tcpwatch.tracker.tracker import Tracker

if TYPE_CHECKING:
    import numpy as np

    from tcpwatch.filter import Filter
    from tcpwatch.text.shown import Kind
    from tcpwatch.tracker.view import View
    from tcpwatch.tui.app import Companion

_TOO_PLAIN = ("", "dumb", "unknown")  # Textual does not ask terminfo, and would write its escapes there, too


def run(options: Namespace, expression: str, _filter: "Filter | None") -> int:
    """The filter can be changed at any time, so none of it is left to the kernel."""
    return replay(options, expression) if options.recording else live(options, expression)


def live(options: Namespace, expression: str, companion: "Companion | None" = None) -> int:
    _require_terminal()
    from tcpwatch.kernel import privileges
    from tcpwatch.kernel.source import Pace
    from tcpwatch.live import Session
    from tcpwatch.tape import Tape

    # the company makes namespaces and much else; who only looks may record and export
    spare = privileges.FILES if companion is None else None
    source = sources.watched(options, None, Pace(tick=0.2), time_wait=True, spare=spare)
    tape = Tape(socket.gethostname())
    session = Session(source, tracker(options), tape)
    session.start()
    if spare is not None:
        privileges.keep_only(spare)  # of this thread; the session's keeps what watching needs
    show = _load()
    show(session, expression, **_wanted(options), loader=source.programs.loader, recorder=tape, companion=companion)
    if tape.ending:
        say(f"tcpwatch: {tape.ending}")
    return 0


def replay(options: Namespace, expression: str) -> int:
    from tcpwatch.replay.player import open_player

    if options.recording == sources.STDIN:
        raise UsageError("a pipe cannot be played back and forth", "save it to a file first")
    _require_terminal(" --from FILE")
    player = open_player(options.recording, options.nat_timeout)
    show = _load()
    player.start()
    show(player, expression, **_wanted(options), player=player)
    return sources.admit_damage(player.recording, stopped=True)


def _load() -> Callable[..., None]:
    """tui.app.run(): shows a feed until the user quits."""
    with loading():
        from tcpwatch.tui.app import run as show
    return show


def _wanted(options: Namespace) -> dict[str, Any]:
    return {"theme": options.theme, "seconds": options.duration, "export": _export}


def _export(view: "View", kind: "Kind", which: "np.ndarray") -> str:
    from tcpwatch.text.export import export  # with the contract of records: not before somebody writes some

    return export(view, kind, which)


def tracker(options: Namespace) -> Tracker:
    return Tracker(keep_closed=5000, history_bytes=16 << 20, keep_events=20_000, nat_timeout_s=options.nat_timeout)


def _require_terminal(more: str = "") -> None:
    """more: what the commands that need none take besides."""
    if not all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout)):
        raise UsageError(
            "the terminal UI needs a terminal",
            f"use tcpwatch events, life or snapshot{more} where the output goes elsewhere",
        )
    kind = os.environ.get("TERM", "")
    if kind in _TOO_PLAIN:
        raise UsageError(
            f"the terminal UI needs a terminal to draw on, and TERM is {kind or 'not set'}",
            f"use tcpwatch events, life or snapshot{more}; or set TERM, as to xterm-256color, if it can be drawn on",
        )
    if sys.stderr is None:
        raise UsageError("stderr is closed: the terminal UI draws on it", "leave 2>&- out")
    if not sys.stderr.isatty():
        os.dup2(sys.stdout.fileno(), sys.stderr.fileno())  # Textual draws on stderr
