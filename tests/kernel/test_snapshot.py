"""Does a snapshot show the same sockets as `ss -tinae`, with the same numbers?"""

import time
from collections.abc import Iterator

import pytest

from tcpwatch.kernel.btf import Btf
from tcpwatch.scenarios.actor import Actor
from tcpwatch.scenarios.namespace import DEADLINE_S, Namespace, join
from tcpwatch.scenarios.talk import CONNECTIONS, Talk

from .watch import Record, snapshot
from .witness import End, Line, count_state, settled, ss, ss_until

Key = tuple[End, End]
Rows = dict[Key, Record]
Lines = dict[Key, Line]
JIFFIES_MS = 20
Said = float | str | list[float] | None

SMALL = {"SYN_RECV", "TIME_WAIT"}  # half-open and TIME_WAIT sockets, and orphans in FIN_WAIT2, have no tcp_info

# what the JSON says: what ss says, in what unit, and what it means that ss leaves it out
COUNTERS = {
    "unacked": ("unacked", 1, 0),
    "lost": ("lost", 1, 0),
    "retrans": ("retrans_2", 1, 0),
    "bytes_sent": ("bytes_sent", 1, 0),
    "bytes_acked": ("bytes_acked", 1, 0),
    "bytes_received": ("bytes_received", 1, 0),
    "segs_out": ("segs_out", 1, 0),
    "segs_in": ("segs_in", 1, 0),
    "srtt_us": ("rtt", 1000, None),
    "rttvar_us": ("rtt_2", 1000, None),
    "min_rtt_us": ("minrtt", 1000, None),
    "cwnd": ("cwnd", 1, None),
    "mss": ("mss", 1, None),
    "pmtu": ("pmtu", 1, None),
    "snd_wnd": ("snd_wnd", 1, 0),
}


def rows_of(room: Namespace) -> Rows:
    rows = snapshot("--netns", room.name)
    found = {((row["laddr"], row["lport"]), (row["raddr"], row["rport"] or 0)): row for row in rows}
    assert len(found) == len(rows)
    return found


def between(room: Namespace) -> tuple[Lines, Rows, Lines]:
    """A snapshot, and what ss showed just before and just after."""
    return ss(room), rows_of(room), ss(room)


def check_sockets(before: Lines, rows: Rows, after: Lines) -> None:
    """The same sockets, in the same states, with the same queues."""
    assert set(rows) == set(before) == set(after)
    for key, row in rows.items():
        told = (row["state"], row["recv_queue"] or 0, row["send_queue"] or 0)
        listed = [(line.state, line.recv_queue, line.send_queue) for line in (before[key], after[key])]
        assert told in listed, (row, *listed)


def check_numbers(before: Lines, rows: Rows, after: Lines) -> None:
    """Every number that both know, of every socket that has a peer."""
    for key, row in rows.items():
        if row["state"] != "LISTEN" and "rto" in before[key].numbers and "rto" in after[key].numbers:
            told = numbers_of_row(row)
            first, last = numbers_of_line(before[key]), numbers_of_line(after[key])
            for name, value in told.items():
                assert within(value, first[name], last[name]), (name, value, first[name], last[name], row)


def check_idle(before: Lines, rows: Rows, after: Lines) -> None:
    """As long as the later of lastsnd and lastrcv says, to the two jiffies that two readings may differ by."""
    for key, row in rows.items():
        if row["state"] == "ESTABLISHED":
            first, last = (
                min(line.numbers.get(n, 0) for n in ("lastsnd", "lastrcv")) for line in (before[key], after[key])
            )
            assert first - JIFFIES_MS <= row["idle_ms"] <= last + JIFFIES_MS, row


def within(value: Said, first: Said, last: Said) -> bool:
    """Equal to one of them, or on the way from one to the other."""
    if isinstance(value, int) and isinstance(first, int | float) and isinstance(last, int | float):
        return min(first, last) <= value <= max(first, last)
    return value in (first, last)


