"""What each command does: puts a source, the tracker and a face together. Knows no flag but by its value, and leaves
errors to the command line. Each is imported only when it is asked for, so that all start fast."""

from argparse import Namespace
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tcpwatch.filter import Filter

_ROOMS = {
    "live": "screen",
    "replay": "screen",
    "demo": "demo",
    "events": "stream",
    "life": "stream",
    "snapshot": "snapshot",
    "record": "record",
    "export": "export",
    "serve": "serve",
    "doctor": "doctor",
}


Run = Callable[[Namespace, str, "Filter | None"], int]


def find(command: str) -> Run:
    """What runs a command to its end and returns its exit code: given the options, the filter's expression, and that
    compiled; None where it is empty."""
    run: Run = import_module(f"tcpwatch.commands.{_ROOMS[command]}").run
    return run
