import errno
from typing import Any

import pytest

from tcpwatch import rows, wire
from tcpwatch.verdicts import CLEAN, CLEAN_SENTENCE, CODES

from .build import END_NS, NETNS, OFFSET_NS, ends, step, told

CONTRACT = (
    "schema time_ns conn netns laddr lport raddr rport pid comm role opened_ns closed_ns duration_us "
    "handshake_us states bytes_sent bytes_received retrans srtt_us min_rtt_us verdict explanation evidence"
)
KEYS = CONTRACT.split()
OPENED, MET, CLOSED = 1_000_000_000, 1_000_250_999, 1_010_000_000


def path(*entries: tuple[int, int]) -> dict[str, Any]:
    states, moments = [state for state, _ in entries], [moment for _, moment in entries]
    spare = [0] * (rows.PATH - len(entries))
    return {"path_len": len(entries), "path_state": states + spare, "path_ns": moments + spare}


def life(**fields: Any) -> dict[str, Any]:
    """A client that closed first."""
    usual = {
        **ends("10.0.0.7", 40001, "10.0.0.9", 443),
        **path((2, OPENED), (1, MET), (4, 1_005_000_000), (6, 1_006_000_000)),
        "cookie": 0xBEEF,
        "pid": 812,
        "comm": b"curl",
        "role": rows.CLIENT,
        "state": wire.TIME_WAIT,
        "flags": rows.CLOSED | rows.HAS_COUNTERS | rows.FIN_RECEIVED,
        "opened_ns": OPENED,
        "established_ns": MET,
        "closed_ns": CLOSED,
        "bytes_sent": 1500,
        "bytes_retrans": 500,
        "bytes_received": 2001,
        "retrans": 1,
        "srtt_us": 250,
        "min_rtt_us": 200,
    }
    return {**usual, **fields}


def of(**fields: Any) -> dict[str, Any]:
    (record,) = told("life", step(lives=[life(**fields)]))
    return record


def test_keys_and_their_order() -> None:
    """They are a contract."""
    assert list(of()) == KEYS


def test_each_turn_of_a_socket_is_a_life() -> None:
    """A connect() that failed, and the next ones on the same socket, long after or with the opening lost."""
    turns: list[dict[str, int]] = [{}, {"opened_ns": OPENED + 1}, {"opened_ns": 0}, {"opened_ns": 0, "turn": 1}]
    names = ["f0000075-beef-3b9aca00", "f0000075-beef-3b9aca01", "f0000075-beef", "f0000075-beef-1"]
    assert [of(**turn)["conn"] for turn in turns] == names


def test_a_whole_life() -> None:
    """Payload counted once, without the FIN; how long TIME_WAIT will last nobody knows yet."""
    assert of() == {
        "schema": 1,
        "time_ns": CLOSED + OFFSET_NS,
        "conn": "f0000075-beef-3b9aca00",
        "netns": str(NETNS),
        "laddr": "10.0.0.7",
        "lport": 40001,
        "raddr": "10.0.0.9",
        "rport": 443,
        "pid": 812,
        "comm": "curl",
        "role": "client",
        "opened_ns": OPENED + OFFSET_NS,
        "closed_ns": CLOSED + OFFSET_NS,
        "duration_us": 10_000,
        "handshake_us": 250,
        "states": [["SYN_SENT", 250], ["ESTABLISHED", 4749], ["FIN_WAIT1", 1000], ["TIME_WAIT", None]],
        "bytes_sent": 1000,
        "bytes_received": 2000,
        "retrans": 1,
        "srtt_us": 250,
        "min_rtt_us": 200,
        "verdict": None,
        "explanation": None,
        "evidence": None,
    }


def test_a_clean_end_needs_no_evidence() -> None:
    ended = of(verdict=CLEAN)
    assert (ended["verdict"], ended["explanation"], ended["evidence"]) == ("clean", CLEAN_SENTENCE, [])


def test_a_verdict_comes_with_its_reasons() -> None:
    """In the same batch as others; the evidence's times are Unix time, as all."""
    refused = {"verdict": CODES.index("refused"), "error": errno.ECONNREFUSED, "resets_received": 1}
    refused |= {"reset_ns": OPENED + 5000, **path((2, OPENED)), "state": wire.CLOSE, "role": 1}
    records = told("life", step(lives=[life(verdict=CLEAN), life(**refused), life()]))
    assert [record["verdict"] for record in records] == ["clean", "refused", None]
    assert "ECONNREFUSED" in records[1]["explanation"]
    assert [at for at, what in records[1]["evidence"] if "reset" in what.lower()] == [OPENED + 5000 + OFFSET_NS]


