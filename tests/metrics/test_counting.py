"""Is each connection counted once, at its moment, with its own numbers?"""

from dataclasses import replace

import numpy as np
import pytest

from tcpwatch import wire
from tcpwatch.counters import COUNTS
from tcpwatch.frame import Frame, Probe, Snapshot
from tcpwatch.metrics import Picture
from tests.tracker import build
from tests.tracker.machine import HOST, SECOND_NS

from .room import BYE, CLIENT, LOCAL, OPENED, REMOTE, SERVER, Room, life, listener, listening

MS = 1_000_000


def bucket_of(picture: Picture, name: str, series: int = 0) -> list[float]:
    """Upper bounds of the buckets that hold something, one for each observation."""
    family = picture.family(name)
    counts = np.diff(family.buckets[series], prepend=0)
    return np.repeat(family.bounds, counts.astype(int)).tolist()


def snapshot_frame(second: float, **facts: object) -> Frame:
    """A client's socket as it is then."""
    shown = build.sockets({**CLIENT, "state": 1, **facts})
    return build.frame(second, snapshot=shown, begin=second - 0.01)


def test_a_life_is_counted_once() -> None:
    """However many pictures are drawn and snapshots follow, and though its line is kept for a while."""
    room = Room("role")
    room.fold(build.frame(1, life(0, 1, bytes_sent=23, bytes_received=8, segs_out=7, segs_in=5, srtt_us=90)))
    for second in range(2, 9):
        room.fold(build.frame(second, snapshot=build.sockets(), begin=second - 0.1))
        room.picture()
    picture = room.picture()
    totals = {name: room.total(name) for name in ("connections_opened", "connections_closed", "sent_bytes")}
    assert totals == {"connections_opened": 1, "connections_closed": 1, "sent_bytes": 23}
    assert room.total("received_bytes") == 7  # the peer's FIN is none of them
    assert (room.total("sent_segments"), room.total("received_segments")) == (7, 5)
    assert bucket_of(picture, "rtt_seconds") == [100e-6]
    assert bucket_of(picture, "handshake_seconds") == [1e-3]
    assert bucket_of(picture, "connection_duration_seconds") == [5e-3]
    assert bucket_of(picture, "retransmit_ratio") == [0]
    assert picture.family("connection_duration_seconds").sums.tolist() == [0.004]


def test_bytes_are_counted_as_they_grow() -> None:
    """Between snapshots what came, at the end what was left, together the whole."""
    room = Room("role")
    opened = build.moves(*OPENED, **CLIENT, flags=wire.EVENT_SOCKET, pid=5, comm=b"curl")
    room.fold(build.frame(0.5, opened))
    seen = []
    for second, sent in ((1, 100), (2, 100), (3, 350)):
        room.fold(snapshot_frame(second, bytes_sent=sent, segs_out=second, srtt_us=90))
        seen.append(room.total("sent_bytes"))
    assert seen == [100, 100, 350]
    assert room.picture().family("rtt_seconds").numbers.tolist() == [2]  # nothing moved in the second one
    ended = build.moves(*BYE, at=3.5, **CLIENT, flags=wire.EVENT_SOCKET, bytes_sent=361, segs_out=7, pid=5)
    room.fold(build.frame(4, ended))
    assert room.total("sent_bytes") == 361
    assert room.total("sent_segments") == 7
    assert room.total("connections_opened") == 1


def test_what_was_before_us_is_not_ours() -> None:
    """Of a connection found open only what follows counts, whether its end or a snapshot was seen first."""
    room = Room("role")
    room.fold(snapshot_frame(1, bytes_sent=5000, segs_out=50, bytes_received=600, busy_ticks=900))
    assert room.total("sent_bytes") == room.total("connections_opened") == room.total("busy_seconds") == 0
    room.fold(snapshot_frame(2, bytes_sent=5023, segs_out=51, bytes_received=600, busy_ticks=1400))
    assert room.total("sent_bytes") == 23
    assert room.total("busy_seconds") == 0.5
    unknown = build.moves((8, 9), (9, 7), at=2.5, **SERVER, cookie=8, bytes_sent=9000, flags=wire.EVENT_SOCKET, pid=6)
    room.fold(build.frame(3, unknown), build.frame(4))
    assert room.total("sent_bytes") == 23
    assert (
        room.series("connections_closed") == {"role=server verdict=clean": 1} or room.total("connections_closed") == 1
    )
    assert room.total("connections_opened") == 0


