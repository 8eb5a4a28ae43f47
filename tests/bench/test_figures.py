"""Are the figures what they claim to be: ratios round by round, medians against targets, numbers a person can read?"""

import json
from dataclasses import replace

import pytest

from bench import report
from bench.figures import Figure, Result, at_least, at_most, ratios
from bench.measures import MEASURES
from bench.measures.events import summary

KEPT = Figure("tool: rate kept", [0.9, 1.02, 0.98], "", at_least(0.97))
SLOW = Figure("a key", [80.0, 120.0, 130.0], "ms", at_most(100))
RESULT = Result("connect", "Rate kept", "A load.", [KEPT, SLOW, Figure("rate", [28_300.0])])


def test_ratios_are_taken_round_by_round() -> None:
    """A machine that is twice as fast in one round gives the same ratio in both."""
    assert ratios([20.0, 10.0], [40.0, 20.0]) == [0.5, 0.5]


def test_ratios_of_unequal_rounds_are_refused() -> None:
    """A round in which one of the two is missing is a fault of the harness."""
    with pytest.raises(ValueError, match="longer"):
        ratios([1.0], [1.0, 2.0])


def test_the_median_decides() -> None:
    """One bad round does not miss a target, and one good round does not meet it."""
    assert KEPT.met is True
    assert SLOW.met is False
    assert RESULT.figures[2].met is None


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.9741, "", "0.974"),
        (1.23456, "", "1.23"),
        (28.34, "k/s", "28.3 k/s"),
        (1203.7, "ms", "1,204 ms"),
        (0.0, "", "0"),
        (46.0, "", "46"),
    ],
)
def test_numbers_show_the_digits_that_count(value: float, unit: str, text: str) -> None:
    """Three digits, whatever the size, and whole numbers whole."""
    assert report.number(value, unit) == text


def test_the_table_shows_spread_and_target() -> None:
    """Nobody has to open a file to see that a run was noisy or a target missed."""
    lines = report.as_text(RESULT).splitlines()
    kept, slow = (next(line for line in lines if figure.name in line) for figure in (KEPT, SLOW))
    assert "0.900 to 1.02" in kept
    assert kept.split()[-1] == "yes"
    assert "<= 100 ms" in slow
    assert slow.split()[-1] == "NO"


def test_the_document_begins_with_the_targets() -> None:
    """Each target once above, with the outcome; then each measure, then the machine."""
    text = report.as_markdown({"cpu": "one"}, [RESULT])
    assert text.index("| Rate kept: tool: rate kept | >= 0.970 | 0.980 | yes |") < text.index("## Rate kept")
    assert text.index("A load.") < text.index("| cpu | one |")


def test_the_json_has_every_value() -> None:
    """What the document sums up can be looked up."""
    told = json.loads(report.as_json({"cpu": "one"}, [RESULT]))
    figure = told["results"][0]["figures"][0]
    assert figure["values"] == list(KEPT.values)
    assert (figure["target"], figure["met"]) == (">= 0.97", True)
    assert told["machine"] == {"cpu": "one"}


def test_what_was_written_is_read_again() -> None:
    """A part may be measured anew: the rest stays as it was, to the digit, with when it was taken."""
    taken = replace(RESULT, taken="yesterday, 3 rounds")
    again = report.results_of(report.as_json({}, [taken]))
    assert again == [taken]
    assert "A load. Taken yesterday, 3 rounds." in report.as_markdown({}, again)


def test_the_summary_is_read() -> None:
    """The three numbers tcpwatch ends with, whatever stands around them."""
    said = "tcpwatch: watching (8 of 8 probes)\ntcpwatch: 378 events seen, 370 delivered, 8 lost\ntcpwatch: a hint\n"
    assert summary(said) == (378, 370, 8)


def test_measures_are_named_after_their_module() -> None:
    """`--only NAME` leads to the file."""
    assert [measure.__module__.rsplit(".", 1)[1] for measure in MEASURES.values()] == list(MEASURES)