def test_the_last_state_lasts_until_the_end() -> None:
    """A passive close ends in LAST_ACK."""
    ended = of(state=wire.CLOSE, **path((1, MET), (8, 1_002_000_999), (9, 1_004_000_999)))
    assert ended["states"] == [["ESTABLISHED", 1750], ["CLOSE_WAIT", 2000], ["LAST_ACK", 5999]]


def test_time_wait_may_be_over_when_the_life_is_told() -> None:
    """A snapshot may have missed it already; how long it lasted is as unknown as before."""
    assert of(state=wire.CLOSE)["states"][-1] == ["TIME_WAIT", None]


def test_lives_of_different_lengths_side_by_side() -> None:
    """What one life has and another lacks leaves no trace in the shorter one."""
    short = life(state=wire.CLOSE, **path((1, MET)))
    one, other, third = told("life", step(lives=[life(), short, life()]))
    assert [len(record["states"]) for record in (one, other, third)] == [4, 1, 4]
    assert other["states"] == [["ESTABLISHED", 9749]]


def test_half_a_goodbye_that_is_waited_for() -> None:
    """Closed by its process, it waits for the peer's FIN as a small object."""
    waits = path((1, MET), (4, 1_005_000_000), (5, 1_006_000_000))
    assert of(state=wire.FIN_WAIT2, **waits)["states"][-1] == ["FIN_WAIT2", None]
    assert of(state=wire.CLOSE, **waits)["states"][-1] == ["FIN_WAIT2", 4000]


def test_a_beginning_nobody_saw() -> None:
    """Open before the session: no opening, no duration, no handshake, and the first state's age is unknown."""
    old = of(opened_ns=0, established_ns=0, role=0, **path((1, 0), (4, 1_005_000_000), (6, 1_006_000_000)))
    assert [old[k] for k in ("role", "opened_ns", "duration_us", "handshake_us")] == [None] * 4
    assert old["states"][0] == ["ESTABLISHED", None]
    assert old["closed_ns"] == CLOSED + OFFSET_NS


def test_an_end_nobody_saw() -> None:
    """Noticed missing in a snapshot: when is known, but not when it ended."""
    lost = of(flags=rows.CLOSED | rows.VANISHED, state=wire.ESTABLISHED, **path((2, OPENED), (1, MET)))
    assert (lost["time_ns"], lost["closed_ns"], lost["duration_us"]) == (CLOSED + OFFSET_NS, None, None)
    assert lost["states"] == [["SYN_SENT", 250], ["ESTABLISHED", None]]
    assert of(closed_ns=0)["time_ns"] == END_NS + OFFSET_NS


def test_a_life_without_counters() -> None:
    """Zeros that were never filled are no measurements."""
    bare = of(flags=rows.CLOSED)
    assert [bare[k] for k in ("bytes_sent", "bytes_received", "retrans", "srtt_us", "min_rtt_us")] == [None] * 5


@pytest.mark.parametrize(("role", "name"), [(1, "client"), (2, "server"), (0, None)])
def test_roles(role: int, name: str | None) -> None:
    """Whoever is neither has no handshake of its own."""
    record = of(role=role)
    assert record["role"] == name
    assert (record["handshake_us"] is None) == (name is None)


def test_counters_read_at_different_moments_never_go_below_zero() -> None:
    """More sent again than sent, a FIN without its byte."""
    record = of(bytes_sent=10, bytes_retrans=11, bytes_received=0)
    assert (record["bytes_sent"], record["bytes_received"]) == (0, 0)


def test_a_round_trip_that_was_never_measured() -> None:
    """The kernel's markers are not microseconds."""
    record = of(srtt_us=0, min_rtt_us=wire.NO_SAMPLE)
    assert (record["srtt_us"], record["min_rtt_us"]) == (None, None)


def test_the_longest_path() -> None:
    """As many states as a row holds."""
    full = of(state=wire.CLOSE, **path(*((1, CLOSED - 1000 * (rows.PATH - n)) for n in range(rows.PATH))))
    assert full["states"] == [["ESTABLISHED", 1]] * rows.PATH
