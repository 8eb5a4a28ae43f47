"""Is nothing left running, however a run ends? What runs stands for a guest: it would sleep for long."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

GIVE_UP_S = 60.0
# Two threads with a sleeper each, as two guests are run
RUN = """
import signal, sys
from concurrent.futures import ThreadPoolExecutor
from tests.kernels import children
from tests.kernels.__main__ import interrupt, run_all
def one(number):
    with open(sys.argv[1] + "/" + str(number), "wb") as output:
        command = ["sh", "-c", "echo $$; sleep 2300 & echo $!; wait"]
        with children.started(command, output) as process:
            process.wait()
children.end_with_parent()
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, interrupt)
try:
    run_all(one, (1, 2), 2)
except KeyboardInterrupt as error:
    sys.exit(128 + error.args[0])
"""
# make, whose recipe it is
PARENT = "import subprocess, sys; subprocess.run([sys.executable, '-c', *sys.argv[1:]])"


class Sleepers:
    """Of a run that was started; entered once they sleep. guests: the numbers of what stands for QEMU."""

    def __init__(self, place: Path, *before: str) -> None:
        command = [sys.executable, "-c", *before, RUN, str(place)]
        self.process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        give_up = time.monotonic() + GIVE_UP_S
        while len(numbers := [line for path in place.iterdir() for line in path.read_text().split("\n")[:-1]]) < 4:
            assert time.monotonic() < give_up
            assert self.process.poll() is None
            time.sleep(0.02)
        self.all = {int(number) for number in numbers}
        self.guests = {int(path.read_text().split()[0]) for path in place.iterdir()}


def gone(numbers: set[int]) -> bool:
    """Whether they are, within some time."""
    give_up = time.monotonic() + GIVE_UP_S
    while left := {number for number in numbers if is_running(number)}:
        if time.monotonic() > give_up:
            for number in left:
                os.kill(number, signal.SIGKILL)
            return False
        time.sleep(0.02)
    return True


def is_running(number: int) -> bool:
    try:
        stat = Path(f"/proc/{number}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda by: by.name)
def test_a_run_that_is_told_to_end(tmp_path: Path, by: signal.Signals) -> None:
    """It takes everything along, what the guests started as well, and says by its code why it ended."""
    sleepers = Sleepers(tmp_path)
    sleepers.process.send_signal(by)
    assert sleepers.process.wait(GIVE_UP_S) == 128 + by
    assert gone(sleepers.all)


def test_a_run_that_is_killed(tmp_path: Path) -> None:
    """The kernel sees to its guests."""
    sleepers = Sleepers(tmp_path)
    sleepers.process.kill()
    sleepers.process.wait(GIVE_UP_S)
    assert gone(sleepers.guests)
    for number in sleepers.all - sleepers.guests:  # QEMU has none of its own
        os.kill(number, signal.SIGKILL)


def test_a_run_whose_make_is_killed(tmp_path: Path) -> None:
    """It ends as if it had been told to."""
    sleepers = Sleepers(tmp_path, PARENT)
    sleepers.process.kill()
    sleepers.process.wait(GIVE_UP_S)
    assert gone(sleepers.all)
