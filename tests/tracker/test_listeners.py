"""What listeners turned away: whose it was, that nothing is told twice or lost, and what is made of it."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcpwatch import rows as shapes
from tcpwatch import wire
from tcpwatch.counters import COUNTS
from tcpwatch.frame import Frame, Probe, Snapshot
from tcpwatch.rows import ACCEPT_QUEUE_FULL, FINE, FLOOD, HINTS, LOAD, SLOW_ACCEPT, SYN_QUEUE_FULL, UNSURE
from tcpwatch.tracker.hints import advice, sentence
from tcpwatch.tracker.tracker import Tracker
from tcpwatch.tracker.view import View

from .build import START_NS, fill, moves
from .machine import HOST, SECOND_NS

V4 = b"\0" * 10 + b"\xff\xff"
SERVER, OTHER, CLIENT = (list(V4 + bytes((10, 0, 0, n))) for n in (1, 2, 9))
WILD, WILD_V6 = list(V4 + bytes(4)), [0] * 16
LISTEN_KINDS = (wire.LISTEN_DROP, wire.LISTEN_OVERFLOW, wire.COOKIE_SENT, wire.COOKIE_ACCEPTED, wire.COOKIE_REJECTED)


def listener(cookie: int = 1, **fields: Any) -> dict[str, Any]:
    usual = {"state": wire.LISTEN, "laddr": SERVER, "lport": 80 + cookie - 1, "family": wire.INET, "send_queue": 8}
    return {"cookie": cookie, "netns": 1, **usual, **fields}


class Clock:
    """A tracker that is given a snapshot a second. hooked: functions are, so that cookies are told of one by one."""

    def __init__(self, hooked: bool = False) -> None:
        self.probes = (Probe("tcp_make_synack", "fentry", "SYN cookies", hooked),)
        self.tracker = Tracker(history_bytes=1 << 20, keep_events=1000)
        self.second = 0
        self.counts: dict[str, int] = {}  # besides drops, of `refuse`

    def look(
        self, *sockets: dict[str, Any], events: np.ndarray | None = None, netns: int = 1, **counts: int
    ) -> np.ndarray:
        """What the tracker tells of listeners. counts: the namespace's, as they are now."""
        self.second += 1
        now_ns = START_NS + self.second * SECOND_NS
        counted = fill(COUNTS, [counts], netns=netns)
        taken = Snapshot(now_ns, now_ns + 1000, fill(wire.SOCKET, list(sockets)), frozenset({netns}), counted)
        happened = np.empty(0, wire.EVENT) if events is None else events
        step = self.tracker.fold(Frame(now_ns, now_ns + 2000, HOST, happened, taken, probes=self.probes))
        assert len(step.rows) == len(step.frame.events)
        return step.frame.events[np.isin(step.frame.events["kind"], LISTEN_KINDS)]

    def view(self) -> View:
        return self.tracker.view()

    def hint(self) -> tuple[int, str]:
        seen = self.view().listening
        return int(seen.rows["hint"][0]), sentence(seen.rows[0], seen.times_ns, seen.points[0])


def told(events: np.ndarray) -> list[tuple[str, int, int]]:
    """(kind, cookie, count), sorted."""
    return sorted((wire.KINDS[e["kind"]], int(e["cookie"]), int(e["count"])) for e in events)


def by_cookie(view: View, field: str) -> dict[int, float]:
    rows = view.listening.rows
    return dict(zip(rows["cookie"].tolist(), rows[field].tolist()))


def birth(cookie: int = 1) -> np.ndarray:
    return moves((wire.CLOSE, wire.LISTEN), at=0.5, cookie=cookie, lport=80)


def test_a_first_look_tells_of_listeners_whose_birth_was_seen() -> None:
    """All that the namespace ever dropped was theirs, so it was dropped before our eyes."""
    clock = Clock()
    seen = told(clock.look(listener(drops=5), events=birth(), listen_drops=5, listen_overflows=3, cookies_sent=9))
    assert seen == [("listen_drop", 1, 5), ("listen_overflow", 1, 3)]
    assert told(clock.look(listener(drops=6), listen_drops=6, listen_overflows=3, cookies_sent=9)) == [
        ("listen_drop", 1, 1)
    ]


