"""Does each rule find what it is for, and nothing when it should not? On pictures made by hand."""

import errno
from typing import Any

import numpy as np
import pytest

from tcpwatch import rows as shape
from tcpwatch import wire
from tcpwatch.filter import parse
from tcpwatch.frame import Probe
from tcpwatch.health import RULES
from tcpwatch.health.lingering import LEAK, POOL
from tcpwatch.health.troubles import ALIKE, LEAST, TROUBLES
from tcpwatch.rows import FLOOD, LISTENER, LOAD, POINT, SLOW_ACCEPT
from tcpwatch.verdicts import HIGH, LOW, MEDIUM, harm_of

from .build import CLIENT, HOME, SERVER, START, Looker, S, address, codes, counts, filled, lives, living

ENDED = [trouble for trouble in TROUBLES if trouble.ended]
_PATH = np.zeros((2, shape.PATH), np.uint64)
_PATH[:, :3] = (wire.SYN_SENT, wire.ESTABLISHED, wire.CLOSE_WAIT), (START - 9 * S, START - 9 * S + 1, START - 3 * S)
# A pool's connection, written to two seconds after the peer had closed it
STALE: dict[str, Any] = {"path_len": 3, "path_state": _PATH[0], "path_ns": _PATH[1], "reset_ns": START - S}
STALE |= {"resets_received": 1, "error": errno.EPIPE, "at": START - S}
STANDING = [trouble for trouble in TROUBLES if trouble.stands and trouble.code != "half_closed_lingering"]


def bad(count: int, trouble: Any, **facts: Any) -> np.ndarray:
    """rows.ROW of connections that ended so."""
    return lives(count, trouble.code, **(STALE if trouble.holds else {}) | facts)


@pytest.mark.parametrize("trouble", ENDED, ids=lambda trouble: trouble.code)
def test_a_burst_of_one_bad_verdict(trouble: Any) -> None:
    """From the threshold on, not below it."""
    for count in (trouble.from_count - 1, trouble.from_count):
        looker = Looker()
        looker.health.note(bad(count, trouble), START)
        assert codes(looker.look()) == [trouble.code] * (count == trouble.from_count)


