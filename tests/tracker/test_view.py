"""Is a view true, immutable and quickly made?"""

import time
from dataclasses import replace

import numpy as np
import pytest

from tcpwatch import wire
from tcpwatch.tracker.tracker import Tracker
from tcpwatch.tracker.view import PULSE_SECONDS, Key, View
from tests.yardstick import slowness

from .build import START_NS, event, frame, moves, sockets
from .machine import HOST, SECOND_NS


def arrays(view: View) -> dict[str, np.ndarray]:
    assert view.focus is not None
    holders = (view, view.pulse, view.focus)
    found = {(type(h).__name__, name): getattr(h, name) for h in holders for name in h.__slots__}
    return {".".join(name): value for name, value in found.items() if isinstance(value, np.ndarray)}


def looked_at() -> Tracker:
    tracker = Tracker(keep_closed=10, history_bytes=1 << 20, keep_events=100)
    tracker.fold(frame(1, moves((7, 2), (2, 1)), snapshot=sockets({"state": 1, "cwnd": 10, "send_queue": 5})))
    tracker.look_at(Key(1, 1))
    tracker.fold(frame(3, moves((7, 2), cookie=2, at=2)))
    return tracker


def test_no_array_of_a_view_can_be_written() -> None:
    """Faces on other threads share it."""
    for name, array in arrays(looked_at().view()).items():
        assert not array.flags.writeable, name


def test_a_view_stays_as_it_was() -> None:
    """Whatever is folded afterwards."""
    tracker = looked_at()
    view = tracker.view()
    before = {name: array.tobytes() for name, array in arrays(view).items()}
    assert view.focus is not None
    row, socket = view.focus.row.tobytes(), view.focus.socket
    for end in range(4, 9):
        tracker.fold(
            frame(end, moves((1, 4), (4, 5), (5, 7), at=end - 0.5), snapshot=sockets({"state": 1, "cwnd": 99}))
        )
    assert {name: array.tobytes() for name, array in arrays(view).items()} == before
    assert view.focus.row.tobytes() == row
    assert socket is not None
    assert socket["cwnd"] == 10


def test_unknown_is_nan() -> None:
    """No RTT sample yet is not 0, slow start without an end is not two billion, and no counters are not zeros."""
    tracker = Tracker()
    known = {"srtt_us": 70, "min_rtt_us": 60, "ssthresh": 20, "cwnd": 10, "mss": 1448}
    unknown = {"srtt_us": 0, "min_rtt_us": wire.NO_SAMPLE, "ssthresh": wire.SSTHRESH_INFINITE}
    blind = moves((7, 2), cookie=3, flags=0)
    tracker.fold(frame(1, moves((7, 2), cookie=1, **known), moves((7, 2), cookie=2, **unknown), blind))
    rows = np.sort(tracker.view().connections, order="cookie")
    assert rows["rtt_us"][0] == 70
    assert rows["ssthresh"][0] == 20
    for name in ("rtt_us", "rttvar_us", "min_rtt_us", "ssthresh"):
        assert np.isnan(rows[name]).tolist() == [False, True, True], name
    assert np.isnan(rows["bytes_sent"]).tolist() == [False, False, True]
    assert np.isnan(rows["idle_ms"]).all()


def test_the_time_in_a_state() -> None:
    """Since it was entered; an ended connection's since it ended; unknown where nobody saw it begin."""
    tracker = Tracker(keep_closed=10)
    ends = moves((7, 2), (2, 7), cookie=2)
    tracker.fold(frame(5, moves((7, 2)), ends, snapshot=sockets({"state": 1, "cookie": 3})))
    rows = np.sort(tracker.view().connections, order="cookie")
    assert rows["state_ms"][:2].tolist() == [5000, 4999]
    assert rows["age_ms"][:2].tolist() == [5000, 1]
    assert np.isnan([rows["state_ms"][2], rows["age_ms"][2]]).all()


def test_the_end_of_a_time_wait_is_unknown() -> None:
    """A snapshot lacks it, so it is over; nobody saw when, so its time in CLOSE is none."""
    tracker = Tracker(keep_closed=10)
    ends = moves((7, 2), (2, 1), (1, 4), (4, 11), (11, 7))
    tracker.fold(frame(1, ends))
    tracker.fold(frame(2, snapshot=sockets()))
    (row,) = tracker.view().connections
    assert row["state"] == wire.CLOSE
    assert np.isnan(row["state_ms"])


def test_queues_come_from_the_newest_snapshot() -> None:
    """A connection that it does not show has none; a listener's idle time means nothing."""
    tracker = Tracker()
    shown = sockets(
        {"state": wire.ESTABLISHED, "send_queue": 5, "idle_ticks": 30},
        {"state": wire.LISTEN, "cookie": 2, "send_queue": 128, "recv_queue": 3, "idle_ticks": 30},
        {"state": wire.TIME_WAIT, "sort": wire.TIME_WAIT_SORT, "cookie": 3},
    )
    tracker.fold(frame(1, moves((7, 2), cookie=4), snapshot=shown))
    rows = np.sort(tracker.view().connections, order="cookie")
    assert rows["send_queue"][:2].tolist() == [5, 128]
    assert np.isnan(rows["send_queue"][2:]).all()
    assert rows["idle_ms"][0] == 30
    assert np.isnan(rows["idle_ms"][1:]).all()