def test_a_first_look_is_silent_where_others_may_have_dropped_before() -> None:
    """One more than those listeners have: of it, and so of all the rest, nobody knows when it was."""
    clock = Clock()
    assert told(clock.look(listener(drops=5), events=birth(), listen_drops=6, listen_overflows=3)) == []


def test_the_first_look_tells_nothing() -> None:
    """What was dropped before the session is no event of it; the socket's own count is shown all the same."""
    clock = Clock()
    assert told(clock.look(listener(drops=50), listen_drops=70, listen_overflows=70)) == []
    assert told(clock.look(listener(drops=50), listen_drops=70, listen_overflows=70)) == []
    seen = clock.view().listening.rows
    assert (seen["drops"].tolist(), seen["overflows"].tolist()) == ([50], [0])


def test_drops_are_each_listener_s_own() -> None:
    """Also of one that did not listen before; its count began with it."""
    clock = Clock()
    clock.look(listener(1, drops=5), listen_drops=5)
    events = clock.look(listener(1, drops=8), listener(2, drops=4), listen_drops=12)
    assert told(events) == [("listen_drop", 1, 3), ("listen_drop", 2, 4)]
    first = events[events["cookie"] == 1][0]
    assert first["laddr"].tolist() == SERVER
    assert (first["lport"], first["netns"], first["family"]) == (80, 1, wire.INET)
    assert (first["old_state"], first["new_state"]) == (wire.LISTEN, wire.LISTEN)


def test_what_a_closed_listener_dropped_is_nobody_s() -> None:
    """It is told one look later: until then it might have been a listener's that was read too early."""
    clock = Clock()
    clock.look(listener(1), listener(2))
    assert told(clock.look(listener(1, drops=1), listen_drops=10)) == [("listen_drop", 1, 1)]
    events = clock.look(listener(1, drops=1), listen_drops=10)
    assert told(events) == [("listen_drop", 0, 9)]
    assert (events["family"][0], events["lport"][0], events["laddr"][0].any()) == (0, 0, False)


def test_a_counter_read_after_the_socket_is_no_stranger() -> None:
    """Three more were dropped between the two readings: next time they are the listener's."""
    clock = Clock()
    clock.look(listener())
    assert told(clock.look(listener(drops=10), listen_drops=13)) == [("listen_drop", 1, 10)]
    assert told(clock.look(listener(drops=13), listen_drops=13)) == [("listen_drop", 1, 3)]


def test_stray_segments_are_no_listen_drops() -> None:
    """A socket counts resets that came for it, too; the namespace does not."""
    clock = Clock()
    clock.look(listener(1), listener(2))
    assert told(clock.look(listener(1, drops=5), listener(2))) == []
    assert told(clock.look(listener(1, drops=8), listener(2), listen_drops=2)) == [("listen_drop", 1, 2)]
    both = clock.look(listener(1, drops=11), listener(2, drops=9), listen_drops=12)
    assert told(both) == [("listen_drop", 0, 2), ("listen_drop", 1, 1), ("listen_drop", 2, 7)]


def test_drops_do_not_imply_an_overflow() -> None:
    """Only ListenOverflows does, though the queue be full."""
    clock = Clock()
    clock.look(listener(recv_queue=9))
    assert told(clock.look(listener(recv_queue=9, drops=4), listen_drops=4)) == [("listen_drop", 1, 4)]
    both = clock.look(listener(recv_queue=9, drops=7), listen_drops=7, listen_overflows=2)
    assert told(both) == [("listen_drop", 1, 3), ("listen_overflow", 1, 2)]


def test_overflows_go_to_the_one_that_is_full() -> None:
    """Where two are, to nobody."""
    clock = Clock()
    clock.look(listener(1), listener(2))
    one = clock.look(listener(1, drops=2, recv_queue=9), listener(2, drops=2), listen_drops=4, listen_overflows=2)
    assert ("listen_overflow", 1, 2) in told(one)
    full = [listener(n, drops=4, recv_queue=9) for n in (1, 2)]
    two = clock.look(*full, listen_drops=8, listen_overflows=6)
    assert ("listen_overflow", 0, 4) in told(two)