def test_stale_connections_of_a_pool() -> None:
    """Clients' that were written to long after the peer's FIN; not what only crosses with it, nor late answers."""
    looker = Looker()
    looker.health.note(lives(23, "reset_after_goodbye", **STALE | {"reset_ns": START - 3 * S + S // 2}), START)
    looker.health.note(lives(23, "reset_after_goodbye", **SERVER | STALE), START)
    assert looker.look() == []
    looker.health.note(lives(23, "reset_after_goodbye", **STALE), START)
    (found,) = looker.look()
    assert (found.code, found.count, found.severity, found.where) == ("reset_after_goodbye", 23, LOW, "10.0.9.9:6379")
    assert found.sentence == (
        "23 connections of worker to 10.0.9.9:6379 were written to a second or more after the peer had closed them, "
        "and reset in the last minute, the newest 3.0 s ago."
    )
    assert found.since_ns == START - S
    assert "shorter idle limit" in found.advice[0]


@pytest.mark.parametrize("trouble", STANDING, ids=lambda trouble: trouble.code)
def test_many_that_are_in_trouble_now(trouble: Any) -> None:
    """Alive, and counted as such."""
    assert codes(Looker().look(living(trouble.from_count - 1, trouble.code))) == []
    (found,) = Looker().look(living(trouble.from_count, trouble.code))
    assert (found.code, found.count, found.severity) == (trouble.code, trouble.from_count, harm_of(trouble.code))
    assert f"{trouble.from_count} now" in found.numbers


def test_what_a_finding_says() -> None:
    """Numbers with units, where, whose, when, the cure, and the filter that leads there."""
    looker = Looker()
    looker.health.note(lives(14, "refused", at=START - 2 * S), START)
    looker.health.note(lives(6, "clean"), START)
    (found,) = looker.look()
    assert found.where == "10.0.9.9:6379"
    assert found.sentence == (
        "14 connections of worker to 10.0.9.9:6379 were refused in the last minute (70 % of those that ended), the "
        "newest 3.0 s ago."
    )
    assert found.since_ns == START - 2 * S
    assert not found.earlier
    assert "ss -ltn" in found.advice[0]
    assert found.lead.page == "connections"
    assert found.lead.closed
    assert found.lead.expression == "verdict = refused and dst 10.0.9.9:6379"


def test_bursts_are_told_apart_by_service_and_namespace() -> None:
    """A client's by where it connects to, a server's by its port, whoever the other end is."""
    looker = Looker()
    for host in (1, 2):
        looker.health.note(lives(3, "refused", raddr=f"10.0.9.{host}"), START)
    looker.health.note(lives(3, "refused", netns=7), START)
    for host in range(9):
        looker.health.note(lives(1, "reset_by_us_unread_data", **SERVER | {"raddr": f"10.0.1.{host}"}), START)
    found = looker.look(namespaces={7: "blue"})
    assert {one.where for one in found} == {"10.0.9.1:6379", "10.0.9.2:6379", "10.0.9.9:6379 in blue", "nginx :443"}
    assert {one.lead.expression for one in found if "netns" in one.lead.expression} == {
        "verdict = refused and dst 10.0.9.9:6379 and netns = 7"
    }


def test_one_among_very_many_is_no_finding() -> None:
    """Of 10,000 clients some always vanish."""
    looker = Looker()
    looker.health.note(lives(3, "timed_out_retransmitting", **SERVER), START)
    looker.health.note(lives(1000, "clean", **SERVER), START)
    assert looker.look() == []
    few, many = living(5, "unacknowledged", **SERVER), living(10_000, **SERVER)
    assert Looker().look(few, many) == []
    assert codes(Looker().look(few, many[:100])) == ["unacknowledged"]


def test_the_same_everywhere_is_one_finding() -> None:
    """Forty destinations, none of which has enough by itself; and hundreds that all have."""
    looker = Looker()
    scattered = [lives(1, "no_answer", raddr=f"203.0.113.{i}") for i in range(40)]
    looker.health.note(np.concatenate(scattered), START)
    (found,) = looker.look()
    assert (found.code, found.count) == ("no_answer_everywhere", 40)
    assert "40 destinations" in found.sentence
    looker = Looker()
    looker.health.note(
        np.concatenate([lives(9, "no_answer", raddr=f"203.0.{i // 200}.{i % 200}") for i in range(600)]), START
    )
    found_ = looker.look()
    assert codes(found_).count("no_answer") == ALIKE
    assert codes(found_).count("no_answer_everywhere") == 1
    assert sum(one.count for one in found_) == 600 * 9


@pytest.mark.parametrize(
    "verdict", ["clean", "application_limited", "receiver_limited", "handshake_unfinished", "unclear"]
)
def test_what_is_no_harm_is_no_finding(verdict: str) -> None:
    """However often."""
    looker = Looker()
    looker.health.note(lives(1000, verdict), START)
    assert looker.look(living(1000, verdict)) == []


def test_close_wait_is_the_process_s_fault() -> None:
    """A server's soon; a client's pool may hold many that its peer has closed."""
    waiting = {"verdict": "half_closed_lingering", "state": wire.CLOSE_WAIT, "state_ms": 90_000.0}
    assert Looker().look(living(LEAK - 1, **SERVER | waiting)) == []
    assert Looker().look(living(POOL - 1, **CLIENT | waiting)) == []
    (found,) = Looker().look(living(LEAK, **SERVER | waiting))
    assert (found.code, found.where, found.severity) == ("close_wait", "nginx (812)", MEDIUM)
    assert found.since_ns == START + S - 90 * S
    assert found.lead.expression == "state close-wait and pid = 812"
    (found,) = Looker().look(living(1000, **SERVER | waiting))
    assert found.severity == HIGH


def test_fin_wait2() -> None:
    """Peers that do not close, by the dozen."""
    waiting = {"verdict": "half_closed_lingering", "state": wire.FIN_WAIT2}
    assert Looker().look(living(49, **SERVER | waiting)) == []
    assert codes(Looker().look(living(50, **SERVER | waiting))) == ["fin_wait2"]


def listener(hint: int, **measures: float) -> dict[str, Any]:
    """A scene's listeners, one, with what it did in each of the last three seconds."""
    facts = {"cookie": 23, "netns": HOME, "lport": 443, "comm": b"nginx", "hint": hint, "accept_queue": 129}
    listeners = filled(LISTENER, 1, {**facts, "accept_limit": 128, "half_open": 64, "at": 0})
    points = np.zeros((1, 3), POINT)
    for name, value in measures.items():
        points[name] = value
    return {"listeners": listeners, "times_ns": np.arange(3, dtype=np.uint64) * S, "points": points}


@pytest.mark.parametrize(
    ("hint", "code", "measures", "severity", "said"),
    [
        (SLOW_ACCEPT, "accept_queue_full", {"drops": 44}, HIGH, "132 handshakes were dropped in 10 s"),
        (SLOW_ACCEPT, "accept_queue_full", {}, MEDIUM, "129 wait of 128"),
        (
            FLOOD,
            "syn_flood",
            {"drops": 5, "accepts": 2},
            HIGH,
            "15 dropped in 10 s; 64 are half-open, 6 were completed",
        ),
        (FLOOD, "syn_flood", {"cookies_sent": 1000}, MEDIUM, "3,000 cookies sent in 10 s"),
        (LOAD, "syn_queue_full", {"drops": 5, "accepts": 200}, HIGH, "600 in 10 s"),
    ],
)
def test_queues(hint: int, code: str, measures: dict[str, float], severity: int, said: str) -> None:
    """Of the listener, with a way to its line; nothing where the hint is that all is fine."""
    (found,) = Looker().look(**listener(hint, **measures), settings={HOME: {"net.ipv4.tcp_syncookies": "0"}})
    assert (found.code, found.severity, found.where) == (code, severity, "nginx :443")
    assert said in found.sentence
    assert (found.lead.page, found.lead.row) == ("listeners", (HOME, 23))
    assert ("tcp_syncookies=1" in " ".join(found.advice)) == (hint != SLOW_ACCEPT)
    assert Looker().look(**listener(shape.FINE, **measures)) == []


PORTS: dict[str, Any] = {"netns": HOME, "laddr": "10.0.0.7", "raddr": "10.0.9.9", "rport": 5432, "ports": 1000.0}


@pytest.mark.parametrize(
    ("measures", "severity"),
    [
        ({"used": 1000, "free": 0, "exhausted_s": 0}, HIGH),
        ({"used": 500, "free": 500, "exhausted_s": 30}, HIGH),
        ({"used": 500, "free": 500, "exhausted_s": 200}, MEDIUM),
        ({"used": 950, "free": 50, "exhausted_s": np.nan}, MEDIUM),
        ({"used": 100, "free": 900, "exhausted_s": 200}, None),
        ({"used": 800, "free": 200, "exhausted_s": np.nan}, None),
        ({"used": 1000, "free": 0, "reusable": 990, "exhausted_s": np.nan}, None),
        ({"used": 5, "free": np.nan, "ports": np.nan, "exhausted_s": np.nan}, None),
        ({"used": 0, "free": np.nan, "ports": np.nan, "failures": 23, "exhausted_s": 0}, HIGH),
    ],
)
def test_ports(measures: dict[str, float], severity: int | None) -> None:
    """Gone, soon gone, or merely in use; unknown is no alarm."""
    found = Looker().look(ports=filled(shape.PORTS, 1, PORTS | measures))
    assert [one.severity for one in found] == ([] if severity is None else [severity])
    for one in found:
        assert one.code == "out_of_ports"
        assert one.lead.row == (HOME, address("10.0.0.7"), address("10.0.9.9"), 5432)


@pytest.mark.parametrize(
    ("laddr", "raddr", "count", "finds"),
    [
        ("10.0.0.7", "203.0.113.9", 5, True),
        ("192.168.1.7", "8.8.8.8", 23, True),
        ("10.0.0.7", "203.0.113.9", 4, False),
        ("10.0.0.7", "10.3.2.1", 23, False),
        ("203.0.113.1", "8.8.8.8", 23, False),
        ("10.0.0.7", "172.20.0.1", 23, False),
    ],
)
def test_idle_connections_that_a_nat_forgot(laddr: str, raddr: str, count: int, finds: bool) -> None:
    """Only where there is one for certain: pools within a network idle in peace."""
    idle = filled(shape.IDLE, count, {"risk": shape.FORGOTTEN})
    idle["row"] = np.arange(count)
    found = Looker().look(living(count, laddr=laddr, raddr=raddr), idle=idle, nat_timeout_s=350.0)
    assert codes(found) == ["idle_forgotten"] * finds


@pytest.mark.parametrize(
    ("grown", "code"),
    [
        ({"time_wait_overflows": 1}, "time_wait_overflow"),
        ({"receive_queue_drops": 100}, "receive_queue_drops"),
        ({"backlog_drops": 100}, "backlog_drops"),
        ({"segs_out": 10_000, "segs_retrans": 600}, "many_retransmits"),
        ({"segs_out": 10_000, "segs_retrans": 250, "spurious": 150}, "spurious_retransmits"),
        ({"segs_out": 100_000, "segs_retrans": 600}, None),
        ({"segs_out": 10_000, "segs_retrans": 900, "syn_retrans": 880}, None),
        ({"segs_out": 10_000, "segs_retrans": 250, "loss_probes": 240, "spurious": 20}, None),
    ],
)
def test_what_a_namespace_counts(grown: dict[str, int], code: str | None) -> None:
    """What it grew by within a minute; what was there before says nothing."""
    looker, before = Looker(), dict.fromkeys(grown, 1000000)
    assert looker.look(counted=counts(**before)) == []
    found = looker.look(counted=counts(**{name: before[name] + more for name, more in grown.items()}))
    assert codes(found) == ([] if code is None else [code])


def test_events_lost() -> None:
    """By tcpwatch itself; and a minute later nobody speaks of it any more."""
    looker, tally = Looker(), np.zeros(len(wire.KINDS), wire.TALLY)
    tally["seen"][0], tally["lost"][0] = 100_000, 23
    (found,) = looker.look(tally=tally)
    assert (found.code, found.severity, found.count) == ("events_lost", LOW, 23)
    looker.rest(61)
    looker.look(tally=tally)
    looker.rest(6)
    assert looker.look(tally=tally) == []


def test_what_was_lost_before_is_no_news() -> None:
    """Whoever joins a recording in its middle is not told of losses that precede it."""
    looker, tally = Looker(), np.zeros(len(wire.KINDS), wire.TALLY)
    tally["seen"][0], tally["lost"][0] = 100_000, 23
    looker.health.begin(tally, looker.now)
    assert looker.look(tally=tally) == []
    tally["lost"][0] += 7
    assert [(one.code, one.count) for one in looker.look(tally=tally)] == [("events_lost", 7)]


def test_hooks_refused() -> None:
    """What the kernel merely does not have is no finding."""
    refused = Probe("tcp_send_reset", "tp_btf", "resets", False, "EPERM", "resets are not seen", True)
    lacking = Probe("tcp_cong_state_set", "tp_btf", "congestion", False, "not in this kernel")
    (found,) = Looker().look(probes=(refused, lacking))
    assert (found.code, found.severity) == ("hooks_refused", LOW)
    assert "tcp_send_reset: resets are not seen" in found.sentence
    assert Looker().look(probes=(lacking,)) == []


def test_every_lead_is_a_filter_that_can_be_read() -> None:
    """Also of hostile and of nameless processes, IPv6 and networks."""
    looker = Looker()
    for host, trouble in enumerate(ENDED):
        looker.health.note(bad(100, trouble, raddr=f"10.{host}.0.1", comm=b"\x1b[2J and", pid=0, netns=7), START)
    waiting = {"verdict": "half_closed_lingering", "state": wire.CLOSE_WAIT, "netns": 7}
    found = looker.look(living(1000, **CLIENT | waiting | {"pid": 0}), living(1000, **SERVER | waiting))
    assert len(found) == len(ENDED) + 2
    for one in found:
        parse(one.lead.expression)
        assert "\x1b" not in one.sentence + one.where


def test_every_rule_is_documented() -> None:
    """A code each, and words for it."""
    assert len({rule.code for rule in RULES}) == len(RULES)
    assert all(rule.meaning and rule.when and rule.severity in ("low", "medium", "high") for rule in RULES)
    assert set(LEAST) == {LOW, MEDIUM, HIGH}
