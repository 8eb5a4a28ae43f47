"""What a connection keeps of its troubles."""

import numpy as np

from tcpwatch import wire
from tcpwatch.rows import EXITED, ROW, STALLED
from tcpwatch.tracker.tracker import Tracker

from .build import CLIENT_LIFE, START_NS, event, frame, moves, sockets
from .machine import SECOND_NS

OPEN = ((7, 2), (2, 1))


def row_of(tracker: Tracker, cookie: int = 1) -> np.void:
    rows = tracker.table.rows
    (line,) = np.flatnonzero(rows["cookie"] == cookie)
    row: np.void = rows[line]
    assert row.dtype == ROW
    return row


def again(cause: int, count: int, at: float, **more: int) -> np.ndarray:
    return event(wire.RETRANSMIT, wire.ESTABLISHED, at, cause=cause, count=count, **more)


def test_repeats_are_counted_by_cause() -> None:
    tracker = Tracker()
    tracker.fold(
        frame(1, moves(*OPEN), again(wire.FAST, 3, 0.5), again(wire.TIMEOUT, 1, 0.6), again(wire.FAST, 2, 0.7))
    )
    tracker.fold(frame(2, again(wire.LOSS_PROBE, 1, 1.5), moves(*OPEN, cookie=2)))
    assert row_of(tracker)["causes"].tolist() == [0, 1, 5, 1, 0, 0, 0]
    assert row_of(tracker)["again_ns"] == START_NS + 1.5 * SECOND_NS
    assert not row_of(tracker, 2)["causes"].any()


def test_what_never_left_is_no_repeat() -> None:
    """A queue that was full: `reason` is an errno then."""
    tracker = Tracker()
    flags = wire.EVENT_SOCKET | wire.EVENT_REASON
    tracker.fold(frame(1, moves(*OPEN), again(wire.TIMEOUT, 1, 0.5, flags=flags, reason=105)))
    assert not row_of(tracker)["causes"].any()
    assert row_of(tracker)["again_ns"] == 0


def test_a_repeated_syn_ack_counts_once_though_it_says_how_often() -> None:
    tracker = Tracker()
    parts = [event(wire.SYNACK_RETRANSMIT, 3, i, count=i, cause=wire.SYNACK, since_ns=START_NS) for i in (1, 2, 3)]
    tracker.fold(frame(4, *parts))
    assert row_of(tracker)["causes"][wire.SYNACK] == 3


def test_counts_stop_where_they_end() -> None:
    tracker = Tracker()
    tracker.fold(frame(1, moves(*OPEN), again(wire.FAST, 60_000, 0.5)))
    tracker.fold(frame(2, again(wire.FAST, 60_000, 1.5)))
    assert row_of(tracker)["causes"][wire.FAST] == 65535


def test_the_newest_reset_is_kept() -> None:
    tracker = Tracker()
    first = event(wire.RESET_RECEIVED, wire.ESTABLISHED, 0.5)
    flags = wire.EVENT_SOCKET | wire.EVENT_REASON | wire.EVENT_UNREAD
    second = event(wire.RESET_SENT, wire.CLOSE, 0.6, reason=9, flags=flags)
    tracker.fold(frame(1, moves(*OPEN), first, second))
    row = row_of(tracker)
    assert (row["reset_ns"], row["reset_reason"], row["reset_flags"]) == (START_NS + 0.6 * SECOND_NS, 9, flags)


def test_who_is_dying_is_noted() -> None:
    tracker = Tracker()
    flags = wire.EVENT_SOCKET | wire.EVENT_EXITING
    tracker.fold(frame(1, moves(*OPEN), moves(*CLIENT_LIFE[2:], at=0.5, flags=flags, pid=7), moves(*OPEN, cookie=2)))
    assert row_of(tracker)["marks"] & EXITED
    assert not row_of(tracker, 2)["marks"] & EXITED


def test_a_closed_window_with_data_waiting_is_a_standstill() -> None:
    """From the first snapshot that shows it to the first that does not; that it happened is remembered."""
    tracker = Tracker()
    tracker.fold(frame(1, moves(*OPEN)))
    full = {"state": wire.ESTABLISHED, "send_queue": 1000}
    for second, snd_wnd in ((2, 0), (3, 0)):
        tracker.fold(frame(second, snapshot=sockets({**full, "snd_wnd": snd_wnd})))
    assert row_of(tracker)["stalled_ns"] == START_NS + 2 * SECOND_NS
    tracker.fold(frame(4, snapshot=sockets({**full, "snd_wnd": 500})))
    assert row_of(tracker)["stalled_ns"] == 0
    assert row_of(tracker)["marks"] & STALLED


def test_nothing_to_send_is_no_standstill() -> None:
    tracker = Tracker()
    tracker.fold(frame(1, moves(*OPEN)))
    tracker.fold(frame(2, snapshot=sockets({"state": wire.ESTABLISHED, "send_queue": 0, "snd_wnd": 0})))
    assert row_of(tracker)["stalled_ns"] == 0


def test_when_data_last_moved() -> None:
    """1000 jiffies a second (HOST): 2000 of them are 2 s."""
    tracker = Tracker()
    tracker.fold(frame(1, moves(*OPEN)))
    tracker.fold(frame(5, snapshot=sockets({"state": wire.ESTABLISHED, "idle_ticks": 2000})))
    assert row_of(tracker)["moved_ns"] == START_NS + 3 * SECOND_NS
