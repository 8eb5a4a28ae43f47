from dataclasses import replace
from typing import Any

import pytest

from tcpwatch import wire

from .build import END_NS, HOST, NETNS, OFFSET_NS, ends, step, told

CONTRACT = (
    "schema time_ns conn netns laddr lport raddr rport pid comm state srtt_us rttvar_us min_rtt_us cwnd "
    "ssthresh mss pmtu snd_wnd rcv_wnd unacked retrans lost bytes_sent bytes_acked bytes_received segs_out "
    "segs_in send_queue recv_queue pacing_rate delivery_rate congestion_algorithm congestion_state limited_by "
    "sack wscale timestamps ecn keepalive_ms idle_ms cgroup"
)
KEYS = CONTRACT.split()
IDENTITY = set(KEYS[: KEYS.index("state") + 1])


def socket(**fields: Any) -> dict[str, Any]:
    """An established one."""
    usual = {
        **ends(),
        "cookie": 0xBEEF,
        "state": wire.ESTABLISHED,
        "srtt_us": 41,
        "rttvar_us": 20,
        "min_rtt_us": 17,
        "cwnd": 10,
        "ssthresh": 7,
        "mss": 1448,
        "pmtu": 1500,
        "snd_wnd": 65536,
        "rcv_wnd": 64000,
        "unacked": 2,
        "lost": 1,
        "retrans": 3,
        "bytes_sent": 5,
        "bytes_acked": 6,
        "bytes_received": 7,
        "segs_out": 8,
        "segs_in": 9,
        "send_queue": 100,
        "recv_queue": 200,
        "pacing_rate": 10**12,
        "delivery_rate": 10**11,
        "idle_ticks": 25,
        "keepalive_ticks": 1_800_000,
        "unsent": 60,
        "options": wire.SACK | wire.WSCALE | wire.KEEPALIVE | wire.CWND_LIMITED,
        "snd_wscale": 7,
        "rcv_wscale": 9,
        "chrono": wire.CHRONO_BUSY,
        "ca_name": b"cubic",
        "cgroup": 31,
    }
    return {**usual, **fields}


def of(host: Any = HOST, **fields: Any) -> dict[str, Any]:
    (record,) = told("snapshot", step(sockets=[socket(**fields)], host=host, cgroups={31: "/system.slice"}))
    return record


def bare(**fields: Any) -> dict[str, Any]:
    return {**ends(), "cookie": 0xBEEF, **fields}


def known(record: dict[str, Any]) -> set[str]:
    return {key for key, value in record.items() if value is not None} - IDENTITY


def test_keys_and_their_order() -> None:
    """They are a contract."""
    assert list(of()) == KEYS


def test_an_established_socket() -> None:
    """Times in milliseconds by the host's jiffies, rates in bytes per second."""
    assert of() == {
        "schema": 1,
        "time_ns": END_NS + OFFSET_NS,
        "conn": "f0000075-beef",
        "netns": str(NETNS),
        "laddr": "10.0.0.7",
        "lport": 443,
        "raddr": "10.0.0.9",
        "rport": 53122,
        "pid": None,
        "comm": None,
        "state": "ESTABLISHED",
        "srtt_us": 41,
        "rttvar_us": 20,
        "min_rtt_us": 17,
        "cwnd": 10,
        "ssthresh": 7,
        "mss": 1448,
        "pmtu": 1500,
        "snd_wnd": 65536,
        "rcv_wnd": 64000,
        "unacked": 2,
        "retrans": 3,
        "lost": 1,
        "bytes_sent": 5,
        "bytes_acked": 6,
        "bytes_received": 7,
        "segs_out": 8,
        "segs_in": 9,
        "send_queue": 100,
        "recv_queue": 200,
        "pacing_rate": 10**12,
        "delivery_rate": 10**11,
        "congestion_algorithm": "cubic",
        "congestion_state": "open",
        "limited_by": "congestion_window",
        "sack": True,
        "wscale": [7, 9],
        "timestamps": False,
        "ecn": False,
        "keepalive_ms": 7_200_000,
        "idle_ms": 100,
        "cgroup": "/system.slice",
    }


def test_the_owner_comes_from_the_table() -> None:
    """By the row's place in the snapshot, and only while the cookie agrees."""
    table = [
        {"cookie": 2, "netns": NETNS, "snap": 1, "pid": 20, "comm": b"two"},
        {"cookie": 99, "netns": NETNS, "snap": 2, "pid": 30, "comm": b"old"},
        {"cookie": 1, "netns": NETNS, "snap": 0, "pid": 10, "comm": b"one"},
        {"cookie": 3, "netns": NETNS, "snap": -1, "pid": 40, "comm": b"none"},
    ]
    records = told("snapshot", step(sockets=[socket(cookie=n) for n in (1, 2, 3)], table=table))
    assert [(r["pid"], r["comm"]) for r in records] == [(10, "one"), (20, "two"), (None, None)]


