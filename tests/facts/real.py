"""The real things these tests look at: children with few capabilities, children in another network namespace."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

DEADLINE_S = 60


def needs_root(*commands: str) -> None:
    """Skips without root or a command; fails where CI says that both are there."""
    absent = [command for command in commands if not shutil.which(command)]
    if os.geteuid() or absent:
        missing = "root" if os.geteuid() else f"the commands {', '.join(absent)}"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"needs {missing}")


def with_only(capabilities: tuple[str, ...], code: str, *arguments: str) -> str:
    """stdout of Python code run with these capabilities and no other. The user stays root, so that Python can be read
    wherever it is installed, but root means nothing there (noroot)."""
    listed = ",".join(["-all", *(f"+{name.removeprefix('CAP_').lower()}" for name in capabilities)])
    lesser = ["setpriv", "--securebits=+noroot", f"--inh-caps={listed}", f"--ambient-caps={listed}"]
    command = [*lesser, f"--bounding-set={listed}", sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@contextmanager
def sleeper(*prefix: str) -> Iterator[int]:
    """The process number of a child, there while the context lasts. prefix: a command that execs what follows it."""
    code = "import sys; print(flush=True); sys.stdin.read()"
    command = [*prefix, sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"\n"
        yield child.pid
        child.communicate(timeout=DEADLINE_S)
