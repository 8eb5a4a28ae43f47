"""Writes what a screen shows to a file: snapshot records as JSON lines. Knows nothing of the screen."""

import os
import time

import numpy as np

from tcpwatch import rows
from tcpwatch.errors import TcpwatchError
from tcpwatch.frame import Frame, Snapshot
from tcpwatch.records import contract
from tcpwatch.records.jsonl import JsonLines
from tcpwatch.tracker.step import Step
from tcpwatch.tracker.view import View


def connections(view: View, shown: np.ndarray, expression: str, directory: str = ".") -> str:
    """Write the connections `shown` (indices into view.connections, in that order) to a new file in `directory`.
    Returns what to tell the user. Raises TcpwatchError where it cannot be written; nothing half-written stays."""
    picked = view.connections[shown]
    present = picked[picked["snap"] >= 0]
    left_out = len(picked) - len(present)
    if not len(present):
        return "nothing to write: what is shown has no socket any more"
    path = _fresh(os.path.join(directory, time.strftime("tcpwatch-%Y%m%d-%H%M%S")))
    _write(path, JsonLines().lines(contract.sockets(_step(view, present), slice(None))))
    said = f"{len(present)} written to {path.removeprefix('./')}"
    return f"{said}; {left_out} without a socket left out" if left_out else said


def _fresh(stem: str) -> str:
    """A name nobody has yet: there may be several within a second."""
    names = (f"{stem}{suffix}.jsonl" for suffix in ("", *(f"-{n}" for n in range(2, 100))))
    return next((name for name in names if not os.path.lexists(name)), f"{stem}.jsonl")


def _step(view: View, present: np.ndarray) -> Step:
    """The chosen sockets as a snapshot of their own, with the view in the tracker's place."""
    now_ns = view.time_ns - view.host.realtime_offset_ns
    sockets = view.snapshot.sockets[present["snap"]] if view.snapshot is not None else np.empty(0)
    table = present.copy()
    table["snap"] = np.arange(len(table))
    table["opened_ns"][table["opened_ns"] != 0] -= np.uint64(view.host.realtime_offset_ns)  # as the tracker has it
    frame = Frame(now_ns, now_ns, view.host, snapshot=Snapshot(now_ns, now_ns, sockets, frozenset()))
    nobody, none = np.empty(0, rows.ROW), np.empty(0, np.int32)
    return Step(frame, none, table, nobody, none, view.cgroups, view.namespaces, view.processes)


def _write(path: str, text: memoryview) -> None:
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