def test_lines_that_are_used_again_begin_anew() -> None:
    """One connection after the other in the same line of the table, and a socket that connects again."""
    room = Room("role")
    for turn in range(5):
        second = 10 * turn
        opened = build.moves(*OPENED, at=second, **CLIENT, cookie=100 + turn, flags=wire.EVENT_SOCKET, pid=5)
        shown = build.sockets({**CLIENT, "cookie": 100 + turn, "state": 1, "bytes_sent": 100, "segs_out": 4})
        ended = build.moves(
            *BYE, at=second + 2, **CLIENT, cookie=100 + turn, flags=wire.EVENT_SOCKET, bytes_sent=111, segs_out=6, pid=5
        )
        room.fold(
            build.frame(second + 1, opened, snapshot=shown, begin=second + 0.9),
            build.frame(second + 3, ended),
            build.frame(second + 9, snapshot=build.sockets(), begin=second + 8),
        )
    assert room.total("sent_bytes") == 555
    assert room.total("sent_segments") == 30
    assert room.total("connections_opened") == room.total("connections_closed") == 5
    refused = build.moves(*((7, 2), (2, 7)) * 23, at=60, **CLIENT, cookie=7, flags=wire.EVENT_SOCKET, error=111, pid=5)
    room.fold(build.frame(61, refused))
    assert room.total("connections_closed") == 28


def test_closed_ones_go_by_their_verdict() -> None:
    """And by unknown where the end was not seen."""
    room = Room("role")
    refused = build.moves((7, 2), (2, 7), **CLIENT, cookie=2, flags=wire.EVENT_SOCKET, error=111, pid=5)
    reset = build.event(wire.RESET_RECEIVED, wire.SYN_SENT, **CLIENT, cookie=2, at=0.0005)
    room.fold(build.frame(1, refused[:1], reset, refused[1:], life(0, 3)))
    room.fold(snapshot_frame(2, cookie=4))
    for second in (3, 4):  # what two snapshots lack is gone
        room.fold(build.frame(second, snapshot=build.sockets(), begin=second - 0.1))
    assert room.series("connections_closed") == {
        "role=client verdict=clean": 1,
        "role=client verdict=refused": 1,
        "verdict=unknown": 1,
    }


def test_a_server_s_handshake_begins_with_its_syn_ack() -> None:
    """As long as it was half-open."""
    room = Room("role", "port")
    request = {"cookie": 3, "sort": wire.REQUEST, "state": wire.SYN_RECV, **SERVER, "since_ns": build.START_NS}
    room.fold(build.frame(0.01, snapshot=build.sockets(request), begin=0.005))
    accepted = build.moves((3, 1), at=0.023, **SERVER, cookie=3, flags=wire.EVENT_SOCKET, retrans=0, pid=4)
    room.fold(build.frame(1, accepted), build.frame(5))
    picture = room.picture()
    assert bucket_of(picture, "handshake_seconds") == [25e-3]
    assert picture.family("handshake_seconds").sums.tolist() == [0.023]
    assert room.series("listener_accepts") == {"port=80": 1}


def test_what_is_sent_again_goes_by_its_cause() -> None:
    """By segments; a SYN-ACK's count is how often it was repeated so far."""
    room = Room("port")
    opened = build.moves(*OPENED, **CLIENT, flags=wire.EVENT_SOCKET, pid=5)
    again = [
        build.event(wire.RETRANSMIT, 1, at=0.1, **CLIENT, count=3, cause=wire.FAST),
        build.event(wire.RETRANSMIT, 1, at=0.2, **CLIENT, count=2, cause=wire.TIMEOUT),
        build.event(wire.RETRANSMIT, 1, at=0.2, **CLIENT, count=9, reason=11, flags=wire.EVENT_REASON),
        build.event(wire.RETRANSMIT, 1, at=0.3, **CLIENT, count=1, cause=99),
        *(
            build.event(
                wire.SYNACK_RETRANSMIT, 3, at=0.4, **SERVER, cookie=3, count=n, flags=0, since_ns=7, cause=wire.SYNACK
            )
            for n in (1, 2, 3)
        ),
    ]
    room.fold(build.frame(1, opened, listener(0.1), *again))
    assert room.series("retransmits") == {
        "port=443 cause=fast": 3,
        "port=443 cause=timeout": 2,
        "port=443 cause=unknown": 1,
        "port=80 cause=syn_ack": 3,
    }
    assert room.series("listener_synack_retransmits") == {"port=80": 3}


