"""What each command does: puts a source, the tracker and a face together. Knows no flag but by its value, and leaves
errors to the command line. Each is imported only when it is asked for, so that all start fast."""

from argparse import Namespace
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
    "doctor": "doctor",
}


def run(command: str, options: Namespace, expression: str, wanted: "Filter | None") -> int:
    """Run a command to its end and return its exit code. wanted: the compiled expression; None where it is empty."""
    code: int = import_module(f"tcpwatch.commands.{_ROOMS[command]}").run(options, expression, wanted)
    return code
