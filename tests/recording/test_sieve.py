"""Does the sieve keep what somebody would who judges one record after the other?"""

from collections.abc import Iterator, Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tcpwatch import wire
from tcpwatch.filter import parse
from tcpwatch.frame import Frame, Snapshot
from tcpwatch.sieve import Sieve

from .story import HOST

PORTS = (0, 443, 8080)
WANTED = 443
# (cookie, local port, whether it closes): events of a frame; and the sockets of its snapshot, if it has one
RECORD = st.tuples(st.integers(0, 3), st.sampled_from(PORTS), st.booleans())
SOCKET = st.tuples(st.integers(1, 3), st.sampled_from(PORTS[1:]))
Told = tuple[list[tuple[int, int, bool]], list[tuple[int, int]] | None]
STORY = st.lists(st.tuples(st.lists(RECORD, max_size=6), st.none() | st.lists(SOCKET, max_size=3)), max_size=7)


def filled(
    dtype: np.dtype[np.void], records: Sequence[tuple[int, int, bool]] | Sequence[tuple[int, int]]
) -> np.ndarray:
    made = np.zeros(len(records), dtype)
    for row, (cookie, port, *closes) in zip(made, records):
        row["cookie"], row["lport"] = cookie, port
        if any(closes):
            row["new_state"] = wire.CLOSE
    return made


def frames(story: list[Told]) -> Iterator[Frame]:
    """time_ns numbers the events."""
    told = 0
    for number, (records, sockets) in enumerate(story):
        events = filled(wire.EVENT, records)
        events["time_ns"] = np.arange(told, told + len(events))
        told += len(events)
        tally = np.zeros(len(wire.KINDS), wire.TALLY)
        tally["seen"][wire.STATE] = told
        snapshot = None if sockets is None else Snapshot(number, number, filled(wire.SOCKET, sockets), frozenset())
        yield Frame(number, number, HOST, events, snapshot, tally=tally, final=number == len(story) - 1)


def judged(story: list[Told]) -> list[int]:
    """The numbers of the events that should be kept: by the port of the socket's next record that has one, unless it
    closes before."""
    line = [
        one
        for records, sockets in story
        for one in (
            *(("event", cookie, port, closes) for cookie, port, closes in records),
            *(("socket", cookie, port, False) for cookie, port in sockets or []),
        )
    ]
    kept, number = [], -1
    for place, (kind, cookie, port, closes) in enumerate(line):
        if kind == "socket":
            continue
        number += 1
        later = [(its, over) for _, one, its, over in line[place + 1 :] if one == cookie and (its or over)]
        if not port and not closes and cookie and later:
            port = later[0][0]
        if port == WANTED:
            kept.append(number)
    return kept


@given(STORY)
def test_each_event_by_the_port_of_its_socket(story: list[Told]) -> None:
    """Whether it is known at once, later in the frame, by a snapshot, in another frame or never."""
    sieve = Sieve(parse(f"sport = :{WANTED}"))
    kept, sockets = [], 0
    for frame in map(sieve.keep, frames(story)):
        kept += frame.events["time_ns"].tolist()
        assert frame.tally["seen"].sum() == len(kept) == sieve.delivered.sum()
        if frame.snapshot is not None:
            assert set(frame.snapshot.sockets["lport"].tolist()) <= {WANTED}
            sockets += len(frame.snapshot.sockets)
    assert sorted(kept) == judged(story)
    assert sockets == sum(port == WANTED for _, found in story for _, port in found or [])
