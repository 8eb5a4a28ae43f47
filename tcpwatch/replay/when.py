"""Which moment of a recording does somebody mean who types `14:02:11`, `+30s`, `-1m` or `40%`? Knows no player."""

import re
import time
from dataclasses import dataclass

from tcpwatch.errors import UsageError

FORMS = "14:02:11, 2026-11-21 14:02, +30s, -1m30s or 40%"
_SECOND_NS = 1_000_000_000
_UNITS = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_CLOCK = re.compile(r"(?:(\d{4})-(\d\d?)-(\d\d?)[ T]+)?(\d\d?):(\d\d)(?::(\d\d)(\.\d{1,9})?)?", re.ASCII)
_SPAN = re.compile(r"([+-])\s*((?:\d+(?:\.\d+)?(?:ms|s|m|h|d)?\s*)+)", re.ASCII)
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)?", re.ASCII)
_SHARE = re.compile(r"(\d{1,3}(?:\.\d+)?)\s*%", re.ASCII)
_LONGEST = 64
_MOST_DAYS = 400  # of a recording that are searched for a time of day


@dataclass(frozen=True, slots=True)
class Span:
    """A recording, and where in it one is. Unix ns."""

    begin_ns: int
    end_ns: int
    now_ns: int


def moment(text: str, span: Span) -> int:
    """Unix ns. A step past either end leads to that end; a time of day is the one within the recording, in local time.
    Raises UsageError for what cannot be understood, and for times the recording does not have."""
    text = text.strip()
    if len(text) <= _LONGEST:
        if found := _SPAN.fullmatch(text):
            step = int(_seconds(found[2]) * _SECOND_NS)
            return _inside(span.now_ns + (step if found[1] == "+" else -step), span)
        if (found := _SHARE.fullmatch(text)) and float(found[1]) <= 100:
            return _inside(span.begin_ns + int((span.end_ns - span.begin_ns) * float(found[1]) / 100), span)
        if found := _CLOCK.fullmatch(text):
            return _clock(text, found, span)
    raise UsageError(f"no time: write {FORMS}")


def _seconds(text: str) -> float:
    return sum(float(amount) * _UNITS[unit or "s"] for amount, unit in _PART.findall(text))


def _inside(time_ns: int, span: Span) -> int:
    return max(span.begin_ns, min(time_ns, span.end_ns))


def _clock(text: str, found: "re.Match[str]", span: Span) -> int:
    year, month, day, hour, minute, second, fraction = found.groups()
    whole = int(hour), int(minute), int(second or 0)
    if whole >= (24, 0, 0) or whole[1] > 59 or whole[2] > 59 or int(month or 1) > 12 or int(day or 1) > 31:
        raise UsageError(f"no time of day: {text}")
    part_ns = int(float(fraction or 0) * _SECOND_NS)
    if year:
        days = [(int(year), int(month), int(day))]
    else:
        first = time.localtime(span.begin_ns // _SECOND_NS)
        count = min(_MOST_DAYS, (span.end_ns - span.begin_ns) // (86400 * _SECOND_NS) + 2)
        days = [(first.tm_year, first.tm_mon, first.tm_mday + i) for i in range(count)]  # mktime knows month's ends
    try:
        times = [int(time.mktime((*date, *whole, 0, 0, -1))) * _SECOND_NS + part_ns for date in days]
    except (OverflowError, ValueError):
        raise UsageError(f"no date: {text}") from None
    slack_ns = (
        0 if fraction else (1 if second else 60) * _SECOND_NS - 1
    )  # what is written to the second means all of it
    inside = [t for t in times if span.begin_ns - slack_ns <= t <= span.end_ns]
    if not inside:
        begin, end = said(span.begin_ns), said(span.end_ns)
        raise UsageError(f"not in this recording: {begin} to {end[11:] if end[:10] == begin[:10] else end}")
    return _inside(min(inside, key=lambda t: abs(t - span.now_ns)), span)


def said(unix_ns: int) -> str:
    """`2026-11-21 14:02:11`, local time."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(unix_ns // _SECOND_NS))
