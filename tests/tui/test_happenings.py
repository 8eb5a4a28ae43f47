"""What an event is called on the screen: in words, with the cause where the kernel tells one."""

import errno

import numpy as np
import pytest

from tcpwatch import wire
from tcpwatch.tui.happenings import told

from . import picture


def said(**facts: int) -> str:
    """One retransmit with these facts."""
    event = np.zeros(1, wire.EVENT)
    event["kind"], event["count"] = wire.RETRANSMIT, 1
    for name, value in facts.items():
        event[name] = value
    return told(picture.view(picture.connections(1)), event[0])


@pytest.mark.parametrize(
    ("cause", "word"),
    [
        (wire.TIMEOUT, "time-out"),
        (wire.FAST, "fast"),
        (wire.LOSS_PROBE, "tail probe"),
        (wire.SYN, "SYN"),
        (wire.ZERO_WINDOW, "zero window"),
    ],
)
def test_a_retransmit_tells_its_cause(cause: int, word: str) -> None:
    """A loss that the peer reported and one that nobody did are not the same trouble."""
    assert said(cause=cause) == f"retransmit: {word}"
    assert said(cause=cause, count=23) == f"retransmit: {word} ×23"


def test_a_cause_that_is_not_known_is_not_invented() -> None:
    """Nor is one of a later version."""
    assert said(cause=wire.UNKNOWN_CAUSE) == "retransmit"
    assert said(cause=len(wire.CAUSES)) == "retransmit"


def test_a_retransmit_that_failed_tells_both() -> None:
    """Why it was tried, and why it did not leave."""
    assert said(cause=wire.TIMEOUT, reason=errno.EHOSTUNREACH) == "retransmit: time-out ×1 failed (EHOSTUNREACH)"