def test_resets_go_by_direction_and_reason() -> None:
    """The kernel's word, else what the socket's state tells."""
    room = Room("port")
    reasons = ("NOT_SPECIFIED", "TCP_STATE", "NO_SOCKET")
    reason = wire.EVENT_SOCKET | wire.EVENT_REASON
    resets = [
        build.event(wire.RESET_SENT, 1, **CLIENT, reason=1, flags=reason),
        build.event(wire.RESET_SENT, 1, **CLIENT, reason=0, flags=reason | wire.EVENT_LINGER),
        build.event(wire.RESET_SENT, 1, **CLIENT, reason=999, flags=reason | wire.EVENT_UNREAD),
        build.event(wire.RESET_SENT, 1, **CLIENT),
        build.event(wire.RESET_RECEIVED, 2, **CLIENT),
        *[build.event(wire.RESET_RECEIVED, 1, **CLIENT)] * 23,
    ]
    frame = build.frame(1, build.moves(*OPENED, **CLIENT, pid=5), *resets)
    room.fold(replace(frame, host=replace(HOST, reset_reasons=reasons)))
    assert room.series("resets") == {
        "port=443 direction=sent reason=tcp_state": 1,
        "port=443 direction=sent reason=inferred_linger": 1,
        "port=443 direction=sent reason=inferred_unread_data": 1,
        "port=443 direction=sent reason=unknown": 1,
        "port=443 direction=received reason=inferred_refused": 1,
        "port=443 direction=received reason=unknown": 23,
    }


def test_connections_stand_by_state_and_trouble() -> None:
    """Half-open ones and TIME_WAIT are there, listeners are not; together as many as the view has."""
    room = Room("port")
    shown = build.sockets(
        listening(),
        {**CLIENT, "cookie": 2, "state": wire.ESTABLISHED},
        {**CLIENT, "cookie": 3, "state": wire.CLOSE_WAIT},
        {**SERVER, "cookie": 4, "sort": wire.REQUEST, "state": wire.SYN_RECV},
        {**CLIENT, "cookie": 5, "sort": wire.TIME_WAIT_SORT, "state": wire.TIME_WAIT},
        {**CLIENT, "cookie": 6, "sort": wire.TIME_WAIT_SORT, "state": wire.TIME_WAIT, "lport": 50_001},
    )
    for second in (1, 100):
        room.fold(build.frame(second, snapshot=shown, begin=second - 0.1))
    assert room.series("connections") == {
        "port=443 state=ESTABLISHED": 1,
        "port=443 state=CLOSE_WAIT": 1,
        "port=443 state=TIME_WAIT": 2,
        "port=80 state=SYN_RECV": 1,
    }
    states = room.tracker.view().states
    assert room.total("connections") == states.sum() - states[wire.LISTEN]
    assert room.total("connections_ailing") == np.count_nonzero(room.tracker.view().connections["verdict"])


def test_none_of_a_known_service_is_zero() -> None:
    """A line that goes down to 0 is a line; one that breaks off says that nobody knows."""
    room = Room("port")
    room.fold(snapshot_frame(1))
    assert room.series("connections") == {"port=443 state=ESTABLISHED": 1}
    for second in (2, 3):
        room.fold(build.frame(second, snapshot=build.sockets(), begin=second - 0.1))
    assert room.series("connections") == {"port=443 state=ESTABLISHED": 0}


def test_a_window_that_closes_is_counted_each_time() -> None:
    """Not each snapshot that finds it closed."""
    room = Room("role")
    room.fold(build.frame(0.5, build.moves(*OPENED, **CLIENT, flags=wire.EVENT_SOCKET, pid=5)))
    for second, waits in enumerate((0, 1, 1, 0, 1, 1, 0), 1):
        room.fold(snapshot_frame(second, snd_wnd=0 if waits else 9000, send_queue=7, segs_out=second))
    assert room.total("zero_windows") == 2


def test_time_with_data_is_counted() -> None:
    """In seconds, whatever the kernel's ticks are (1,000 a second here), and what held it up."""
    room = Room("role")
    room.fold(build.frame(0.5, build.moves(*OPENED, **CLIENT, flags=wire.EVENT_SOCKET, pid=5)))
    room.fold(snapshot_frame(1, busy_ticks=500, rwnd_limited_ticks=230))
    room.fold(snapshot_frame(2, busy_ticks=1500, rwnd_limited_ticks=230, sndbuf_limited_ticks=70))
    assert room.total("busy_seconds") == 1.5
    assert room.series("limited_seconds") == {
        "role=client by=receiver_window": 0.23,
        "role=client by=send_buffer": 0.07,
    }


