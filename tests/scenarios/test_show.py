"""Are scenarios shown as they should be: announced, in order, some side by side, and refused when there is no such?"""

import threading
import time

import pytest

from tcpwatch.errors import UsageError
from tcpwatch.scenarios import SCENARIOS
from tcpwatch.scenarios.show import USUAL, Company, choose, play

SOON_S = 60.0


def test_each_is_announced_before_it_plays() -> None:
    """By its name and its line, in the order asked for."""
    names = ["refused", "clean", "reset_by_us_linger", "out_of_ports"]
    told: list[tuple[str, str]] = []
    play(choose(names), lambda name, line: told.append((name, line)), threading.Event(), look_s=0.1)
    assert told == [(name, SCENARIOS[name].line) for name in names]


def test_several_play_side_by_side() -> None:
    """Others begin while the first is still looked at, which it would be for ever."""
    begun: list[str] = []
    stop = threading.Event()

    def begin(name: str, line: str) -> None:
        begun.append(name)
        if len(begun) == 3:
            stop.set()

    alarm = threading.Timer(SOON_S, stop.set)
    alarm.start()
    play(choose(["refused", "clean", "reset_by_us_linger"]), begin, stop, look_s=threading.TIMEOUT_MAX)
    alarm.cancel()
    assert len(begun) == 3


def test_an_unknown_name() -> None:
    """It is repeated, and the known ones are named."""
    with pytest.raises(UsageError, match="no-such") as raised:
        choose(["clean", "no-such"])
    assert "refused" in raised.value.cure


def test_what_fails_is_told() -> None:
    """An error of a scenario, or of whoever is told of it, ends the show and is raised."""

    def fail(name: str, line: str) -> None:
        raise UsageError("enough")

    with pytest.raises(UsageError, match="enough"):
        play(choose(["clean", "refused"]), fail, threading.Event(), look_s=0.0)


def test_company_is_kept_until_one_leaves() -> None:
    """Somebody looks on and is told; leaving in the middle ends the show, which else went on for long, and returns once
    all is tidied up."""
    heard: list[str] = []
    told = threading.Event()
    company = Company(choose(["no_answer"]), look_s=SOON_S)

    def hear(text: str) -> None:
        heard.append(text)
        told.set()

    company.begin(hear)
    assert told.wait(SOON_S)
    begin = time.monotonic()
    company.end()
    assert time.monotonic() - begin < SOON_S / 2
    assert heard[0] == f"no_answer: {SCENARIOS['no_answer'].line}"
    assert not [thread for thread in threading.enumerate() if thread.name in ("scenario", "show")]


def test_company_says_when_it_is_over() -> None:
    heard: list[str] = []
    over = threading.Event()

    def hear(text: str) -> None:
        heard.append(text)
        if "over" in text:
            over.set()

    company = Company(choose(["clean"]), look_s=0.0)
    company.begin(hear)
    assert over.wait(SOON_S)
    company.end()


def test_the_usual_show_has_something_of_everything() -> None:
    """Every verdict that a scenario is about, and nothing that takes a minute."""
    about = {SCENARIOS[name].verdict for name in USUAL}
    about |= {verdict for name in USUAL for verdict in SCENARIOS[name].standing.values()}
    assert about >= {scenario.verdict for scenario in SCENARIOS.values()}
    assert max(SCENARIOS[name].seconds for name in USUAL) < 15
