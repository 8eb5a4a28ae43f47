"""Writes what a screen shows to a new file, as JSON lines. What these say is not its matter, nor how a screen looks."""

import os
import time

import numpy as np

from tcpwatch.errors import TcpwatchError
from tcpwatch.text.shown import Kind, lines
from tcpwatch.tracker.view import View


def export(view: View, kind: Kind, which: np.ndarray, directory: str = ".") -> str:
    """Write `which` of the view's connections, events, ports or findings (indices, in that order) to a new file in
    `directory`. Returns what to tell the user. Raises TcpwatchError where it cannot be written; nothing half-written
    stays."""
    text = lines(view, kind, which)
    count = text.count(b"\n")
    if not count:
        return f"nothing to write: {'what is shown has no socket any more' if len(which) else 'nothing is shown'}"
    path = _fresh(os.path.join(directory, time.strftime("tcpwatch-%Y%m%d-%H%M%S")))
    _write(path, text)
    left_out = len(which) - count
    said = f"{count:,} {'line' if count == 1 else 'lines'} written to {path.removeprefix('./')}"
    return f"{said}; {left_out:,} without a socket left out" if left_out else said


def _fresh(stem: str) -> str:
    """A name nobody has yet: there may be several within a second."""
    names = (f"{stem}{suffix}.jsonl" for suffix in ("", *(f"-{n}" for n in range(2, 100))))
    return next((name for name in names if not os.path.lexists(name)), f"{stem}.jsonl")


def _write(path: str, text: bytes) -> None:
    """A file of our own, readable by nobody else; the one who called sudo gets it. What cannot be written whole is not
    left behind."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise TcpwatchError(f"{error.strerror}: {path}") from error
    try:
        with open(descriptor, "wb") as file:
            if os.geteuid() == 0 and os.environ.get("SUDO_UID", "").isdecimal():
                os.fchown(file.fileno(), int(os.environ["SUDO_UID"]), -1)
            file.write(text)
    except OSError as error:
        os.unlink(path)
        raise TcpwatchError(f"{error.strerror}: {path}") from error
