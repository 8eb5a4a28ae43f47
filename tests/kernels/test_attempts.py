"""How often is a kernel tried, and what does the run say and end with? What the guests did is given."""

import argparse
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kernels import __main__ as command
from tests.kernels.archive import KERNELS, Fetch, Kernel, Source
from tests.kernels.children import Trouble
from tests.kernels.machine import Run
from tests.kernels.result import Result

BEGIN = {"what": "begin", "release": "9.9"}


def done(outcome: str) -> Run:
    test = {"what": "test", "lane": "brief", "name": "a", "outcome": outcome, "why": "because"}
    return Run([dict(BEGIN), test, {"what": "end"}], "")


def good() -> Run:
    return done("passed")


def bad() -> Run:
    return done("failed")


def stuck() -> Run:
    return Run([dict(BEGIN)], "Run /init as init process", "it stood still")


def crashed() -> Run:
    return Run([dict(BEGIN)], "Kernel panic")


def no_emulator() -> Run:
    raise Trouble("qemu is not here")


def full_disk() -> Run:
    raise OSError(28, "No space left on device")


def test_ci_tries_an_old_kernel_and_a_new_one() -> None:
    """By the command that a person runs, and one that it takes: CI would know only after all else."""
    lines = (command.TREE / ".ci" / "run").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith("make test-kernels"))
    _, _, variable = shlex.split(line)
    options = command.arguments(shlex.split(variable.removeprefix("ARGS=")))
    names = [source.name for source in KERNELS]
    assert sorted(map(names.index, options.kernels))[0] == 0
    assert len(options.kernels) > 1
    assert options.attempts > 1
    assert options.minutes <= 20


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    def run(*guests: Callable[[], Run], attempts: int = 1, minutes: float = 15) -> Result:
        """One kernel's result, where each attempt meets the next of these guests, and every later one the last."""
        waiting = list(guests)
        here = Kernel("5.10", "9.9", Path(), Path())
        monkeypatch.setattr(command, "fetch", lambda source, how: here)
        monkeypatch.setattr(command, "boot", lambda *_: waiting.pop(0)() if waiting else guests[-1]())
        options = argparse.Namespace(
            lanes=["brief"], write=False, minutes=minutes, console=None, attempts=attempts, json=None
        )
        return command.kernel(KERNELS[0], options)

    return run


def test_a_guest_that_stands_still_is_booted_again(tried: Callable[..., Result]) -> None:
    """However few attempts were asked for: it is the emulator's doing."""
    result = tried(stuck, stuck, good)
    assert (result["boots"], command.code([result])) == (3, 0)


def test_one_that_always_stands_still_is_given_up(
    tried: Callable[..., Result], capsys: pytest.CaptureFixture[str]
) -> None:
    """That is no success, and said so."""
    result = tried(stuck)
    assert (result["boots"], command.code([result])) == (3, 2)
    command.summarize([result])
    assert "5.10 (9.9): NOT TRIED" in capsys.readouterr().out


@pytest.mark.parametrize("guest", [bad, crashed])
def test_a_failure_is_tried_as_often_as_was_asked_for(
    tried: Callable[..., Result], guest: Callable[[], Run], capsys: pytest.CaptureFixture[str]
) -> None:
    """Once, unless it is told otherwise."""
    for attempts in (1, 2):
        result = tried(guest, attempts=attempts)
        assert (result["boots"], command.code([result])) == (attempts, 1)
    command.summarize([result])
    assert "5.10 (9.9): FAILED" in capsys.readouterr().out


def test_a_failure_that_does_not_come_again(tried: Callable[..., Result], capsys: pytest.CaptureFixture[str]) -> None:
    """The run is green, and its output still has it."""
    result = tried(bad, good, attempts=3)
    assert (result["boots"], command.code([result])) == (2, 0)
    assert "brief: a failed" in capsys.readouterr().out


def test_no_attempt_begins_without_time(tried: Callable[..., Result]) -> None:
    """The minutes are for all of them."""
    assert tried(stuck, good, minutes=0.5)["boots"] == 1


@pytest.mark.parametrize("guest", [no_emulator, full_disk])
def test_what_keeps_a_guest_from_being_booted_is_said(tried: Callable[..., Result], guest: Callable[[], Run]) -> None:
    result = tried(guest)
    assert command.code([result]) == 2
    assert "qemu is not here" in result["trouble"][0] or "No space left" in result["trouble"][0]


def test_a_kernel_that_cannot_be_fetched_is_not_hidden(
    tried: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither by the others, which passed."""

    def refuse(source: Source, how: Fetch) -> Kernel:
        raise Trouble("it could not be fetched, in 4 attempts: the archive said no")

    passed = tried(good)
    monkeypatch.setattr(command, "fetch", refuse)
    options = argparse.Namespace(lanes=["brief"], write=False)
    lost = command.kernel(KERNELS[3], options)
    assert command.code([passed, lost]) == 2
    capsys.readouterr()
    command.summarize([passed, lost])
    first, second = capsys.readouterr().out.splitlines()
    assert "1 of 1 tests passed" in first
    assert "6.12: NOT TRIED" in second
    assert "the archive said no" in second