def numbers_of_row(row: Record) -> dict[str, Said]:
    """Under the JSON's names. ss shows no ssthresh from 65535 on, and rates in bits."""
    told = {name: row[name] or absent for name, (_, _, absent) in COUNTERS.items()}
    told["ssthresh"] = row["ssthresh"] if (row["ssthresh"] or 65535) < 65535 else None
    told["wscale"] = row["wscale"]
    told |= {name: bool(row[name]) for name in ("sack", "timestamps", "ecn")}
    told["congestion_algorithm"] = row["congestion_algorithm"]
    told |= {name: row[name] for name in ("pacing_rate", "delivery_rate")}
    return told


def numbers_of_line(line: Line) -> dict[str, Said]:
    numbers = line.numbers
    said: dict[str, Said] = {}
    for ours, (theirs, unit, absent) in COUNTERS.items():
        said[ours] = round(numbers[theirs] * unit) if theirs in numbers else absent
    said["ssthresh"] = numbers.get("ssthresh")
    said["wscale"] = [numbers["wscale"], numbers["wscale_2"]] if "wscale" in numbers else None
    said |= {ours: theirs in line.words for ours, theirs in (("sack", "sack"), ("timestamps", "ts"), ("ecn", "ecn"))}
    said["congestion_algorithm"] = next(iter(line.words & {"cubic", "bbr", "reno"}), None)
    said |= {name: numbers[name] / 8 if name in numbers else None for name in ("pacing_rate", "delivery_rate")}
    return said


@pytest.mark.parametrize("algorithm", ["cubic", "bbr", "reno"])
def test_idle_connections(room: Namespace, talk: Talk, algorithm: str) -> None:
    """46 established sockets that rest between two words: equal to ss in every number."""
    where = {"address": talk.address, "port": talk.port}
    talk.ports = talk.client.do("connect", **where, count=CONNECTIONS, options={"TCP_CONGESTION": algorithm})
    talk.server.do("accept", count=CONNECTIONS)
    talk.exchange()
    talk.client.do("set", options={"SO_KEEPALIVE": 1, "TCP_KEEPIDLE": 23})
    ss_until(room, settled)
    before, rows, after = between(room)
    assert sum(row["state"] == "ESTABLISHED" for row in rows.values()) == 2 * CONNECTIONS
    assert sum(row["congestion_algorithm"] == algorithm for row in rows.values()) >= CONNECTIONS
    check_sockets(before, rows, after)
    check_numbers(before, rows, after)
    check_idle(before, rows, after)
    kept = {key[0][1] for key, row in rows.items() if row["keepalive_ms"] == 23_000}
    assert kept == set(talk.ports)
    assert {row["keepalive_ms"] for row in rows.values()} == {23_000, None}


def queues(lines: Lines) -> dict[object, tuple[int, int]]:
    return {key: (line.recv_queue, line.send_queue) for key, line in lines.items()}


def test_full_queues(room: Namespace, talk: Talk) -> None:
    """A peer that does not read: what waits on both sides, the closed window and what limits the sender."""
    talk.open()
    talk.client.do("stuff")
    before, rows, after = between(room)
    give_up = time.monotonic() + DEADLINE_S
    while queues(before) != queues(after):  # still on their way into the readers' buffers
        assert time.monotonic() < give_up
        before, rows, after = between(room)
    senders = [row for key, row in rows.items() if key[1][1] == talk.port and row["state"] == "ESTABLISHED"]
    readers = [row for key, row in rows.items() if key[0][1] == talk.port and row["state"] == "ESTABLISHED"]
    assert len([row for row in senders if row["send_queue"]]) == CONNECTIONS
    assert len([row for row in readers if row["recv_queue"]]) == CONNECTIONS
    check_sockets(before, rows, after)
    check_numbers(before, rows, after)


