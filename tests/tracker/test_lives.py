"""Is each connection one life, whatever its address, cookie or timing?"""

from typing import Any

import numpy as np
import pytest

from tcpwatch import wire
from tcpwatch.rows import CLIENT, CLOSED, LET_GO, PATH, SERVER, TOLD, VANISHED
from tcpwatch.tracker.tracker import Tracker

from .build import CLIENT_LIFE, SERVER_LIFE, START_NS, event, frame, moves, owners, sockets

OPEN = {"state": wire.ESTABLISHED}
WAITING = {"sort": wire.TIME_WAIT_SORT, "state": wire.TIME_WAIT}
REQUEST = {"sort": wire.REQUEST, "state": wire.SYN_RECV, "since_ns": START_NS}


def states(row: np.void) -> list[int]:
    return [int(state) for state in row["path_state"][: row["path_len"]]]


def test_a_tuple_that_is_used_again() -> None:
    """Two sockets with the same addresses and ports, one after the other, are two lives."""
    tracker = Tracker()
    step = tracker.fold(frame(1, moves(*CLIENT_LIFE, cookie=1), moves(*CLIENT_LIFE, cookie=2)))
    assert sorted(step.lives["cookie"]) == [1, 2]


def test_a_cookie_in_two_namespaces() -> None:
    """A cookie names a socket only together with its namespace."""
    tracker = Tracker()
    both = [moves((7, 2), (2, 1), netns=1), moves((7, 2), netns=2)]
    step = tracker.fold(frame(1, *both))
    assert step.table["state"][step.rows].tolist() == [wire.ESTABLISHED, wire.ESTABLISHED, wire.SYN_SENT]


def test_a_socket_that_connects_again_in_one_batch() -> None:
    """Each refused connect() on one socket is a life of its own, numbered by turn."""
    step = Tracker().fold(frame(1, *(moves((7, 2), (2, 7), at=n / 10) for n in range(5))))
    assert step.lives["turn"].tolist() == [0, 1, 2, 3, 4]
    assert (step.lives["closed_ns"] - step.lives["opened_ns"] == 1_000_000).all()


def test_a_connect_whose_end_was_lost() -> None:
    """The next connect() of the socket shows that the one before is over; nobody knows since when."""
    tracker = Tracker()
    tracker.fold(frame(1, moves((7, 2))))
    step = tracker.fold(frame(2, moves((7, 2), at=1)))
    (life,) = step.lives
    assert life["flags"] & VANISHED
    assert life["closed_ns"] == 0
    assert len(tracker.table) == 2


def test_a_close_that_comes_after_the_socket_was_thought_gone() -> None:
    """No line is ever given back twice: what follows an end is another life."""
    tracker = Tracker()
    tracker.fold(frame(1, snapshot=sockets(OPEN)))
    for end in (2, 3):
        tracker.fold(frame(end, snapshot=sockets()))
    tracker.fold(frame(4, moves((1, 7), at=3.5)))
    for end in (7, 10, 13):
        tracker.fold(frame(end))
    assert len(tracker.table) == 0
    tracker.fold(frame(14, moves((7, 2), cookie=8, at=13), moves((7, 2), cookie=9, at=13)))
    assert sorted(tracker.view().connections["cookie"]) == [8, 9]


def test_states_that_were_lost() -> None:
    """A break in the chain is filled with the state that must have been there, entered nobody knows when."""
    (life,) = Tracker().fold(frame(1, moves((7, 2), (1, 4), (5, 7)))).lives
    assert states(life) == [wire.SYN_SENT, wire.ESTABLISHED, wire.FIN_WAIT1, wire.FIN_WAIT2]
    assert (life["path_ns"][:4] == 0).tolist() == [False, True, False, True]


def test_more_states_than_a_path_holds() -> None:
    """What does not fit replaces the last, and nothing behind the path is touched."""
    absurd = [(n % 5 + 1, (n + 1) % 5 + 1) for n in range(4 * PATH)]
    step = Tracker().fold(frame(1, moves(*absurd, (absurd[-1][1], 7), lport=4242)))
    assert step.lives["path_len"].tolist() == [PATH]
    assert states(step.lives[0])[-1] == absurd[-1][1]
    assert step.lives["lport"].tolist() == [4242]


@pytest.mark.parametrize("cut", range(1, 5))
def test_a_life_cut_between_two_frames(cut: int) -> None:
    """Where a batch ends means nothing."""
    whole = moves(*CLIENT_LIFE)
    tracker = Tracker()
    assert len(tracker.fold(frame(1, whole[:cut])).lives) == 0
    (life,) = tracker.fold(frame(2, whole[cut:])).lives
    (other,) = Tracker().fold(frame(2, whole)).lives
    assert life == other


