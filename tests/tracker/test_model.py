"""Does the tracker say of every connection what one would work out by hand, event after event?"""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcpwatch import wire
from tcpwatch.frame import Frame

from .agree import agree
from .machine import HOST, SECOND_NS, Machine, Weather

weathers = st.builds(
    Weather,
    seed=st.integers(0, 1 << 32),
    sockets=st.integers(1, 40),
    frames=st.integers(1, 40),
    loss=st.sampled_from([0.0, 0.0, 0.1, 0.4]),
    skips=st.sampled_from([0.0, 0.0, 0.1, 0.5]),
    snapshots=st.sampled_from([0.0, 0.2, 0.6, 1.0]),
    owners=st.sampled_from([0.0, 0.3]),
    pauses=st.sampled_from([0.0, 0.05, 0.3]),
    shows_time_wait=st.booleans(),
    third_namespace=st.booleans(),
)


@settings(max_examples=60, deadline=None)
@given(weather=weathers, keep_closed=st.sampled_from([0, 3, 1000]))
def test_it_agrees_with_the_naive_model(weather: Weather, keep_closed: int) -> None:
    """Real lives, interleaved, cut into frames anywhere, with events lost and sockets skipped."""
    agree(Machine(weather).frames(), keep_closed)


EVENTS = st.fixed_dictionaries(
    {
        "cookie": st.integers(0, 3),
        "netns": st.integers(1, 2),
        "kind": st.sampled_from([0, 0, 0, 1, 2, 4, 5]),
        "old_state": st.integers(1, 11),
        "new_state": st.sampled_from([1, 2, 4, 5, 7, 7, 7, 8, 9, 10, 11]),
        "flags": st.integers(0, 7),
        "error": st.sampled_from([0, 0, 104]),
        "pid": st.sampled_from([0, 0, 5, 6]),
        "lport": st.sampled_from([0, 80]),
        "srtt_us": st.sampled_from([0, 30]),
        "retrans": st.sampled_from([0, 1]),
    }
)


@settings(max_examples=100, deadline=None)
@given(batches=st.lists(st.lists(EVENTS, max_size=25), max_size=5))
def test_it_agrees_on_events_that_make_no_sense(batches: list[list[dict[str, Any]]]) -> None:
    """Whatever a damaged recording holds, the whole batch means what its events mean one by one."""
    frames = (Frame(0, (1000 + i) * SECOND_NS, HOST, _array(batch, i)) for i, batch in enumerate(batches))
    agree(frames, keep_closed=1000)


def _array(batch: list[dict[str, Any]], tick: int) -> np.ndarray:
    events = np.zeros(len(batch), wire.EVENT)
    for place, event in enumerate(batch):
        for name, value in event.items():
            events[name][place] = value
    # Only so much sense is left: cookie 3 is accepted, so a request comes before its child, which nobody opens
    accepted = events["cookie"] == 3
    events["kind"][~accepted & (events["kind"] == wire.SYNACK_RETRANSMIT)] = wire.RETRANSMIT
    events["old_state"][accepted & (events["old_state"] == wire.CLOSE)] = wire.SYN_RECV
    events["since_ns"] = 7
    events = events[np.argsort(events["kind"] != wire.SYNACK_RETRANSMIT, kind="stable")]
    events["time_ns"] = (999 + tick) * SECOND_NS + np.arange(len(batch))
    return events


@pytest.mark.parametrize("loss", [0.0, 0.2])
def test_it_agrees_on_a_long_session(loss: float) -> None:
    """A thousand sockets, so that the table and its index grow and shrink under way."""
    agree(Machine(Weather(23, sockets=1000, frames=150, loss=loss)).frames())