@pytest.fixture
def menagerie(room: Namespace, talk: Talk) -> Iterator[Namespace]:
    """Sockets in as many states as can be held still."""
    port = talk.port
    talk.open()
    talk.ask()
    talk.server.do("send", sizes=talk.answered)  # left unread
    with Actor(room, b"tw-orphans") as orphans, Actor(room, b"tw-callers") as callers, Actor(room, b"tw-time") as timer:
        waiting = timer.do("listen", address=room.address)
        orphans.do("connect", address=room.address, port=waiting, count=7)
        timer.do("accept", count=7)
        orphans.do("shutdown")
        timer.do("drain")
        timer.do("close")
        orphans.do("drain")
        orphans.do("close")
        orphans.do("connect", address=room.address, port=waiting, count=5)
        orphans.do("close")
        ss_until(room, count_state("FIN_WAIT2", 5))
        talk.client.do("connect", address=room.address, port=port, count=3)  # not accepted
        room.nft("input", "tcp dport 9 drop\ntcp dport 8 tcp flags & (syn | ack | psh | fin | rst) == ack drop")
        callers.do("begin", address=room.address, port=9, count=11)
        timer.do("listen", address=room.address, port=8)
        callers.do("connect", address=room.address, port=8, count=2)
        yield room


PASSING = ("SYN_RECV", "TIME_WAIT", "FIN_WAIT2")  # of themselves, in a minute


def left_out() -> set[str]:
    """States that only small sockets are in here, which tcpwatch leaves out where no program can make their cookies."""
    kernel = Btf.of_kernel()
    try:
        return set() if kernel.has_helper("bpf_get_socket_ptr_cookie") else {"SYN_RECV", "TIME_WAIT", "FIN_WAIT2"}
    finally:
        kernel.close()


def test_every_state(menagerie: Namespace) -> None:
    """Listeners and their queues, half-open, opening, established, closing and TIME_WAIT sockets: none missing."""
    before, rows, after = between(menagerie)
    states = [row["state"] for row in rows.values()]
    wanted = {"SYN_SENT": 11, "SYN_RECV": 2, "TIME_WAIT": 7, "FIN_WAIT2": 5, "CLOSE_WAIT": 5, "LISTEN": 3}
    for state in left_out():
        wanted[state] = 0
        before, after = ({key: line for key, line in seen.items() if line.state != state} for seen in (before, after))
    found = {state: states.count(state) for state in wanted}
    for state in PASSING:  # a slow machine takes so long to look that some are over: those that ss still sees are not
        least = sum(line.state == state for line in after.values())
        assert least <= found[state] <= wanted[state], (state, found)
        wanted[state] = found[state]
    assert found == wanted
    check_sockets(before, rows, after)
    check_numbers(before, rows, after)
    listeners = {row["lport"]: (row["recv_queue"], row["send_queue"]) for row in rows.values() if not row["rport"]}
    assert (3, 128) in listeners.values()


def test_after_losses(rooms: tuple[Namespace, Namespace]) -> None:
    """Connections with a history of losses: ssthresh, retransmissions and round trips are those of ss."""
    left, right = rooms
    join(left, right)
    with Actor(left, b"tw-client") as client, Actor(right, b"tw-server") as server:
        talk = Talk(client, server)
        where = {"address": talk.address, "port": talk.port}
        talk.ports = client.do("connect", **where, count=CONNECTIONS, options={"TCP_CONGESTION": "cubic"})
        server.do("accept", count=CONNECTIONS)
        right.nft("input", "ip protocol tcp numgen random mod 100 < 5 counter drop")
        sizes = [300_000] * CONNECTIONS
        server.ask("receive", sizes=sizes)
        client.do("pour", sizes=sizes)
        server.answer()
        right.nft("input", "")
        ss_until(left, settled)
        for room in (left, right):
            before, rows, after = between(room)
            check_sockets(before, rows, after)
            check_numbers(before, rows, after)
            if room is left:
                assert any(row["retrans"] and row["ssthresh"] for row in rows.values())