def test_cookies_go_to_the_one_whose_syn_queue_overflowed() -> None:
    """The kernel notes when, once a second at most; for two minutes cookies are taken back."""
    clock, hz = Clock(), HOST.hz
    clock.look(listener(1), listener(2))
    first = clock.look(listener(1, overflow_ticks=hz // 2), listener(2), cookies_sent=100)
    assert told(first) == [("syn_cookie_sent", 1, 100)]
    later = clock.look(
        listener(1, overflow_ticks=hz * 90),
        listener(2, overflow_ticks=hz // 2),
        cookies_sent=150,
        cookies_accepted=3,
        cookies_rejected=1,
    )
    assert told(later) == [("syn_cookie_accepted", 0, 3), ("syn_cookie_rejected", 0, 1), ("syn_cookie_sent", 2, 50)]
    assert by_cookie(clock.view(), "cookies_sent") == {1: 100, 2: 50}
    assert by_cookie(clock.view(), "cookies_accepted") == {1: 0, 2: 0}


def cookies(clock: Clock, *kinds: int, cookie: int = 1, late: bool = False) -> np.ndarray:
    """What hooks tell in the next look, each from a client of its own. late: after the counters are read."""
    time_ns = START_NS + (clock.second + 1) * SECOND_NS + (1500 if late else -1500)
    usual = {"cookie": cookie, "netns": 1, "laddr": SERVER, "lport": 79 + cookie, "raddr": CLIENT, "family": wire.INET}
    state = {"old_state": wire.LISTEN, "new_state": wire.LISTEN, "count": 1, "time_ns": time_ns}
    return fill(wire.EVENT, [{**usual, **state, "rport": 5000 + i, "kind": kind} for i, kind in enumerate(kinds)])


def test_cookies_that_hooks_told_of_are_not_told_again() -> None:
    """Each with its peer, at its listener, which counts them; nothing is left for the counters to tell."""
    clock = Clock(hooked=True)
    clock.look(listener(1), listener(2))
    kinds = (wire.COOKIE_SENT, wire.COOKIE_SENT, wire.COOKIE_ACCEPTED, wire.COOKIE_REJECTED)
    counts: dict[str, Any] = {"cookies_sent": 2, "cookies_accepted": 1, "cookies_rejected": 1}
    events = clock.look(listener(1), listener(2), events=cookies(clock, *kinds, cookie=2), **counts)
    assert [(e["kind"], e["cookie"], e["rport"], e["count"]) for e in events] == [
        (kind, 2, 5000 + i, 1) for i, kind in enumerate(kinds)
    ]
    assert told(clock.look(listener(1), listener(2), **counts)) == []
    assert told(clock.look(listener(1), listener(2), **counts)) == []
    assert by_cookie(clock.view(), "cookies_sent") == {1: 0, 2: 2}
    assert by_cookie(clock.view(), "cookies_accepted") == {1: 0, 2: 1}


def test_cookies_too_many_to_be_told_of_are_counted() -> None:
    """A look later, as a counter may be ahead of its record; at the listener that hooks named, whoever overflowed."""
    clock, overflow = Clock(hooked=True), {"overflow_ticks": 1}
    clock.look(listener(1, **overflow), listener(2, **overflow))
    sent = cookies(clock, wire.COOKIE_SENT, cookie=2)
    assert told(clock.look(listener(1, **overflow), listener(2, **overflow), events=sent, cookies_sent=100)) == [
        ("syn_cookie_sent", 2, 1)
    ]
    assert told(clock.look(listener(1), listener(2), cookies_sent=100)) == [("syn_cookie_sent", 2, 99)]
    assert by_cookie(clock.view(), "cookies_sent") == {1: 0, 2: 100}


def test_cookies_before_the_first_look_are_no_debt() -> None:
    """The counters' first reading holds them already; what comes after it, though in the same frame, it does not."""
    clock = Clock(hooked=True)
    early, late = cookies(clock, wire.COOKIE_SENT), cookies(clock, wire.COOKIE_SENT, late=True)
    clock.look(listener(), events=np.concatenate([early, late]), cookies_sent=7)
    assert told(clock.look(listener(), cookies_sent=8)) == []
    assert told(clock.look(listener(), cookies_sent=10)) == []
    assert told(clock.look(listener(), cookies_sent=10)) == [("syn_cookie_sent", 0, 2)]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 3)), min_size=1, max_size=8))