def test_the_states_of_a_machine() -> None:
    """Live sockets by state; TIME_WAIT counts, what has ended does not."""
    tracker = Tracker(keep_closed=10)
    waits = {"state": wire.TIME_WAIT, "sort": wire.TIME_WAIT_SORT, "cookie": 9}
    tracker.fold(frame(1, moves((7, 2), (2, 7)), moves((7, 2), cookie=2), snapshot=sockets(waits)))
    counted = tracker.view().states
    assert {n: int(c) for n, c in enumerate(counted) if c} == {wire.SYN_SENT: 1, wire.TIME_WAIT: 1}


def at(seconds: float) -> Key:
    """The socket of `build`, at that moment."""
    return Key(1, 1, START_NS + int(seconds * SECOND_NS))


def calls(tracker: Tracker, *turns: int) -> None:
    """One each second: connected after a millisecond, seen at 0.4 s, over at 0.6 s."""
    for turn in turns:
        tracker.look_at(at(0))
        called = moves((7, 2), (2, 1), at=turn, rport=80 + turn)
        answered = sockets({"state": wire.ESTABLISHED, "cwnd": 10 + turn})
        tracker.fold(frame(turn + 0.5, called, snapshot=answered, begin=turn + 0.4))
        tracker.fold(frame(turn + 0.9, moves((1, 7), at=turn + 0.6, rport=80 + turn)))


def test_each_life_of_a_socket_has_details_of_its_own() -> None:
    """Whichever is the newest meanwhile; who asks for the socket gets that one, and the events of all."""
    tracker = Tracker(keep_closed=10, history_bytes=1 << 20, keep_events=100)
    calls(tracker, 0, 1, 2)
    for key, shown in ((at(0.6), [0]), (at(1), [1]), (at(1.6), [1]), (at(2.001), [2]), (Key(1, 1), [0, 1, 2])):
        tracker.look_at(key)
        focus = tracker.view().focus
        assert focus is not None
        assert focus.row["rport"] == 80 + shown[-1]
        assert focus.events["rport"].tolist() == [80 + n for n in shown for _ in range(3)]
        assert focus.samples["cwnd"].tolist() == [10 + n for n in shown]
    tracker.look_at(at(0.6))
    tracker.fold(frame(100, moves((7, 2), (2, 1), at=99)))
    tracker.fold(frame(200, snapshot=sockets({"state": wire.ESTABLISHED})))
    assert tracker.view().focus is None, "the life that was looked at is forgotten, and no other one is shown for it"


def test_details_do_not_depend_on_where_the_picture_begins() -> None:
    """In a recording one may come from anywhere: what is the third life of a socket there is the first one here."""
    whole, late = (Tracker(keep_closed=10, history_bytes=1 << 20, keep_events=100) for _ in range(2))
    calls(whole, 0, 1, 2)
    calls(late, 2)
    for tracker in (whole, late):
        tracker.look_at(at(2.6))
    one, other = (tracker.view().focus for tracker in (whole, late))
    assert one is not None
    assert other is not None
    assert one.row["rport"] == other.row["rport"] == 82
    assert one.events.tobytes() == other.events.tobytes() != b""


def test_a_call_in_vain_and_then_a_listener() -> None:
    """Of one socket. A listener was never opened, but began."""
    tracker = Tracker(keep_closed=10, history_bytes=1 << 20, keep_events=100)
    tracker.fold(frame(1, moves((7, 2), (2, 7)), moves((7, 10), at=0.5)))
    for key, states in ((at(0.001), [2, 7]), (at(0.5), [10])):
        tracker.look_at(key)
        focus = tracker.view().focus
        assert focus is not None
        assert focus.events["new_state"].tolist() == states


@pytest.mark.parametrize(("shown", "waiting"), [(True, 1), (False, 2)])
def test_a_time_wait_goes_with_its_namespace(shown: bool, waiting: int) -> None:
    """The newest snapshot lacks it, though nobody reads that namespace any more; what ended since then is there. Where
    snapshots have none at all, their lack says nothing."""
    tracker = Tracker(keep_closed=10, history_bytes=1 << 20)
    ends = ((7, 2), (2, 1), (1, 4), (4, 11), (11, 7))
    tracker.look_at(Key(2, 2))
    tracker.fold(frame(1, moves(*ends, cookie=2, netns=2), shows_time_wait=shown))
    assert tracker.view().states[wire.TIME_WAIT] == 1
    newer = moves(*ends, cookie=3, netns=2, at=1.5)
    tracker.fold(frame(2, newer, snapshot=sockets(), begin=1.2, netns=frozenset({1}), shows_time_wait=shown))
    view = tracker.view()
    assert view.states[wire.TIME_WAIT] == (view.connections["state"] == wire.TIME_WAIT).sum() == waiting
    assert view.focus is not None
    assert (view.focus.row["state"] == wire.TIME_WAIT) == (not shown)


