"""Times as people type them."""

import time
from collections.abc import Iterator

import pytest

from tcpwatch.errors import UsageError
from tcpwatch.replay.when import Span, moment, said

S = 1_000_000_000


@pytest.fixture(autouse=True)
def zone() -> Iterator[None]:
    """Half an hour off, so that nothing is right by chance; and back, for whoever comes next."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "XXX-5:30")
        time.tzset()
        yield
    time.tzset()


def at(text: str) -> int:
    return int(time.mktime(time.strptime(text, "%Y-%m-%d %H:%M:%S"))) * S


def span(now: str = "2026-11-21 14:10:00") -> Span:
    return Span(at("2026-11-21 14:01:00") + S // 2, at("2026-11-21 14:31:00"), at(now))


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("14:02:11", "2026-11-21 14:02:11"),
        ("14:02", "2026-11-21 14:02:00"),
        (" 2026-11-21 14:02:11 ", "2026-11-21 14:02:11"),
        ("2026-11-21T14:02:11", "2026-11-21 14:02:11"),
        ("+30s", "2026-11-21 14:10:30"),
        ("+30", "2026-11-21 14:10:30"),
        ("-1m", "2026-11-21 14:09:00"),
        ("- 1m30s", "2026-11-21 14:08:30"),
        ("+2h", "2026-11-21 14:31:00"),
    ],
)
def test_times_and_steps(text: str, means: str) -> None:
    """In local time; a step past the end leads to the end."""
    assert moment(text, span()) == at(means)


@pytest.mark.parametrize(("text", "share"), [("0%", 0), ("40%", 0.4), ("12.5 %", 0.125), ("100%", 1)])
def test_shares(text: str, share: float) -> None:
    """Of the recording's time."""
    whole = span()
    assert moment(text, whole) == whole.begin_ns + int((whole.end_ns - whole.begin_ns) * share)


def test_fractions_of_seconds() -> None:
    """To the nanosecond, as far as a number can say it."""
    assert moment("14:02:11.25", span()) == at("2026-11-21 14:02:11") + S // 4
    assert moment("+250ms", span()) == at("2026-11-21 14:10:00") + S // 4


def test_the_second_in_which_it_began_is_in_it() -> None:
    """It began half a second later."""
    assert moment("14:01:00", span()) == span().begin_ns


def test_over_midnight_a_time_of_day_is_the_one_that_there_is() -> None:
    """Of several days the nearest."""
    night = Span(at("2026-11-30 22:00:00"), at("2026-12-02 03:00:00"), at("2026-12-01 20:00:00"))
    assert moment("01:30", night) == at("2026-12-02 01:30:00")
    assert moment("12:00", night) == at("2026-12-01 12:00:00")
    assert moment("23:00", night) == at("2026-12-01 23:00:00")


@pytest.mark.parametrize(
    "text", ["", "x", "40%%", "101%", "25:00", "12:60", "14", "+", "+5y", "2026-13-01 14:02", "9" * 99]
)
def test_what_is_no_time_is_said_to_be_none(text: str) -> None:
    """With the forms there are."""
    with pytest.raises(UsageError, match="no time"):
        moment(text, span())


def test_a_time_that_is_not_recorded() -> None:
    """Says what is."""
    with pytest.raises(UsageError, match="2026-11-21 14:01:00 to 14:31:00"):
        moment("15:00", span())
    with pytest.raises(UsageError, match="not in this recording"):
        moment("2026-11-20 14:10", span())
    with pytest.raises(UsageError, match="2026-11-30 22:00:00 to 2026-12-01 03:00:00"):
        moment("15:00", Span(at("2026-11-30 22:00:00"), at("2026-12-01 03:00:00"), at("2026-12-01 01:00:00")))


def test_a_time_is_said_with_its_date() -> None:
    """In local time."""
    assert said(at("2026-11-21 14:02:11") + 999) == "2026-11-21 14:02:11"