def test_a_listener_has_queues_and_nothing_else() -> None:
    """How many wait, and how many may."""
    fields = socket(cgroup=0, state=wire.LISTEN, recv_queue=3, send_queue=128, raddr="0.0.0.0", rport=0)
    (record,) = told("snapshot", step(sockets=[fields]))
    assert (record["state"], record["recv_queue"], record["send_queue"]) == ("LISTEN", 3, 128)
    assert known(record) == {"recv_queue", "send_queue"}


def test_time_wait_has_nothing() -> None:
    """Neither counters nor windows nor options."""
    (record,) = told("snapshot", step(sockets=[socket(state=wire.TIME_WAIT, sort=wire.TIME_WAIT_SORT, cgroup=0)]))
    assert record["state"] == "TIME_WAIT"
    assert known(record) == set()


def test_a_half_open_socket_has_what_the_syn_said() -> None:
    """MSS and options, and how often the SYN-ACK was sent again."""
    fields = bare(state=12, sort=wire.REQUEST, mss=1460, retrans=2, options=wire.TIMESTAMPS)
    (record,) = told("snapshot", step(sockets=[fields]))
    assert (record["state"], record["mss"], record["retrans"]) == ("SYN_RECV", 1460, 2)
    assert (record["sack"], record["timestamps"], record["wscale"]) == (False, True, None)
    assert known(record) == {"mss", "retrans", "sack", "timestamps", "ecn"}


def test_a_connect_that_waits_has_agreed_on_nothing() -> None:
    """No windows, no options, and the idle time would be counted from the machine's start."""
    record = of(state=wire.SYN_SENT, idle_ticks=2**31, srtt_us=0, min_rtt_us=wire.NO_SAMPLE)
    absent = ("snd_wnd", "rcv_wnd", "sack", "wscale", "timestamps", "ecn", "idle_ms", "limited_by", "srtt_us")
    assert [record[key] for key in absent] == [None] * len(absent)
    assert record["cwnd"] == 10


def test_a_closed_window_is_zero_and_not_unknown() -> None:
    """The very thing one looks for."""
    assert of(snd_wnd=0)["snd_wnd"] == 0


@pytest.mark.parametrize(
    ("facts", "limit"),
    [
        ({"chrono": wire.CHRONO_RWND}, "receiver"),
        ({"chrono": wire.CHRONO_SNDBUF}, "send_buffer"),
        ({"chrono": wire.CHRONO_BUSY}, "congestion_window"),
        ({"chrono": wire.CHRONO_IDLE}, "application"),
        ({"pacing_rate": 1000, "options": wire.SACK}, None),
    ],
)
def test_what_limits_the_sender(facts: dict[str, int], limit: str | None) -> None:
    """In the contract's words, which has none for pacing."""
    assert of(**facts)["limited_by"] == limit


@pytest.mark.parametrize(
    ("field", "value", "key"),
    [
        ("pacing_rate", wire.UNLIMITED, "pacing_rate"),
        ("delivery_rate", 0, "delivery_rate"),
        ("pmtu", 0, "pmtu"),
        ("mss", 0, "mss"),
        ("ssthresh", wire.SSTHRESH_INFINITE, "ssthresh"),
        ("min_rtt_us", wire.NO_SAMPLE, "min_rtt_us"),
        ("options", 0, "wscale"),
        ("options", 0, "keepalive_ms"),
        ("cgroup", 77, "cgroup"),
        ("ca_name", b"", "congestion_algorithm"),
    ],
)
def test_markers_are_null(field: str, value: Any, key: str) -> None:
    """What the kernel writes where it has no value."""
    assert of()[key] is not None
    assert of(**{field: value})[key] is None


def test_times_need_the_length_of_a_jiffy() -> None:
    """Unknown until it has been worked out."""
    record = of(replace(HOST, hz=0))
    assert (record["idle_ms"], record["keepalive_ms"]) == (None, None)


def test_ticks_do_not_overflow() -> None:
    """49 days of idling, in milliseconds."""
    assert of(idle_ticks=2**32 - 1)["idle_ms"] == (2**32 - 1) * 4


def test_a_frame_without_a_snapshot_has_no_sockets() -> None:
    """Most ticks have none."""
    assert told("snapshot", step()) == []