def test_losses_are_said_by_kind_and_once() -> None:
    """The tallies are cumulative; a step says what is new."""
    tracker = Tracker()
    lost = []
    for counts in ((2, 0), (2, 5), (2, 5)):
        tally = np.zeros(len(wire.KINDS), wire.TALLY)
        tally["lost"][[wire.STATE, wire.RESET_SENT]] = counts
        lost.append(tracker.fold(frame(1, tally=tally)).lost[[wire.STATE, wire.RESET_SENT]].tolist())
    assert lost == [[2, 0], [0, 5], [0, 0]]


def test_the_pulse() -> None:
    """Each second by itself: NaN before the session, the running one left out, gaps 0, nothing older than that."""
    tracker = Tracker()
    tracker.fold(frame(0.5, moves((7, 2), (2, 1), cookie=1)))
    assert np.isnan(tracker.view().pulse.opened).all()
    tracker.fold(frame(3.5, moves((7, 2), (2, 1), cookie=2, at=3.1)))
    opened = tracker.view().pulse.opened
    assert len(opened) == PULSE_SECONDS
    assert np.isnan(opened[:-3]).all()
    assert opened[-3:].tolist() == [1, 0, 0]
    tracker.fold(frame(100, moves((7, 2), (2, 1), cookie=3, at=30), moves((7, 2), (2, 1), cookie=4, at=50)))
    assert np.flatnonzero(tracker.view().pulse.opened).tolist() == [10]


def test_the_pulse_of_a_clock_that_is_ahead() -> None:
    """An event from the future is not counted into a second that is long past."""
    tracker = Tracker()
    tracker.fold(frame(0.5))
    tracker.fold(frame(10.5, moves((7, 2), (2, 1), at=66.5)))
    assert np.nansum(tracker.view().pulse.opened) == 0


def test_a_failed_retransmission_is_none() -> None:
    """The hook reports attempts; one that did not leave is told by its errno. A SYN-ACK's count is cumulative."""
    tracker = Tracker()
    tracker.fold(frame(0.5))
    retransmit = event(wire.RETRANSMIT, wire.ESTABLISHED, count=3)
    failed = event(wire.RETRANSMIT, wire.ESTABLISHED, flags=wire.EVENT_SOCKET | wire.EVENT_REASON, reason=11)
    again = event(wire.SYNACK_RETRANSMIT, wire.SYN_RECV, cookie=2, flags=0, count=4)
    tracker.fold(frame(1.5, retransmit, failed, again))
    assert tracker.view().pulse.retransmits[-1] == 4


def test_the_first_sample_is_no_delta() -> None:
    """What a socket sent before we saw it was not sent now, whenever its namespace is found; what a connection sent
    from its beginning was."""
    tracker = Tracker()
    old = {"state": wire.ESTABLISHED, "segs_out": 1000}
    tracker.fold(frame(0.5, snapshot=sockets(old)))
    grown = sockets({**old, "segs_out": 1007}, {**old, "netns": 2})
    tracker.fold(frame(1.5, moves((7, 2), (2, 1), (1, 7), cookie=3, at=1, segs_out=5), snapshot=grown))
    tracker.fold(frame(2.5, snapshot=sockets({**old, "segs_out": 1007})))
    assert np.nansum(tracker.view().pulse.segments_out) == 7 + 5


def test_times_are_unix_times_where_it_says_so() -> None:
    """A view's own times, its path and its samples are moved by the host's offset."""
    view = looked_at().view()
    offset_ns = HOST.realtime_offset_ns
    assert view.time_ns == START_NS + 3 * SECOND_NS + offset_ns
    assert view.focus is not None
    assert view.focus.path[0] == ("SYN_SENT", START_NS + offset_ns, 1000)
    assert view.focus.samples["time_ns"].tolist() == [START_NS + SECOND_NS + offset_ns]


@pytest.mark.parametrize("hz", [0, 100, 1000])
def test_jiffies_need_the_machine_s_hz(hz: int) -> None:
    """Without it an idle time is unknown."""
    tracker = Tracker()
    shown = sockets({"state": wire.ESTABLISHED, "idle_ticks": 30})
    tracker.fold(replace(frame(1, snapshot=shown), host=replace(HOST, hz=hz)))
    (idle,) = tracker.view().connections["idle_ms"]
    assert idle == 30_000 / hz if hz else np.isnan(idle)


@pytest.mark.usefixtures("undisturbed")
def test_a_view_of_a_hundred_thousand_connections() -> None:
    """It is made on the session's thread once a second, so it may not take a good part of one."""
    tracker = Tracker()
    shown = np.zeros(100_000, wire.SOCKET)
    shown["cookie"], shown["netns"], shown["state"] = np.arange(1, 100_001), 1, wire.ESTABLISHED
    tracker.fold(frame(1, snapshot=shown))
    spent = []
    for _ in range(5):
        begin = time.thread_time()
        view = tracker.view()
        spent.append(time.thread_time() - begin)
    seconds = min(spent)
    print(f"a view of 100,000 connections: {seconds * 1000:.0f} ms")
    assert len(view.connections) == 100_000
    assert seconds < 1 * slowness()
