"""Is the verdict right, 23 of 23? Of each finished connection as `tcpwatch life` tells it, and, while a trouble lasts,
of each living one in the tracker's view."""

from collections import Counter

import pytest

from tcpwatch.scenarios import SCENARIOS
from tcpwatch.scenarios.stage import End
from tcpwatch.verdicts import RULES

from .shown import N, Shown

JUDGED = [(name, end) for name, scenario in SCENARIOS.items() for end in scenario.verdicts]
STANDING = [(name, end) for name, scenario in SCENARIOS.items() for end in scenario.standing]


@pytest.mark.parametrize(("name", "end"), JUDGED)
def test_the_finished_ones(shown: dict[str, Shown], name: str, end: End) -> None:
    """Exactly this verdict, and a sentence that goes with it."""
    lives = shown[name].told(end)
    assert Counter(life["verdict"] for life in lives) == {SCENARIOS[name].verdicts[end]: N}
    assert all(life["explanation"] for life in lives)


@pytest.mark.parametrize(("name", "end"), STANDING)
def test_the_living_ones(shown: dict[str, Shown], name: str, end: End) -> None:
    """Exactly this verdict while the trouble lasts, whatever comes of it in the end."""
    assert shown[name].happened
    assert shown[name].standing[end] == {SCENARIOS[name].standing[end]: N}


def test_every_verdict_is_played() -> None:
    """Whatever a rule says of finished connections or of living ones, there is a scenario that shows it."""
    finished = {code for scenario in SCENARIOS.values() for code in scenario.verdicts.values()}
    living = {code for scenario in SCENARIOS.values() for code in scenario.standing.values()}
    assert {rule.code for rule in RULES} == finished | living
    assert {rule.code for rule in RULES if rule.ended} == finished
    assert {rule.code for rule in RULES if rule.standing} == living