def test_what_hooks_and_counters_tell_adds_up(rounds: list[tuple[int, int, int]]) -> None:
    """rounds: cookies told of, left to the counters, and told of only after the counters were read. However they mix:
    no cookie too many, none too few."""
    clock = Clock(hooked=True)
    clock.look(listener())
    counted = heard = held_back = 0
    for now, silent, later in (*rounds, (0, 0, 0), (0, 0, 0)):
        events = [cookies(clock, *[wire.COOKIE_SENT] * (now + held_back))]
        held_back = later // 2  # these tell of themselves in the next frame only, those in this one
        events.append(cookies(clock, *[wire.COOKIE_SENT] * (later - held_back), late=True))
        counted += now + silent + later
        heard += sum(
            int(e["count"]) for e in clock.look(listener(), events=np.concatenate(events), cookies_sent=counted)
        )
        assert heard <= counted
    assert heard == counted


def test_two_namespaces_do_not_mix() -> None:
    """Both may hold a socket of that number."""
    clock = Clock()
    clock.look(listener(drops=1), listen_drops=1)
    assert told(clock.look(listener(netns=2, drops=9), netns=2, listen_drops=9)) == []
    assert told(clock.look(listener(netns=2, drops=12), netns=2, listen_drops=12)) == [("listen_drop", 1, 3)]


def test_a_namespace_that_comes_back_begins_anew() -> None:
    """Its number has been given to another one, whose counters are lower."""
    clock = Clock()
    clock.look(listener(), listen_drops=1000)
    assert told(clock.look(listener(), listen_drops=3)) == []
    assert told(clock.look(listener(drops=2), listen_drops=5)) == [("listen_drop", 1, 2)]


def test_the_end_of_a_session_tells_what_was_held_back() -> None:
    """Nothing more will come that it could be compared with."""
    clock = Clock()
    clock.look(listener())
    assert told(clock.look(listener(drops=10), listen_drops=13)) == [("listen_drop", 1, 10)]
    now_ns = START_NS + 10 * SECOND_NS
    step = clock.tracker.fold(Frame(now_ns, now_ns + 1, HOST, final=True))
    assert told(step.frame.events) == [("listen_drop", 0, 3)]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_what_is_told_adds_up(data: st.DataObject) -> None:
    """Whatever the sockets counted, and however late or early they were read: no event too many, none too few."""
    clock = Clock()
    count = data.draw(st.integers(1, 4))
    drops, totals = [0] * count, dict.fromkeys(("listen_drops", "listen_overflows", "cookies_sent"), 0)
    clock.look(*(listener(i + 1) for i in range(count)))
    heard = dict.fromkeys(("listen_drop", "listen_overflow", "syn_cookie_sent"), 0)
    for _ in range(data.draw(st.integers(1, 8))):
        drops = [had + data.draw(st.integers(0, 5)) for had in drops]
        totals = {name: had + data.draw(st.integers(0, 9)) for name, had in totals.items()}
        full = [data.draw(st.integers(7, 9)) for _ in range(count)]
        ticks = [data.draw(st.sampled_from((0, 1, HOST.hz * 3))) for _ in range(count)]
        seen = [
            listener(i + 1, drops=drops[i], recv_queue=full[i], overflow_ticks=ticks[i])
            for i in range(count)
            if data.draw(st.integers(0, 9))
        ]
        for kind, _, amount in told(clock.look(*seen, events=None, netns=1, **totals)):
            heard[kind] += amount
        assert all(said <= had for said, had in zip(heard.values(), totals.values()))
    now_ns = START_NS + 100 * SECOND_NS
    for kind, _, amount in told(clock.tracker.fold(Frame(now_ns, now_ns, HOST, final=True)).frame.events):
        heard[kind] += amount
    assert list(heard.values()) == list(totals.values())


def born(count: int, port: int, laddr: list[int], first: int = 100, **more: Any) -> np.ndarray:
    """Children of a listener."""
    at: dict[str, Any] = {"laddr": laddr, "lport": port, "family": wire.INET, **more}
    made = [moves((wire.SYN_RECV, wire.ESTABLISHED), cookie=first + i, **at) for i in range(count)]
    return np.concatenate(made)


