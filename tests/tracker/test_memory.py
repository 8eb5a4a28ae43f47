"""Is everything that the tracker remembers bounded?"""

import numpy as np

from tcpwatch import wire
from tcpwatch.rows import ROW
from tcpwatch.tracker.history import _TICK_BYTES, History
from tcpwatch.tracker.log import EventLog
from tcpwatch.tracker.tracker import Tracker
from tcpwatch.tracker.view import Key

from .build import CLIENT_LIFE, START_NS, event, frame, moves, sockets
from .load import pairs


def test_a_hundred_thousand_lives_pass_through() -> None:
    """Ended connections stay two seconds and go; the table does not grow with the session."""
    tracker = Tracker()
    told, sizes = 0, []
    for tick in range(100):
        events = pairs(500, first_cookie=1 + 1000 * tick, start_ns=START_NS + tick * 10**9)
        step = tracker.fold(frame(tick + 1, events, shows_time_wait=False))
        told += len(step.lives)
        sizes.append(len(tracker.table))
    assert told >= 99_000
    assert max(sizes) <= 4000
    assert len(tracker.table.rows) * ROW.itemsize < 3 << 20
    assert len(tracker._closed) <= 4
    for end in (110, 120):
        tracker.fold(frame(end, shows_time_wait=False))
    assert len(tracker.table) == 0


def test_the_closed_ones_kept() -> None:
    """As many as asked for stay in the view, the newest ones, for at most two minutes."""
    tracker = Tracker(keep_closed=3)
    for tick in range(6):
        tracker.fold(frame(10 * tick + 1, moves((7, 2), (2, 7), cookie=tick + 1, at=10 * tick)))
    assert sorted(tracker.view().connections["cookie"]) == [3, 4, 5, 6]  # the last folded is counted with the next
    tracker.fold(frame(61))
    assert sorted(tracker.view().connections["cookie"]) == [4, 5, 6]
    tracker.fold(frame(181))
    assert len(tracker.view().connections) == 0


def test_the_table_grows_while_it_folds() -> None:
    """A batch of more connections than there are lines keeps what was there."""
    tracker = Tracker()
    tracker.fold(frame(1, moves((7, 2), (2, 1), cookie=1, bytes_sent=5)))
    step = tracker.fold(frame(2, pairs(5000, first_cookie=10, start_ns=START_NS + 10**9)))
    assert len(step.lives) == 10_000
    row = tracker.table.rows[tracker.table.index.find(np.array([1], np.uint64), np.array([1], np.uint32))[0]]
    assert row["bytes_sent"] == 5


def test_the_history_keeps_to_its_budget() -> None:
    """Old snapshots go when the bytes are used up, empty ones cost something too, and two always stay."""
    history = History(100 * _TICK_BYTES)
    for tick in range(1000):
        history.remember(tick, sockets())
    assert len(history._ticks) == 100
    shown = sockets(*({"cookie": n, "cwnd": 10} for n in range(5000)))
    for tick in range(10):
        history.remember(tick, shown)
    assert history.of(Key(1, 17))["time_ns"].tolist() == [8, 9]


def test_the_history_of_one_connection() -> None:
    """Oldest first, of its own namespace only, unknown measures as NaN."""
    history = History(1 << 20)
    here = {"cookie": 5, "netns": 1, "cwnd": 10, "srtt_us": 70, "ssthresh": 20, "unacked": 3, "snd_wnd": 9}
    history.remember(1, sockets({**here, "srtt_us": 0, "ssthresh": wire.SSTHRESH_INFINITE}, {**here, "netns": 2}))
    history.remember(2, sockets())
    history.remember(3, sockets(here, {**here, "cookie": 4}))
    samples = history.of(Key(1, 5))
    assert samples["time_ns"].tolist() == [1, 3]
    assert np.isnan(samples["rtt_us"]).tolist() == np.isnan(samples["ssthresh"]).tolist() == [True, False]
    assert samples["unacked"].tolist() == [3, 3]
    assert samples["snd_wnd"].tolist() == [9, 9]
    assert len(history.of(Key(3, 5))) == 0


def test_a_window_that_was_never_told() -> None:
    """Before its answer the peer's window is unknown, and not shut; afterwards 0 is 0."""
    history = History(1 << 20)
    history.remember(1, sockets({"cwnd": 10, "state": wire.SYN_SENT, "rcv_wnd": 65_535}))
    history.remember(2, sockets({"cwnd": 10, "state": wire.ESTABLISHED}))
    samples = history.of(Key(1, 1))
    assert np.isnan(samples["snd_wnd"]).tolist() == [True, False]
    assert samples["snd_wnd"][1] == 0
    assert samples["rcv_wnd"].tolist() == [65_535, 0]


def test_the_log_keeps_the_newest_events() -> None:
    """Exactly so many, however they are cut into batches, and the total counts all."""
    log = EventLog(10)
    rows = np.zeros(1, ROW)
    for size in (3, 0, 25, 4, 4):
        events = moves(*[(1, 2)] * size)
        events["count"] = log.total + np.arange(size)
        log.add(events, np.full(size, -1), rows)
        assert log.newest()[0]["count"].tolist() == list(range(max(0, log.total - 10), log.total))
    assert log.total == 36
    assert len(log._batches) == 3


def test_a_log_that_keeps_nothing() -> None:
    """Faces that only follow the stream pay nothing for it."""
    log = EventLog(0)
    log.add(moves((7, 2)), np.array([-1]), np.zeros(1, ROW))
    assert (log.total, len(log.newest()[0]), len(log._batches)) == (1, 0, 0)


def test_all_events_of_the_connection_looked_at() -> None:
    """What was logged of it before counts, then all that comes, beyond the log's own bound; not its namesake's."""
    tracker = Tracker(keep_events=4)
    tracker.fold(frame(1, moves((7, 2), (2, 1)), moves((7, 2), netns=2)))
    tracker.look_at(Key(1, 1))
    more = [event(wire.RETRANSMIT, wire.ESTABLISHED, at=1 + n / 100) for n in range(20)]
    tracker.fold(frame(2, *more, moves((7, 2), cookie=3, at=1)))
    focus = tracker.view().focus
    assert focus is not None
    assert len(focus.events) == 22
    tracker.look_at(None)
    assert tracker.view().focus is None


def test_events_are_joined_with_their_owners() -> None:
    """An event in which nobody acted shows the connection's process."""
    tracker = Tracker(keep_events=10)
    tracker.fold(frame(1, moves(*CLIENT_LIFE[:1], pid=7, comm=b"me"), moves(*CLIENT_LIFE[1:2], at=0.1)))
    view = tracker.view()
    assert view.event_pids.tolist() == [7, 7]
    assert view.event_comms.tolist() == [b"me", b"me"]
