"""Is each connection counted once, at its moment, with its own numbers?"""

from dataclasses import replace

from tcpwatch import wire
from tests.tracker import build
from tests.tracker.machine import HOST

from .room import BYE, CLIENT, OPENED, SERVER, Room, bucket_of, life, snapshot_frame


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
    assert room.series("connections_closed") == {"verdict=clean": 1}
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