def test_accepts_are_counted_by_port_and_address() -> None:
    """A wildcard takes what no address takes; two sockets on one address share, and nobody knows how."""
    clock = Clock()
    wild, own = listener(1, laddr=WILD, lport=80), listener(2, laddr=SERVER, lport=80)
    twins = [listener(n, lport=443) for n in (3, 4)]
    alone = listener(5, lport=25)
    clock.look(wild, own, *twins, alone)
    events = [born(7, 80, OTHER), born(5, 80, SERVER, 200), born(9, 443, SERVER, 300), born(3, 25, SERVER, 400)]
    clock.look(wild, own, *twins, alone, events=np.concatenate(events))
    expected = {1: 7, 2: 5, 3: np.nan, 4: np.nan, 5: 3}
    assert by_cookie(clock.view(), "accepts_s") == pytest.approx(expected, nan_ok=True)


def test_the_picture_of_a_listener() -> None:
    """Its queues, limits and owner, its place among the connections, and one point for each look."""
    clock = Clock()
    clock.look(listener(half_open=3, half_open_young=2, recv_queue=1))
    clock.look(listener(half_open=5, half_open_young=1, recv_queue=4, drops=2), listen_drops=2)
    view = clock.view()
    (row,) = view.listening.rows
    names = ("accept_queue", "accept_limit", "half_open", "half_open_young", "syn_limit", "drops", "drops_lately")
    assert [row[name] for name in names] == [4, 8, 5, 1, 8, 2, 2]
    assert view.connections["cookie"][row["at"]] == 1
    assert view.listening.of(int(row["at"])) == 0
    assert view.listening.points["accept_queue"].tolist() == [[1, 4]]
    assert np.isnan(view.listening.points["drops"][0, 0])
    assert not view.listening.rows.flags.writeable
    assert np.diff(view.listening.times_ns.astype(np.int64)).tolist() == [SECOND_NS]


def test_listeners_that_are_gone_are_forgotten() -> None:
    """One look without it may be the kernel's fault. History follows those that stay, and does not grow for ever."""
    clock = Clock()
    clock.look(listener(1, recv_queue=1), listener(2, recv_queue=2))
    clock.look(listener(2, recv_queue=3))
    assert clock.tracker.listeners.known["cookie"].tolist() == [2, 1]
    clock.look(listener(2, recv_queue=4))
    assert clock.tracker.listeners.known["cookie"].tolist() == [2]
    assert clock.view().listening.points["accept_queue"].tolist() == [[2, 3, 4]]
    for _ in range(150):
        clock.look(listener(2))
    assert clock.view().listening.points.shape == (1, 120)


def test_sysctls_are_kept_by_namespace() -> None:
    """Also what they mean for a queue's limit: without cookies a quarter of tcp_max_syn_backlog is kept back."""
    clock = Clock()
    values = (("net.ipv4.tcp_syncookies", "0"), ("net.ipv4.tcp_max_syn_backlog", "16"))
    clock.tracker.fold(Frame(START_NS, START_NS + 1, HOST, settings=((1, values),)))
    clock.look(listener(send_queue=128))
    assert clock.view().settings == {1: dict(values)}
    assert clock.view().listening.rows["syn_limit"].tolist() == [13]
    clock.look(listener(netns=2), netns=2)
    assert clock.view().settings == {}


def test_hints() -> None:
    """In the words of the table, with the numbers behind them."""
    clock = Clock()
    clock.look(listener())
    assert clock.hint()[0] == UNSURE
    clock.look(listener())
    assert clock.hint()[0] == FINE
    clock.look(listener(recv_queue=9, drops=7), listen_drops=7, listen_overflows=7)
    hint, said = clock.hint()
    assert hint == SLOW_ACCEPT
    assert "9 wait, of 8 allowed" in said
    assert "7 handshakes were dropped in the last 2 s" in said
    assert len(HINTS) == 5


def test_a_flood_and_real_load_differ_in_what_is_completed() -> None:
    """Both overflow the SYN queue, and cookies are sent."""
    for accepted, expected in ((2, FLOOD), (990, LOAD)):
        clock = Clock()
        clock.look(listener(half_open=8, half_open_young=8))
        overflowing = listener(half_open=8, half_open_young=8, overflow_ticks=1)
        clock.look(
            overflowing, events=born(accepted, 80, SERVER), cookies_sent=1000, cookies_accepted=accepted, listen_drops=0
        )
        hint, said = clock.hint()
        assert hint == expected, said
        assert f"{accepted:,}" in said
        assert advice(clock.view().listening.rows[0], {}) != []


