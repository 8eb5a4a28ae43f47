import errno
from dataclasses import replace

import pytest

from tcpwatch import wire

from .build import BEGIN_NS, END_NS, HOST, NETNS, OFFSET_NS, event, step, told

CONTRACT = (
    "schema time_ns conn netns laddr lport raddr rport pid comm event old_state new_state reason count srtt_us "
    "rttvar_us cwnd ssthresh mss retrans bytes_acked bytes_received"
)
KEYS = CONTRACT.split()
MEASURED = {
    "flags": wire.EVENT_SOCKET,
    "srtt_us": 41,
    "rttvar_us": 20,
    "cwnd": 10,
    "ssthresh": 7,
    "mss": 1448,
    "bytes_acked": 2**63,
}


def test_keys_and_their_order() -> None:
    """They are a contract."""
    (record,) = told("events", step([event()]))
    assert list(record) == KEYS


def test_an_event_of_a_socket() -> None:
    """Every value where it belongs, in its unit."""
    (record,) = told("events", step([event(**MEASURED, pid=812, comm=b"nginx")]))
    assert record == {
        "schema": 1,
        "time_ns": BEGIN_NS + 1 + OFFSET_NS,
        "conn": "f0000075-beef",
        "netns": str(NETNS),
        "laddr": "10.0.0.7",
        "lport": 443,
        "raddr": "10.0.0.9",
        "rport": 53122,
        "pid": 812,
        "comm": "nginx",
        "event": "state",
        "old_state": "ESTABLISHED",
        "new_state": "FIN_WAIT1",
        "reason": None,
        "count": 1,
        "srtt_us": 41,
        "rttvar_us": 20,
        "cwnd": 10,
        "ssthresh": 7,
        "mss": 1448,
        "retrans": 0,
        "bytes_acked": 2**63,
        "bytes_received": 0,
    }


def test_what_the_kernel_does_not_know_is_null() -> None:
    """No socket, so no counters, although the record's fields are zeros."""
    (record,) = told("events", step([event(cookie=0, netns=0, kind=wire.RESET_SENT)]))
    unknown = {key for key, value in record.items() if value is None}
    assert unknown == {"conn", "netns", "pid", "comm", "reason", *KEYS[KEYS.index("srtt_us") :]}


def test_no_round_trip_and_an_unused_threshold_are_null() -> None:
    """Neither 0 nor 0x7fffffff is a value; the initial deviation is no measurement either."""
    fields = MEASURED | {"srtt_us": 0, "rttvar_us": 250_000, "ssthresh": wire.SSTHRESH_INFINITE}
    (record,) = told("events", step([event(**fields)]))
    assert (record["srtt_us"], record["rttvar_us"], record["ssthresh"], record["cwnd"]) == (None, None, None, 10)


def test_a_listener_has_no_measures() -> None:
    """What the kernel keeps in their place are defaults."""
    states = [{"old_state": 7, "new_state": wire.LISTEN}, {"old_state": wire.LISTEN, "new_state": 7}]
    for record in told("events", step([event(**MEASURED, **state) for state in states])):
        assert [record[key] for key in KEYS[KEYS.index("srtt_us") :]] == [None] * 8


def test_what_a_namespace_counted_of_no_certain_listener_has_no_address() -> None:
    """Zeros would be a wildcard's."""
    nobody = dict.fromkeys(("cookie", "family", "lport", "rport"), 0) | {"laddr": "::", "raddr": "::"}
    states = {"old_state": wire.LISTEN, "new_state": wire.LISTEN}
    (record,) = told("events", step([event(kind=wire.LISTEN_OVERFLOW, count=7, **nobody, **states)]))
    assert (record["event"], record["count"], record["old_state"]) == ("listen_overflow", 7, "LISTEN")
    assert [record[key] for key in ("conn", "laddr", "lport", "raddr", "rport", "pid", "comm")] == [None] * 7


def test_the_owner_stands_in_for_an_unknown_actor() -> None:
    """In softirq nobody acts; the tracker knows whose connection it is."""
    table = [{"cookie": 0xBEEF, "netns": NETNS, "pid": 99, "comm": b"owner"}]
    events = [event(), event(pid=5, comm=b"actor")]
    records = told("events", step(events, rows_=[0, 0], table=table))
    assert [(r["pid"], r["comm"]) for r in records] == [(99, "owner"), (5, "actor")]


def test_a_line_that_was_given_away_tells_nothing() -> None:
    """The connection ended within the frame and another took its line: its owner is somebody else."""
    table = [{"cookie": 0xF00D, "netns": NETNS, "pid": 99, "comm": b"stranger", "lport": 1}]
    (record,) = told("events", step([event(lport=0)], rows_=[0], table=table))
    assert (record["pid"], record["comm"], record["lport"]) == (None, None, None)


