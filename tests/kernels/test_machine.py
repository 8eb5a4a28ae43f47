"""Does whoever boots a guest notice what becomes of it, in bounded time? The guests are shells that write where a guest
would."""

import json
import time
from pathlib import Path

import pytest

from tests.kernels import machine
from tests.kernels.archive import Kernel
from tests.kernels.children import Trouble
from tests.kernels.machine import Run, boot, watch
from tests.kernels.result import Result, gather

BEGIN = '{"what": "begin", "release": "9.9"}'
TEST = '{"what": "test", "lane": "normal", "name": "a", "outcome": "%s", "why": "because"}'
END = '{"what": "end"}'


def guest(place: Path, script: str, limit_s: float = 60.0, silence_s: float = 60.0) -> Run:
    console, report = place / "console", place / "report"
    command = ["sh", "-c", f'tell() {{ echo "$1" >>{report}; }}; log() {{ echo "$1" >>{console}; }}; {script}']
    return watch(command, console, report, limit_s, silence_s)


def outcome(run: Run) -> tuple[Result, list[str], list[str]]:
    result = gather("9.9", run)
    return result, result["faults"], result["trouble"]


def test_one_that_comes_to_its_end(tmp_path: Path) -> None:
    run = guest(tmp_path, f"log up; tell '{BEGIN}'; tell '{TEST % 'passed'}'; tell '{END}'")
    result, faults, trouble = outcome(run)
    assert (result["release"], len(result["tests"]), faults, trouble) == ("9.9", 1, [], [])


def test_one_in_which_a_test_fails(tmp_path: Path) -> None:
    """Its end does not make up for that."""
    _, faults, trouble = outcome(guest(tmp_path, f"tell '{BEGIN}'; tell '{TEST % 'failed'}'; tell '{END}'"))
    assert (faults, trouble) == (["normal: a failed\nbecause"], [])


def test_one_that_never_comes_up(tmp_path: Path) -> None:
    """It is ended, and its last words are told."""
    begin = time.monotonic()
    _, faults, trouble = outcome(guest(tmp_path, "log 'Linux version'; sleep 600", silence_s=5.0))
    assert time.monotonic() - begin < 30
    assert not faults
    assert trouble[0].startswith("it stood still: 5 s without a word")
    assert trouble[0].endswith("Linux version")


def test_one_that_stands_still_in_the_middle(tmp_path: Path) -> None:
    """Nothing is known of it then, although a test had passed."""
    run = guest(tmp_path, f"tell '{BEGIN}'; tell '{TEST % 'passed'}'; sleep 600", silence_s=1.0)
    _, faults, trouble = outcome(run)
    assert not faults
    assert "stood still" in trouble[0]


def test_one_that_is_alive_is_waited_for(tmp_path: Path) -> None:
    """Longer than it may be silent."""
    script = f"tell '{BEGIN}'; for i in 1 2 3 4 5 6 7; do sleep 1; tell '{{\"what\": \"alive\"}}'; done; tell '{END}'"
    assert not guest(tmp_path, script, silence_s=6.0).cut


def test_one_that_goes_on_for_ever(tmp_path: Path) -> None:
    """However much it says."""
    run = guest(tmp_path, f"tell '{BEGIN}'; while sleep 0.1; do tell '{TEST % 'passed'}'; done", limit_s=2.0)
    _, faults, trouble = outcome(run)
    assert not faults
    assert trouble[0].startswith("it was not done in 2 s")


def test_one_that_switches_itself_off_in_the_middle(tmp_path: Path) -> None:
    """As a kernel does that we broke: it is a failure, however often it is tried."""
    _, faults, trouble = outcome(guest(tmp_path, f"log 'Kernel panic'; tell '{BEGIN}'; tell '{TEST % 'passed'}'"))
    assert faults[0].startswith("it ended before it was done")
    assert faults[0].endswith("Kernel panic")
    assert not trouble


def test_one_that_somebody_kills(tmp_path: Path) -> None:
    """As for want of memory: that says nothing of the kernel."""
    _, faults, trouble = outcome(guest(tmp_path, f"tell '{BEGIN}'; kill -KILL $$"))
    assert not faults
    assert "ended by signal 9" in trouble[0]


def test_an_emulator_that_refuses_gives_its_reason(tmp_path: Path) -> None:
    _, _, trouble = outcome(guest(tmp_path, "echo 'Could not allocate memory' >&2; exit 1"))
    assert "ended with 1: Could not allocate memory" in trouble[0]


def test_half_a_line_is_no_report(tmp_path: Path) -> None:
    """The guest was ended while it wrote it."""
    run = guest(tmp_path, f"tell '{BEGIN}'; printf '{{\"what\": ' >>{tmp_path}/report; sleep 600", silence_s=5.0)
    assert run.report == [json.loads(BEGIN)]


def test_without_qemu_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what installs it."""
    (tmp_path / "lib/modules").mkdir(parents=True)
    monkeypatch.setattr(machine, "QEMU", "qemu-system-of-nobody")
    monkeypatch.setattr(machine, "build", lambda kernel, tree, command, into: into)
    with pytest.raises(Trouble, match="qemu-system-of-nobody is not here"):
        boot(Kernel("9.9", "9.9", tmp_path / "vmlinuz", tmp_path), tmp_path, "true", 60.0)