def calling(cookie: int, raddr: list[int], rport: int = 80, netns: int = 1, laddr: list[int] = CLIENT) -> np.ndarray:
    ends: dict[str, Any] = {"raddr": raddr, "rport": rport, "laddr": laddr, "family": wire.INET}
    return moves((wire.CLOSE, wire.SYN_SENT), cookie=cookie, netns=netns, **ends)


def marks(clock: Clock) -> dict[int, int]:
    rows = clock.tracker.table.rows
    return {int(r["cookie"]): int(r["marks"]) for r in rows[rows["cookie"] != 0] if r["marks"]}


def refuse(clock: Clock, laddr: list[int], events: np.ndarray, **more: Any) -> dict[int, int]:
    """A listener on laddr:80 overflows while the events happen."""
    # a connection that is established says which address is local
    local = {"cookie": 50, "netns": 1, "state": wire.ESTABLISHED, "laddr": SERVER, "family": wire.INET}
    clock.look(listener(laddr=laddr), local)
    clock.look(listener(laddr=laddr, drops=4, **more), local, events=events, listen_drops=4, **clock.counts)
    return marks(clock)


@pytest.mark.parametrize("laddr", [SERVER, WILD, WILD_V6], ids=["address", "any", "any6"])
def test_those_who_call_a_full_listener_are_marked(laddr: list[int]) -> None:
    """From its namespace and from others; not who calls another port or another machine."""
    loopback = list(V4 + bytes((127, 0, 0, 1)))
    events = np.concatenate(
        [
            calling(11, SERVER),
            calling(12, SERVER, netns=7),
            calling(13, SERVER, rport=81),
            calling(14, OTHER),
            calling(15, OTHER, netns=7),
            calling(16, loopback),
            calling(17, loopback, netns=7),
        ]
    )
    clock = Clock()
    clock.counts = {"listen_overflows": 4}
    expected = {11, 12} if laddr == SERVER else {11, 12, 16}
    assert refuse(clock, laddr, events, recv_queue=9) == dict.fromkeys(expected, ACCEPT_QUEUE_FULL)


def test_the_reason_is_the_queue_that_was_full() -> None:
    """Without cookies a full SYN queue turns SYNs away, and no accept queue overflows."""
    clock = Clock()
    clock.counts = {"syn_queue_drops": 4}
    assert refuse(clock, SERVER, calling(11, SERVER), half_open=8) == {11: SYN_QUEUE_FULL}


def test_drops_for_another_reason_mark_nobody() -> None:
    """Memory, a filter, a route that is gone."""
    clock = Clock()
    clock.counts = {}
    assert refuse(clock, SERVER, calling(11, SERVER)) == {}


def test_half_open_and_ignored_connections_are_marked_too() -> None:
    """The final ACK was dropped: the client believes in the connection, and what it sends is not acknowledged."""
    clock = Clock()
    clock.counts = {"listen_overflows": 4}
    ends: dict[str, Any] = {
        "raddr": SERVER,
        "rport": 80,
        "laddr": CLIENT,
        "family": wire.INET,
        "cause": wire.TIMEOUT,
        "count": 1,
    }
    met = moves((wire.CLOSE, wire.SYN_SENT), (wire.SYN_SENT, wire.ESTABLISHED), cookie=11, **ends)
    again = moves((1, 1), at=0.5, kind=wire.RETRANSMIT, cookie=11, **ends)
    heard = moves((wire.CLOSE, wire.SYN_SENT), (wire.SYN_SENT, wire.ESTABLISHED), cookie=12, bytes_acked=99, **ends)
    heard_again = moves((1, 1), at=0.5, kind=wire.RETRANSMIT, cookie=12, bytes_acked=99, **ends)
    half: dict[str, Any] = {"laddr": SERVER, "lport": 80, "family": wire.INET, "count": 1, "raddr": CLIENT, "flags": 0}
    waiting = moves((wire.SYN_RECV, wire.SYN_RECV), kind=wire.SYNACK_RETRANSMIT, cookie=13, **half)
    events = np.concatenate([met, again, heard, heard_again, waiting])
    assert refuse(clock, SERVER, events, recv_queue=9) == {11: ACCEPT_QUEUE_FULL, 13: ACCEPT_QUEUE_FULL}
    assert shapes.HINTS[SLOW_ACCEPT] == "slow accept"
