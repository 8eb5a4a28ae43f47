"""How is a program run so that none outlives us, however we end? Knows nothing of what they are for."""

import ctypes
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

_lock = threading.Lock()
_running: set[subprocess.Popen[bytes]] = set()
_stopped = threading.Event()


class Trouble(Exception):
    """What it takes to try a kernel is not to be had; the message says what and why."""


class Stopped(Exception):
    """We are to end; what was under way has no result."""


@contextmanager
def started(command: Sequence[str], output: IO[bytes], cwd: Path | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """The program, killed when the block ends, and by the kernel when we are killed; with whatever it has started,
    unless that left its session. output: for all that it says. Raises Trouble, Stopped."""
    if shutil.which(command[0]) is None:
        raise Trouble(f"{command[0]} is not here (setup/packages python3 kernels)")
    with _lock:
        if _stopped.is_set():
            raise Stopped
        # a session of its own: Ctrl-C is for us, who then end it
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *command],
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        _running.add(process)
    try:
        yield process
    finally:
        _kill(process)
        process.wait()
        with _lock:
            _running.discard(process)
    if _stopped.is_set():
        raise Stopped


def pause(seconds: float) -> None:
    """Raises Stopped."""
    if _stopped.wait(seconds):
        raise Stopped


def stop() -> None:
    """Ends what runs here, and lets nothing new begin."""
    _stopped.set()
    with _lock:
        for process in _running:
            _kill(process)


def end_with_parent() -> None:
    """SIGTERM comes to us when whoever started us is no more."""
    set_death_signal = 1  # PR_SET_PDEATHSIG
    ctypes.CDLL(None).prctl(set_death_signal, signal.SIGTERM)


def _kill(process: subprocess.Popen[bytes]) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