def test_without_the_length_of_a_tick_nothing_is_guessed() -> None:
    """It is counted once that is known."""
    room = Room("role")
    room.fold(build.frame(0.5, build.moves(*OPENED, **CLIENT, flags=wire.EVENT_SOCKET, pid=5)))
    room.fold(replace(snapshot_frame(1, busy_ticks=500), host=replace(HOST, hz=0)))
    assert room.series("busy_seconds") == {}
    room.fold(snapshot_frame(2, busy_ticks=700))
    assert room.total("busy_seconds") == 0.7


def test_connects_without_a_port_are_counted() -> None:
    """By what they called."""
    room = Room("port", "comm")
    facts = {**CLIENT, "lport": 0, "flags": wire.EVENT_SOCKET, "pid": 5, "comm": b"curl"}
    calls = [build.moves((7, 2), (2, 7), cookie=cookie, **facts) for cookie in range(1, 24)]
    room.fold(build.frame(1, *calls))
    assert room.series("connects_without_port") == {"port=443": 23}
    assert room.series("connections_closed") == {"port=443 comm=curl verdict=out_of_ports": 23}


def test_the_worst_destination_stands_for_its_group() -> None:
    """The one with the fewest ports left."""
    room = Room("port")
    settings = ((1, (("net.ipv4.ip_local_port_range", "50000 50099"),)),)
    near = [{**CLIENT, "cookie": 10 + i, "state": 1, "lport": 50_000 + i} for i in range(23)]
    far = [{**CLIENT, "cookie": 50 + i, "state": 1, "lport": 50_000 + i, "raddr": [9] * 16} for i in range(7)]
    waits = {**CLIENT, "cookie": 90, "lport": 50_050, "sort": wire.TIME_WAIT_SORT, "state": wire.TIME_WAIT}
    room.fold(build.frame(1, snapshot=build.sockets(*near, *far, waits), settings=settings))
    numbers = {name: room.series(f"ports_{name}") for name in ("used", "time_wait", "free", "available")}
    assert numbers == {
        "used": {"port=443": 24},
        "time_wait": {"port=443": 1},
        "free": {"port=443": 76},
        "available": {"port=443": 100},
    }
    assert room.series("ports_exhaustion_seconds") == {}


def test_listeners_say_how_full_they_are() -> None:
    """Sums of the port's, the fullest for the ratio, and counters that begin at 0."""
    room = Room("port", "comm")
    two = [
        listening(recv_queue=3, send_queue=4, half_open=2),
        listening(cookie=10, recv_queue=1, send_queue=4, half_open=5, laddr=REMOTE),
    ]
    room.fold(build.frame(1, listener(), listener(cookie=10, laddr=REMOTE), snapshot=build.sockets(*two), begin=0.9))
    labels = "port=80 comm=nginx"
    assert room.series("listener_accept_queue_length") == {labels: 4}
    assert room.series("listener_accept_queue_limit") == {labels: 8}
    assert room.series("listener_syn_queue_length") == {labels: 7}
    assert room.series("listener_accept_queue_fill_ratio") == {labels: 0.75}
    assert room.series("listener_drops") == room.series("listener_accepts") == {labels: 0}
    for second in (2, 3, 4):
        room.fold(build.frame(second, snapshot=build.sockets(), begin=second - 0.1))
    assert room.series("listener_accept_queue_length") == {}


def counted(second: float, *sockets: dict[str, object], **counts: int) -> Frame:
    """A frame with what namespace 1 has counted."""
    reading = np.zeros(1, COUNTS)
    reading["netns"] = 1
    for name, count in counts.items():
        reading[name] = count
    frame = build.frame(second, snapshot=build.sockets(*sockets), begin=second - 0.1)
    assert frame.snapshot is not None
    snapshot = Snapshot(frame.snapshot.begin_ns, frame.snapshot.end_ns, frame.snapshot.sockets, frozenset({1}), reading)
    return replace(frame, snapshot=snapshot)


def test_the_kernel_s_counters_begin_with_us() -> None:
    """What a namespace had counted before is not told; a restart of its number loses nothing else."""
    room = Room()
    room.fold(counted(1, active_opens=1000, abort_unread_close=4))
    assert room.series("kernel_active_opens") == {"netns=1": 0}
    room.fold(counted(2, active_opens=1023, abort_unread_close=6, abort_timeout=1, cookies_sent=7))
    assert room.series("kernel_active_opens") == {"netns=1": 23}
    assert room.series("kernel_aborts") == {
        "netns=1 why=unread": 2,
        "netns=1 why=close": 0,
        "netns=1 why=timeout": 1,
    }
    assert room.series("kernel_syncookies") == {
        "netns=1 result=sent": 7,
        "netns=1 result=accepted": 0,
        "netns=1 result=rejected": 0,
    }
    room.fold(counted(3, active_opens=5), counted(4, active_opens=8))  # another namespace by that number
    assert room.series("kernel_active_opens") == {"netns=1": 26}


