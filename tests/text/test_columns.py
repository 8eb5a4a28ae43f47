import time
from collections.abc import Iterator

import pytest

from tcpwatch import wire
from tcpwatch.records.selection import FaceName

from .build import BEGIN_NS, NETNS, OFFSET_NS, event, step, written
from .test_lives import life
from .test_sockets import socket

LONG = "2001:db8:1234:5678:9abc:def0:1234:5678"


@pytest.fixture(autouse=True)
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A place that is 5:30 ahead of UTC."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "XXX-5:30")
        time.tzset()
        yield
    time.tzset()


def lines(face: FaceName, **how: object) -> list[str]:
    events = how.pop("events", [])
    return written(face, "text", step(events, **how)).decode().splitlines()  # type: ignore[arg-type]


def test_an_event() -> None:
    """tcpstates' columns, then what it lacks; local time."""
    happened = event(pid=812, comm=b"nginx", flags=wire.EVENT_SOCKET, srtt_us=41, cwnd=10, time_ns=BEGIN_NS + 7_000_000)
    title, line = lines("events", events=[happened])
    clock = time.strftime("%H:%M:%S", time.gmtime((BEGIN_NS + OFFSET_NS) / 1e9 + 5.5 * 3600))
    words = "812 nginx 10.0.0.7 443 10.0.0.9 53122 state ESTABLISHED -> FIN_WAIT1 1 0.041 10 –"
    assert line.split() == [f"{clock}.007", *words.split()]
    assert title.split()[:7] == ["TIME", "PID", "COMM", "LADDR", "LPORT", "RADDR", "RPORT"]


def test_titles_stand_over_their_columns() -> None:
    """Text under the title's first letter, numbers under its last."""
    title, line = lines("events", events=[event(pid=812, comm=b"nginx", kind=wire.CONGESTION, reason=4)])
    for word, value in (("COMM", "nginx"), ("LADDR", "10.0.0.7"), ("EVENT", "congestion"), ("REASON", "loss")):
        assert title.index(word) == line.index(value)
    for word, value in (("PID", "812"), ("LPORT", "443"), ("RPORT", "53122")):
        assert title.index(word) + len(word) == line.index(value) + len(value)


def test_unknown_is_a_dash() -> None:
    """Never a zero."""
    _, line = lines("events", events=[event(cookie=0, kind=wire.RESET_SENT, new_state=1)])
    assert line.split()[1:3] == ["–", "–"]
    assert line.split()[-3:] == ["–", "–", "–"]


def test_long_addresses_widen_the_column() -> None:
    """All lines of the batch stay aligned."""
    _, *found = lines("events", events=[event(), event(laddr=LONG), event(raddr=LONG)])
    assert len({line.index(" state ") for line in found}) == 1
    assert len({line.rindex(" 443 ") for line in found}) == 1


def test_losses_are_lines_too() -> None:
    """How many, and of what."""
    _, line = lines("events", lost={wire.RETRANSMIT: 5})
    assert line.split()[-6:] == ["lost", "–", "5", "–", "–", "retransmit"]


def test_a_life() -> None:
    """tcplife's columns, then handshake, round trip, verdict and the states with their milliseconds."""
    _, line = lines("life", lives=[life(bytes_sent=3 * 1024 + 500)])
    path = "SYN_SENT:0.250 ESTABLISHED:4.749 FIN_WAIT1:1.000 TIME_WAIT"
    words = f"812 curl 10.0.0.7 40001 10.0.0.9 443 3 1 10.000 client 0.250 1 0.250 0.200 – {path}"
    assert line.split()[1:] == words.split()


def test_a_socket_as_ss_prints_it() -> None:
    """ss's state names, and its tokens in its order."""
    table = [{"cookie": 0xBEEF, "netns": NETNS, "snap": 0, "pid": 4, "comm": b"mine"}]
    fields = socket(rto_ticks=51, options=wire.SACK | wire.TIMESTAMPS | wire.WSCALE)
    title, line, details = lines("snapshot", sockets=[fields], table=table)
    assert title.split() == ["State", "Recv-Q", "Send-Q", "Local", "Address:Port", "Peer", "Address:Port", "Process"]
    assert line.split() == ["ESTAB", "200", "100", "10.0.0.7:443", "10.0.0.9:53122", 'users:(("mine",pid=4))']
    assert details.startswith(
        "\t ts sack cubic wscale:7,9 rto:204 rtt:0.041/0.020 mss:1448 pmtu:1500 cwnd:10 ssthresh:7"
    )
    assert "pacing_rate 8000000000000bps" in details


def test_sockets_without_details_take_one_line() -> None:
    """TIME_WAIT and listeners; any peer is a star, IPv6 stands in brackets."""
    listener = socket(state=wire.LISTEN, recv_queue=1, send_queue=128, laddr="::", raddr="::", rport=0)
    waiting = socket(state=wire.TIME_WAIT, sort=wire.TIME_WAIT_SORT)
    _, *found = lines("snapshot", sockets=[listener, waiting])
    assert [line.split() for line in found] == [
        ["LISTEN", "1", "128", "[::]:443", "[::]:*"],
        ["TIME-WAIT", "–", "–", "10.0.0.7:443", "10.0.0.9:53122"],
    ]


def test_shares_of_the_busy_time() -> None:
    """As ss gives them: of the time with something to send."""
    fields = socket(busy_ticks=100, rwnd_limited_ticks=25, chrono=wire.CHRONO_RWND)
    *_, details = lines("snapshot", sockets=[fields])
    assert "limited_by:receiver busy:400ms rwnd_limited:100ms(25.0%)" in details