def test_a_handshake_is_measured_where_it_can_be() -> None:
    """A client's from SYN_SENT to ESTABLISHED; a server's by the round trip of its SYN-ACK, as SYN_RECV to ESTABLISHED
    is microseconds; and by the request socket's own clock where a SYN-ACK was repeated."""
    client = moves((7, 2), (2, 1), cookie=1)
    server = moves((3, 1), cookie=2, srtt_us=40_000)
    repeated = event(wire.SYNACK_RETRANSMIT, wire.SYN_RECV, cookie=3, flags=0, since_ns=START_NS - 10**9)
    child = moves((3, 1), cookie=3, srtt_us=40_000, retrans=1)
    table = Tracker().fold(frame(1, client, server, repeated, child)).table
    rows = table[np.argsort(table["cookie"])][-3:]
    assert ((rows["established_ns"] - rows["opened_ns"]) // 1_000_000).tolist() == [1, 40, 1000]
    assert rows["role"].tolist() == [CLIENT, SERVER, SERVER]


def test_a_round_trip_longer_than_the_clock() -> None:
    """Times never wrap: an opening before the machine's start is unknown."""
    events = moves((3, 1), srtt_us=40_000)
    events["time_ns"] = 5
    step = Tracker().fold(frame(1, events))
    assert step.table["opened_ns"][step.rows].tolist() == [5]


def test_time_wait_outlives_the_socket() -> None:
    """CLOSE after both FINs is not the end of the port's use: it is TIME_WAIT until a snapshot no longer shows it."""
    tracker = Tracker()
    ends = moves(*CLIENT_LIFE)
    ends["flags"][-1] |= wire.EVENT_FIN_RECEIVED
    tracker.fold(frame(1, ends))
    for end in (2, 5, 30):
        tracker.fold(frame(end, snapshot=sockets(WAITING)))
        (row,) = tracker.view().connections
        assert row["state"] == wire.TIME_WAIT
    tracker.fold(frame(61, snapshot=sockets()))
    assert len(tracker.table) == 0


@pytest.mark.parametrize("cut", [False, True])
def test_an_abort_leaves_no_time_wait(cut: bool) -> None:
    """close() with data unread closes first and sends its reset after: the same life, in one frame or in two."""
    ends = moves((7, 2), (2, 1), (1, 4), (4, 11), (11, 7))
    reset = event(wire.RESET_SENT, wire.CLOSE, at=0.01)
    tracker = Tracker()
    for batch in ([ends], [reset]) if cut else ([ends, reset],):
        tracker.fold(frame(1, *batch))
    (row,) = tracker.view().connections
    assert row["state"] == wire.CLOSE
    assert states(tracker.table.rows[tracker.table.live()[0]])[-1] == wire.CLOSING


def test_a_reset_in_the_handshake_is_no_abort() -> None:
    """A stray segment answered in SYN_SENT says nothing of how the connection ends."""
    begin, end = moves((7, 2)), moves((2, 1), (1, 4), (4, 11), (11, 7), at=0.1)
    tracker = Tracker()
    tracker.fold(frame(1, begin, event(wire.RESET_SENT, wire.SYN_SENT, at=0.05), end))
    assert tracker.view().connections["state"].tolist() == [wire.TIME_WAIT]


def test_a_reset_for_no_socket_opens_nothing() -> None:
    """A closed port, a forgotten TIME_WAIT and a second close are no connections."""
    tracker = Tracker()
    small = event(wire.RESET_SENT, wire.CLOSE, flags=wire.EVENT_REASON)
    step = tracker.fold(frame(1, small, event(wire.RESET_SENT, wire.CLOSE, cookie=0), moves((7, 7), cookie=4)))
    assert step.rows.tolist() == [-1, -1, -1]
    assert len(tracker.table) == 0


def test_an_older_snapshot_undoes_nothing() -> None:
    """A row read before an event that is known already is left aside, whatever it says."""
    tracker = Tracker()
    tracker.fold(frame(1, moves((7, 2), (2, 1))))
    tracker.fold(frame(3, moves((1, 7), at=2.5, bytes_sent=9), snapshot=sockets({**OPEN, "bytes_sent": 5}), begin=2.4))
    row = tracker.table.rows[tracker.table.live()[0]]
    assert row["flags"] & CLOSED
    assert row["bytes_sent"] == 9


def test_a_close_that_was_lost() -> None:
    """A socket that two snapshots do not show has ended, and is told once; one miss is the iterator's."""
    tracker = Tracker()
    told = []
    for end, shown in enumerate(([OPEN], [], [OPEN], [], [], [])):
        told.append(len(tracker.fold(frame(end + 1, snapshot=sockets(*shown))).lives))
    assert told == [0, 0, 0, 0, 1, 0]


def test_a_close_that_was_lost_but_left_a_time_wait() -> None:
    """The small socket says at once that the full one has ended."""
    tracker = Tracker()
    tracker.fold(frame(1, snapshot=sockets(OPEN)))
    (life,) = tracker.fold(frame(2, snapshot=sockets(WAITING))).lives
    assert life["flags"] & VANISHED
    assert tracker.view().connections["state"].tolist() == [wire.TIME_WAIT]


def test_a_socket_of_its_own_time_wait() -> None:
    """A socket that connects again while its first connection waits is shown as what it is now, in either order."""
    for shown in ((OPEN, WAITING), (WAITING, OPEN)):
        tracker = Tracker()
        tracker.fold(frame(1, snapshot=sockets(*shown)))
        assert tracker.view().connections["state"].tolist() == [wire.ESTABLISHED]


def test_half_open_connections_that_come_to_nothing() -> None:
    """They are seen while they last, and are nobody's life."""
    tracker = Tracker()
    assert len(tracker.fold(frame(1, snapshot=sockets(REQUEST))).lives) == 0
    assert tracker.view().connections["state"].tolist() == [wire.SYN_RECV]
    assert [len(tracker.fold(frame(end, snapshot=sockets())).lives) for end in (2, 3)] == [0, 0]
    assert len(tracker.table) == 0


def test_listeners_are_nobody_s_life() -> None:
    """They are in the table while they listen, and their end is not told."""
    tracker = Tracker()
    tracker.fold(frame(1, moves((7, 10))))
    assert tracker.view().connections["state"].tolist() == [wire.LISTEN]
    assert len(tracker.fold(frame(2, moves((10, 7), at=1.5))).lives) == 0


def test_sockets_that_only_wait() -> None:
    """A TIME_WAIT from before we came is shown, is not told, and goes with the snapshot that lacks it."""
    tracker = Tracker()
    assert len(tracker.fold(frame(1, snapshot=sockets(WAITING))).lives) == 0
    assert tracker.view().connections["flags"].tolist() == [CLOSED | TOLD | LET_GO]
    tracker.fold(frame(2, snapshot=sockets()))
    assert len(tracker.table) == 0


def test_a_namespace_that_is_not_read() -> None:
    """Its sockets are absent, not gone; but after three minutes the namespace itself is."""
    tracker = Tracker()
    tracker.fold(frame(1, snapshot=sockets(OPEN, {**WAITING, "cookie": 2}), netns=frozenset({1})))
    elsewhere: dict[str, Any] = {"snapshot": sockets(), "netns": frozenset({2})}
    for end in (60, 120, 180):
        assert len(tracker.fold(frame(end, **elsewhere)).lives) == 0
    assert len(tracker.table) == 2
    assert len(tracker.fold(frame(190, **elsewhere)).lives) == 1
    for end in (250, 320):
        tracker.fold(frame(end, **elsewhere))
    assert len(tracker.table) == 0


def test_without_snapshots_nothing_waits_for_one_for_ever() -> None:
    """TIME_WAIT and half-open lines go by age where the kernel has no iterator."""
    tracker = Tracker()
    ends = moves(*CLIENT_LIFE)
    ends["flags"][-1] |= wire.EVENT_FIN_RECEIVED
    tracker.fold(frame(1, ends, event(wire.SYNACK_RETRANSMIT, wire.SYN_RECV, cookie=2, flags=0)))
    for end in (10, 100, 200, 300):
        tracker.fold(frame(end))
    assert len(tracker.table) == 0


def test_a_step_names_only_lines_that_stand() -> None:
    """What a frame's events name is not given back in that frame, even if its snapshot lacks it."""
    tracker = Tracker()
    tracker.fold(frame(1, snapshot=sockets(REQUEST)))
    tracker.fold(frame(2, snapshot=sockets()))
    again = event(wire.SYNACK_RETRANSMIT, wire.SYN_RECV, at=2.5, flags=0)
    step = tracker.fold(frame(3, again, snapshot=sockets()))
    assert step.table["cookie"][step.rows].tolist() == [1]


def test_a_gap_between_frames() -> None:
    """A server's life that waits for its process is told though the next frame comes late."""
    tracker = Tracker()
    assert len(tracker.fold(frame(1, moves(*SERVER_LIFE, at=0.9))).lives) == 0
    (life,) = tracker.fold(frame(50)).lives
    assert life["cookie"] == 1


def test_the_youngest_process_owns() -> None:
    """A server that forks keeps the parent's copy of the descriptor only for a moment."""
    tracker = Tracker()
    holders = owners({"pid": 10, "start_ns": 5}, {"pid": 11, "start_ns": 9}, {"pid": 12, "start_ns": 7})
    tracker.fold(frame(1, snapshot=sockets(OPEN), owners=holders))
    assert tracker.view().connections["pid"].tolist() == [11]


def test_ghosts_are_laid() -> None:
    """Its end was lost and no snapshot reads its namespace: nothing stays in SYN_SENT for three minutes unheard of."""
    tracker = Tracker()
    tracker.fold(frame(1, moves((7, 2), netns=77, at=0.5)))
    lives = [life for second in range(2, 300, 5) for life in tracker.fold(frame(second)).lives]
    assert [(life["netns"], life["closed_ns"]) for life in lives] == [(77, 0)]
    assert len(tracker.table) == 0


def test_the_process_that_listens_is_not_blamed() -> None:
    """A child may have accepted the connection and be gone: better no process than the wrong one."""
    tracker = Tracker()
    listening = {"state": wire.LISTEN, "lport": 80}
    tracker.fold(frame(1, snapshot=sockets(listening), owners=owners({"pid": 10})))
    tracker.fold(frame(2, moves(*SERVER_LIFE, cookie=2, lport=80, at=1.5)))
    assert tracker.fold(frame(3)).lives["pid"].tolist() == [0]


def test_a_connection_that_a_reset_ended_belongs_to_who_closes_it() -> None:
    """Its life waits a moment for that, and the event itself is shown to nobody."""
    tracker = Tracker(keep_events=10)
    assert len(tracker.fold(frame(1, moves(*SERVER_LIFE, at=0.9))).lives) == 0
    step = tracker.fold(frame(1.1, event(wire.RELEASED, wire.CLOSE, at=1.05, pid=7, comm=b"me")))
    assert [(life["pid"], life["comm"]) for life in step.lives] == [(7, b"me")]
    assert len(step.frame.events) == len(step.rows) == 0
    assert wire.RELEASED not in tracker.view().events["kind"]


def test_the_last_frame_leaves_nothing_untold() -> None:
    """There is nothing more to wait for."""
    tracker = Tracker()
    assert len(tracker.fold(frame(1, moves(*SERVER_LIFE, at=0.9), final=True)).lives) == 1


def test_the_opener_stays_the_owner() -> None:
    """Who closes may be another process, in the same batch or later."""
    for cut in (True, False):
        tracker = Tracker()
        opens, closes = moves((7, 2), pid=5, comm=b"a"), moves((2, 1), (1, 4), at=0.1, pid=6, comm=b"b")
        for batch in ([opens], [closes]) if cut else ([opens, closes],):
            step = tracker.fold(frame(1, *batch))
        assert set(step.table["pid"][step.rows].tolist()) == {5}


def test_counters_come_from_the_newest_event_that_has_them() -> None:
    """A later event about a small socket tells nothing of bytes, and a congestion event is ahead of the field."""
    tracker = Tracker()
    tracker.fold(
        frame(
            1,
            moves((7, 2), (2, 1), bytes_sent=7),
            event(wire.CONGESTION, wire.ESTABLISHED, at=0.1, bytes_sent=9, reason=4),
            event(wire.RESET_SENT, wire.CLOSE, at=0.2, flags=wire.EVENT_REASON),
        )
    )
    row = tracker.table.rows[tracker.table.live()[0]]
    assert (row["bytes_sent"], row["ca_state"], row["resets_sent"]) == (9, 4, 1)


def test_a_socket_that_is_let_go_tells_only_whose_it_was() -> None:
    """tcp_disconnect() has wiped the peer's port and the counters by then."""
    tracker = Tracker()
    ends = moves((3, 1), (1, 7), bytes_sent=9, rport=80)
    tracker.fold(frame(1, ends, event(wire.RELEASED, wire.CLOSE, at=0.1, pid=7, comm=b"me", lport=0)))
    row = tracker.table.rows[tracker.table.live()[0]]
    assert (row["rport"], row["lport"], row["bytes_sent"], row["pid"], row["comm"]) == (80, 5000, 9, 7, b"me")


def test_of_several_that_act_the_first_is_the_owner() -> None:
    """Where the opener is unknown, and in one batch as in two."""
    tracker = Tracker()
    step = tracker.fold(frame(1, moves((1, 8), pid=5), moves((8, 9), at=0.1, pid=6)))
    assert set(step.table["pid"][step.rows].tolist()) == {5}


def test_a_socket_goes_on_in_its_newest_turn() -> None:
    """After several connections in one batch the next event belongs to the last."""
    tracker = Tracker()
    tracker.fold(frame(1, moves((7, 2), (2, 7), (7, 2), (2, 7), (7, 2))))
    step = tracker.fold(frame(1.5, moves((2, 1), at=1.2)))
    assert step.table["turn"][step.rows].tolist() == [2]
    assert len(tracker.table) == 3


def test_many_resets_do_not_wrap() -> None:
    """A counter of one byte stays at its highest."""
    resets = [event(wire.RESET_RECEIVED, wire.ESTABLISHED, at=n / 1000) for n in range(300)]
    step = Tracker().fold(frame(1, *resets))
    assert set(step.table["resets_received"][step.rows].tolist()) == {255}