def test_drops_go_to_the_listener_that_had_them() -> None:
    """And to nobody in particular where that is not certain: the sum is the kernel's."""
    room = Room("port")
    one = listening(recv_queue=129, send_queue=128)
    two = listening(cookie=10, lport=81, recv_queue=129, send_queue=128)
    room.fold(counted(1, one, two), counted(2, {**one, "drops": 23}, two, listen_drops=23, listen_overflows=23))
    assert room.series("listener_drops") == {"port=80": 23, "port=81": 0}
    assert room.series("listener_overflows") == {"port=80": 23, "port=81": 0}
    room.fold(
        counted(3, {**one, "drops": 24}, {**two, "drops": 1}, listen_drops=25, listen_overflows=24),
        counted(4, {**one, "drops": 24}, {**two, "drops": 1}, listen_drops=25, listen_overflows=24),
    )
    assert room.total("listener_drops") == 25
    assert room.total("listener_overflows") == 24
    assert room.total("kernel_listen_drops") == 25


def test_events_add_up() -> None:
    """seen = delivered + lost; what a recording sums up that precedes it is not ours."""
    room = Room()
    tally = np.zeros(len(wire.KINDS), wire.TALLY)
    tally[wire.STATE] = 100, 7
    room.fold(replace(build.frame(1), tally=tally.copy(), joins=True))
    tally[wire.STATE] = 150, 10
    room.fold(replace(build.frame(2), tally=tally.copy(), ring_fill=0.25))
    picture = room.picture()
    numbers = {name: room.series(f"events_{name}")["kind=state"] for name in ("seen", "delivered", "lost")}
    assert numbers == {"seen": 50, "delivered": 47, "lost": 3}
    assert picture.family("ring_fill_ratio").numbers.tolist() == [0.25]


def test_it_tells_of_itself() -> None:
    """Probes, the newest snapshot, its build, and how long frames took."""
    room = Room(version="1.2", loader="core")
    probes = (Probe("a", "tp_btf", "x", True), Probe("b\n", "iter", "y", False))
    room.fold(replace(build.frame(1, snapshot=build.sockets(listening()), begin=0.75), probes=probes))
    room.meters.took(0.0005)
    room.meters.took(0.3)
    picture = room.picture()
    assert room.series("probe_attached") == {"probe=a kind=tp_btf": 1, "probe=b? kind=iter": 0}
    assert room.series("snapshot_sockets") == {"": 1}
    assert room.series("snapshot_duration_seconds") == {"": 0.25}
    assert room.series("build") == {"version=1.2 kernel=6.18 loader=core": 1}
    assert bucket_of(picture, "frame_duration_seconds") == [0.0005, 0.5]
    assert picture.family("frame_duration_seconds").sums[0] == pytest.approx(0.3005)
    assert picture.time_ns == build.START_NS + SECOND_NS + HOST.realtime_offset_ns


def test_every_severity_of_findings_is_there() -> None:
    """An alert on `> 0` needs a 0."""
    room = Room()
    room.fold(build.frame(1))
    assert room.series("findings_active") == {"severity=high": 0, "severity=low": 0, "severity=medium": 0}
    refused = [
        build.moves((7, 2), (2, 7), **CLIENT, cookie=10 + i, flags=wire.EVENT_SOCKET, error=111, pid=5)
        for i in range(23)
    ]
    room.fold(build.frame(2, *refused))
    view = room.tracker.view()
    assert view.findings
    assert room.total("findings_active") == len(view.findings)
    assert room.total("findings") == sum(finding.count for finding in view.findings)


def test_half_open_ones_that_come_to_nothing_are_no_lives() -> None:
    """A flood opens and closes nothing."""
    room = Room("role")
    half = [
        {**SERVER, "cookie": 20 + i, "sort": wire.REQUEST, "state": wire.SYN_RECV, "since_ns": 1, "laddr": LOCAL}
        for i in range(23)
    ]
    room.fold(build.frame(1, snapshot=build.sockets(*half), begin=0.9))
    assert room.series("connections") == {"role=server state=SYN_RECV": 23}
    for second in (2, 3, 4):
        room.fold(build.frame(second, snapshot=build.sockets(), begin=second - 0.1))
    assert room.total("connections_opened") == room.total("connections_closed") == 0
