"""Whatever comes, is a metric never larger than it may be, are its sums exact, and do its counters only grow?"""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcpwatch import wire
from tcpwatch.frame import Frame
from tcpwatch.metrics import METRICS, SERVICE, Family, Meters, Picture
from tcpwatch.metrics.space import IDLE_NS
from tcpwatch.tracker.step import Step
from tcpwatch.tracker.tracker import Tracker
from tests.tracker import build
from tests.tracker.machine import SECOND_NS, Machine, Weather

from .room import Room, life

WIDTHS = {one.full_name: one.width for one in METRICS if one.shared}
weathers = st.builds(
    Weather,
    seed=st.integers(0, 1 << 32),
    sockets=st.integers(1, 40),
    frames=st.integers(1, 40),
    loss=st.sampled_from([0.0, 0.0, 0.1, 0.4]),
    skips=st.sampled_from([0.0, 0.0, 0.1]),
    snapshots=st.sampled_from([0.0, 0.2, 0.6, 1.0]),
    owners=st.sampled_from([0.0, 0.3]),
    pauses=st.just(0.0),  # in long ones label sets disappear
    shows_time_wait=st.booleans(),
)
labels = st.lists(st.sampled_from(SERVICE), unique=True)


class Truth:
    """What happened, one thing after the other."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._opened: set[tuple[int, ...]] = set()

    def note(self, step: Step) -> None:
        self.counts["connections_closed"] += len(step.lives)
        for event in step.frame.events:
            kind = int(event["kind"])
            self.counts["resets"] += kind in (wire.RESET_SENT, wire.RESET_RECEIVED)
            if not event["flags"] & wire.EVENT_REASON:
                self.counts["retransmits"] += kind == wire.SYNACK_RETRANSMIT
                self.counts["retransmits"] += int(event["count"]) * (kind == wire.RETRANSMIT)
                self.counts["listener_synack_retransmits"] += kind == wire.SYNACK_RETRANSMIT
        for rows in (step.table, step.lives):
            for row in rows[(rows["cookie"] != 0) & (rows["established_ns"] != 0)]:
                self._opened.add((int(row["cookie"]), int(row["netns"]), int(row["turn"]), int(row["established_ns"])))
        self.counts["connections_opened"] = len(self._opened)


def totals(picture: Picture) -> dict[str, float]:
    """Of counters, and of histograms what was observed, how much it was, and in which buckets."""
    found: dict[str, float] = {}
    for family in picture.families:
        if family.kind == "counter" and family.name != "tcpwatch_series_overflows":
            found[family.name] = float(family.numbers.sum())
        if family.kind == "histogram":
            found[family.name] = float(family.numbers.sum())
            found[f"{family.name} sum"] = round(float(family.sums.sum()), 6)
            found |= {f"{family.name} {i}": n for i, n in enumerate(family.buckets.sum(axis=0).tolist())}
    return {name: number for name, number in found.items() if number}


def numbers(family: Family) -> dict[tuple[str, ...], list[float]]:
    each = np.column_stack(
        [family.numbers, family.sums, family.buckets] if family.kind == "histogram" else [family.numbers]
    )
    return dict(zip(family.values, each.tolist()))


def with_an_end(frames: Iterable[Frame]) -> Iterable[Frame]:
    """And then nothing happens for a while, so that all is settled."""
    last = build.frame(0)
    for last in frames:
        yield last
    quiet = replace(last, events=np.empty(0, wire.EVENT), snapshot=None, owners=None, begin_ns=last.end_ns)
    yield replace(quiet, end_ns=last.end_ns + 5 * SECOND_NS, final=True)


@settings(max_examples=30, deadline=None)
@given(weather=weathers, chosen=labels, cap=st.sampled_from([1, 2, 7, 30, 100]), pictures=st.integers(1, 7))
def test_sums_are_exact_whatever_the_cap(weather: Weather, chosen: list[str], cap: int, pictures: int) -> None:
    """The same as without a cap, and as what happened; no series goes down; no metric is larger than it may be."""
    tracker, capped, free, truth = Tracker(history_bytes=1), Meters(chosen, max_series=cap), Meters(), Truth()
    before: dict[str, dict[tuple[str, ...], list[float]]] = {}
    for number, frame in enumerate(with_an_end(Machine(weather).frames())):
        step = tracker.fold(frame)
        capped.fold(step)
        free.fold(step)
        truth.note(step)
        if number % pictures:
            continue
        picture = capped.picture(tracker.view())
        for family in picture.families:
            width = WIDTHS.get(family.name)
            assert width is None or len(family.values) * width <= max(cap, width), family.name
            if family.kind in ("counter", "histogram"):
                now = numbers(family)
                for values, then in before.get(family.name, {}).items():
                    assert all(a >= b for a, b in zip(now[values], then)), (family.name, values)
                before[family.name] = now
    view = tracker.view()
    here, there = totals(capped.picture(view)), totals(free.picture(view))
    assert here == pytest.approx(there)
    if weather.loss:  # a socket that connected twice, and whose events in between were lost, is one or two
        del truth.counts["connections_opened"]
    happened = {f"tcpwatch_{name}": count for name, count in truth.counts.items() if count}
    assert {name: here.get(name, 0) for name in happened} == happened


def test_what_finds_no_room_is_counted_as_other() -> None:
    """First come, first served; and it is told how often."""
    room = Room("port", max_series=4)
    lives = [life(0, cookie, rport=cookie) for cookie in range(1, 24)]
    room.fold(build.frame(1, *lives))
    assert room.series("connections_opened") == {"port=1": 1, "port=2": 1, "port=3": 1, "port=other": 20}
    assert room.series("connections_closed") == {
        "port=1 verdict=clean": 1,
        "port=2 verdict=clean": 1,
        "port=3 verdict=clean": 1,
        "port=other verdict=other": 20,
    }
    room.fold(build.frame(2, life(1, 50, rport=2), life(1, 51, rport=23)))
    assert room.series("connections_opened") == {"port=1": 1, "port=2": 2, "port=3": 1, "port=other": 21}
    overflows = room.series("series_overflows")
    assert overflows["metric=tcpwatch_connections_opened_total"] == 20
    assert overflows["metric=tcpwatch_kernel_timeouts_total"] == 0
    assert room.series("series")["metric=tcpwatch_connections_opened_total"] == 4


def test_a_histogram_s_buckets_count() -> None:
    """Of 22 series for each label set three find room in 66, the one for the rest included."""
    room = Room("port", max_series=66)
    room.fold(build.frame(1, *(life(0, cookie, rport=cookie) for cookie in range(1, 24))))
    picture = room.picture()
    family = picture.family("handshake_seconds")
    assert family.values == (("1",), ("2",), ("other",))
    assert family.numbers.tolist() == [1, 1, 21]
    assert (family.buckets[:, -1] == family.numbers).all()
    assert room.series("series")["metric=tcpwatch_handshake_seconds"] == 66
    assert len(picture.family("connections_opened").values) == 23


def test_what_nothing_has_for_ten_minutes_disappears() -> None:
    """With all its numbers; what is alive, or was counted since, stays; what comes back begins at 0."""
    room = Room("port", max_series=4)
    stays = build.sockets({**build_client(7), "state": 1})
    idle_s = IDLE_NS // SECOND_NS
    room.fold(build.frame(1, life(0, 1, rport=1), life(0, 2, rport=2), snapshot=stays, begin=0.9))
    room.picture()
    room.fold(build.frame(2, life(1, 3, rport=3)))
    assert set(room.series("connections_opened")) == {"port=1", "port=2", "port=other"}
    middle = idle_s // 2
    room.fold(build.frame(middle, life(middle - 1, 4, rport=2), snapshot=stays, begin=middle - 0.1))
    room.picture()
    room.fold(build.frame(idle_s + 20, snapshot=stays, begin=idle_s + 19))
    assert room.series("connections_opened") == {"port=2": 2, "port=other": 1}
    assert room.series("connections")["port=7 state=ESTABLISHED"] == 1
    assert not any("port=1 " in labels for labels in room.series("connections"))
    room.fold(build.frame(idle_s + 30, life(idle_s + 25, 5, rport=1), snapshot=stays, begin=idle_s + 29))
    assert room.series("connections_opened") == {"port=1": 1, "port=2": 2, "port=other": 1}
    room.fold(build.frame(3 * idle_s, snapshot=stays, begin=3 * idle_s - 1))
    room.picture()
    assert room.series("connections_opened") == {"port=other": 1}
    assert room.series("connections") == {"port=7 state=ESTABLISHED": 1, "port=other state=other": 0}


def build_client(port: int) -> dict[str, Any]:
    return {"cookie": 1000 + port, "laddr": [1] * 16, "raddr": [2] * 16, "lport": 40_000, "rport": port}


def test_no_more_names_are_looked_at_than_is_cheap() -> None:
    """A process of another name for each connection costs no more than a bounded time; its connections are counted."""
    room = Room("comm", max_series=10)
    lives = [life(i / 1000, i + 1, comm=b"x%d" % i) for i in range(2500)]
    room.fold(build.frame(9, *lives))
    assert room.total("connections_opened") == 2500
    assert len(room.picture().family("connections_opened").values) == 10
    assert room.series("series_overflows")["metric=tcpwatch_connections_opened_total"] >= 2490


def test_unknown_is_left_out_and_never_zero() -> None:
    """A gauge that nobody knows is not a number."""
    room = Room("port")
    room.fold(build.frame(1, build.moves((7, 2), (2, 1), **build_client(80))))
    (free,) = room.picture().family("ports_free").numbers.tolist()
    assert math.isnan(free)
    assert room.series("ports_used") == {"port=80": 1}


def test_who_is_called_like_the_rest_is_part_of_it() -> None:
    """No two series have the same labels, though a process, or a network without a group, is called `other`."""
    room = Room("comm", max_series=4)
    names = (b"other", *(b"x%d" % i for i in range(22)))
    for second, comm in enumerate(names, 1):
        room.fold(build.frame(second, life(second - 1, second, comm=comm)))
        for family in room.picture().families:
            assert len(set(family.values)) == len(family.values), family.name
    assert room.series("connections_opened") == {"comm=other": 21, "comm=x0": 1, "comm=x1": 1}