def test_a_port_the_kernel_has_not_chosen_yet() -> None:
    """At SYN_SENT it is 0; the table has learnt it since."""
    table = [{"cookie": 0xBEEF, "netns": NETNS, "lport": 40001}]
    records = told("events", step([event(lport=0), event(lport=40001)], rows_=[0, 0], table=table))
    assert [r["lport"] for r in records] == [40001, 40001]


@pytest.mark.parametrize(
    ("fields", "name", "reason"),
    [
        ({"kind": wire.RESET_SENT, "flags": wire.EVENT_REASON, "reason": 1}, "reset_sent", "NO_SOCKET"),
        ({"kind": wire.RESET_SENT, "flags": wire.EVENT_REASON, "reason": 77}, "reset_sent", "77"),
        ({"kind": wire.RESET_SENT, "reason": 1}, "reset_sent", None),
        ({"kind": wire.RESET_RECEIVED}, "reset_received", None),
        ({"kind": wire.CONGESTION, "reason": 3}, "congestion", "recovery"),
        ({"kind": wire.CONGESTION, "reason": 9}, "congestion", "9"),
        ({"kind": wire.RETRANSMIT}, "retransmit", None),
        (
            {"kind": wire.RETRANSMIT, "flags": wire.EVENT_REASON, "reason": errno.EHOSTUNREACH},
            "retransmit",
            "EHOSTUNREACH",
        ),
        ({"kind": wire.RETRANSMIT, "flags": wire.EVENT_REASON, "reason": 4001}, "retransmit", "4001"),
        ({"kind": wire.SYNACK_RETRANSMIT}, "synack_retransmit", None),
    ],
)
def test_the_reason_in_the_kernels_words(fields: dict[str, int], name: str, reason: str | None) -> None:
    """Each kind has its own; what is newer than we are stays a number."""
    (record,) = told("events", step([event(**fields)]))
    assert (record["event"], record["reason"]) == (name, reason)


def test_losses_are_events() -> None:
    """One per kind of event, whatever the filter says, and nothing is known of them but when they were noticed."""
    records = told("events", step(lost={wire.STATE: 7, wire.RETRANSMIT: 2**40}), wanted="port = 1")
    assert [list(r) for r in records] == [KEYS, KEYS]
    assert [(r["reason"], r["count"]) for r in records] == [("state", 7), ("retransmit", 2**40)]
    known = {key for r in records for key, value in r.items() if value is not None}
    assert known == {"schema", "time_ns", "event", "reason", "count"}
    assert {r["time_ns"] for r in records} == {END_NS + OFFSET_NS}


def test_addresses_and_namespaces_by_name() -> None:
    """Mapped addresses are IPv4; a namespace has the name that `ip netns` knows."""
    events = [event(laddr="2001:db8::7", raddr="::1"), event(laddr="::ffff:192.0.2.1"), event(netns=12)]
    records = told("events", step(events, namespaces={12: "blue\x1b"}))
    assert [(r["laddr"], r["raddr"]) for r in records[:2]] == [("2001:db8::7", "::1"), ("192.0.2.1", "10.0.0.9")]
    assert [r["netns"] for r in records] == [str(NETNS), str(NETNS), "blue?"]


def test_a_socket_that_connects_again_is_another_connection() -> None:
    """The kernel keeps the cookie; the tracker counts the turns, each on a line of its own."""
    table = [{"cookie": 0xBEEF, "netns": NETNS, "turn": turn} for turn in (0, 1)]
    records = told("events", step([event()] * 3, rows_=[0, 1, 0], table=table))
    assert [r["conn"] for r in records] == ["f0000075-beef", "f0000075-beef-1", "f0000075-beef"]


def test_twenty_three_connections_keep_their_names() -> None:
    """Interleaved, and each line says which connection it is about."""
    numbers = [n % 23 for n in range(23 * 7)]
    events = [event(cookie=100 + n, rport=1000 + n, pid=n + 1, comm=b"w%d" % n) for n in numbers]
    records = told("events", step(events))
    found = [(r["conn"], r["rport"], r["pid"], r["comm"]) for r in records]
    assert found == [(f"f0000075-{100 + n:x}", 1000 + n, n + 1, f"w{n}") for n in numbers]


def test_reset_reasons_of_a_host_that_has_none() -> None:
    """A recording of a kernel whose tracepoint gives numbers only."""
    bare = replace(HOST, reset_reasons=(), realtime_offset_ns=0)
    (record,) = told("events", step([event(kind=3, flags=wire.EVENT_REASON, reason=2)], host=bare))
    assert (record["reason"], record["time_ns"]) == ("2", BEGIN_NS + 1)
