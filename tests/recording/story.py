"""A session that never happened and can be told again, frame by frame: what a recording of it must hold is known."""

from collections.abc import Iterator

import numpy as np

from tcpwatch import wire
from tcpwatch.frame import Frame, Host, Process, Snapshot

FRAME_NS = 100_000_000
BEGIN_NS = 1_000 * 1_000_000_000
HOST = Host("here", "6.18", "01234567-89ab-cdef-0123-456789abcdef", 1000, 1, 1_700_000_000_000_000_000)
SNAPSHOT_EVERY = 10


def frame(number: int, events: int = 23) -> Frame:
    """The frame of that number, 0 being the first: a tenth of a second each, whatever the clock says. Its events do not
    compress well."""
    begin_ns = BEGIN_NS + number * FRAME_NS
    chance = np.random.default_rng(number)
    told = np.zeros(events, wire.EVENT)
    told["time_ns"] = begin_ns + np.arange(events)
    told["cookie"] = number
    told["new_state"], told["old_state"] = wire.SYN_SENT, wire.CLOSE
    told["laddr"], told["raddr"] = chance.integers(0, 256, (2, events, 16), np.uint8)
    tally = np.zeros(len(wire.KINDS), wire.TALLY)
    tally["seen"][wire.STATE] = (number + 1) * events
    sockets = np.zeros(3, wire.SOCKET)
    sockets["cookie"] = number
    return Frame(
        begin_ns,
        begin_ns + FRAME_NS,
        HOST,
        told,
        Snapshot(begin_ns, begin_ns + 1, sockets, frozenset({1})) if number % SNAPSHOT_EVERY == 0 else None,
        processes=(Process(number + 1, 1, f"p{number}", "", ""),) if number % 3 == 0 else (),
        tally=tally,
    )


def frames(count: int, events: int = 23, first: int = 0) -> Iterator[Frame]:
    return (frame(number, events) for number in range(first, first + count))


def number_of(one: Frame) -> int:
    return (one.begin_ns - BEGIN_NS) // FRAME_NS


def same(one: Frame, other: Frame) -> bool:
    """Whether they tell the same, all of it."""
    shots = [(f.snapshot.begin_ns, f.snapshot.sockets.tobytes()) if f.snapshot else None for f in (one, other)]
    words = [(f.begin_ns, f.end_ns, f.host, f.processes, f.tally.tobytes(), f.final, f.joins) for f in (one, other)]
    return one.events.tobytes() == other.events.tobytes() and shots[0] == shots[1] and words[0] == words[1]


def follows(told: list[Frame], events: int = 23) -> range:
    """Which frames of the story these are. Fails where one is not what it was, or one in the middle is missing. One
    that only sums up what was before is allowed at the beginning."""
    if told and told[0].joins:
        told = told[1:]
    numbers = range(number_of(told[0]), number_of(told[-1]) + 1) if told else range(0)
    assert [number_of(one) for one in told] == list(numbers)
    for one in told:
        assert same(one, frame(number_of(one), events)), number_of(one)
    return numbers
