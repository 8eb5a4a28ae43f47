"""Are the drops, overflows and SYN cookies that tcpwatch tells of those that the kernel counted, and is the right
listener named?"""

from collections.abc import Iterator
from contextlib import contextmanager

from tcpwatch.scenarios.namespace import Namespace
from tcpwatch.scenarios.queues import flood
from tcpwatch.scenarios.stage import PORT, Stage
from tcpwatch.scenarios.talk import CONNECTIONS

from .watch import Record, Watch

COUNTERS = {
    "listen_drop": "ListenDrops",
    "listen_overflow": "ListenOverflows",
    "syn_cookie_sent": "SyncookiesSent",
    "syn_cookie_accepted": "SyncookiesRecv",
    "syn_cookie_rejected": "SyncookiesFailed",
}
BACKLOG = 8
SYNS = 5000  # a second
LONG_S = 60  # for which a flood goes on at the most
SPARE = PORT + 1


def netstat(room: Namespace) -> dict[str, int]:
    names, values = (line.split()[1:] for line in room.run("grep", "^TcpExt:", "/proc/net/netstat").splitlines())
    return dict(zip(names, map(int, values)))


class Counted:
    """What the server's namespace counted since it was entered, and what tcpwatch told of it."""

    def __init__(self, stage: Stage, watch: Watch) -> None:
        self.room, self.watch = stage.server.room, watch
        self.before = netstat(self.room)

    def grown(self, name: str) -> int:
        return netstat(self.room)[name] - self.before[name]

    def records(self, kind: str) -> list[Record]:
        mine = (self.room.name, str(self.room.inode))
        return [r for r in self.watch.records if r["event"] == kind and r["netns"] in mine]

    def told(self, kind: str) -> int:
        return sum(record["count"] for record in self.records(kind))

    def until_told(self, kind: str, least: int) -> None:
        self.watch.until(1, lambda _: self.told(kind) >= least)

    def agree(self) -> dict[str, int]:
        """Waits until as much was told as was counted, of every kind, and ends the watch; what there was, exactly."""
        counted = {kind: self.grown(name) for kind, name in COUNTERS.items()}
        self.watch.until(1, lambda _: all(self.told(kind) >= amount for kind, amount in counted.items()))
        self.watch.finish()
        told = {kind: self.told(kind) for kind in COUNTERS}
        assert told == counted == {kind: self.grown(name) for kind, name in COUNTERS.items()}
        return told


@contextmanager
def counting(stage: Stage) -> Iterator[Counted]:
    """Begins when tcpwatch has read the namespace's counters: it tells of a connection only then."""
    with Watch("events") as watch:
        stage.dial(1)
        watch.until(1, lambda r: tells_of(stage, r, stage.port))
        yield Counted(stage, watch)


def tells_of(stage: Stage, record: Record, port: int) -> bool:
    ours = record["netns"] in (stage.server.room.name, str(stage.server.room.inode))
    return ours and record["event"] == "state" and record["lport"] == port


def knock(stage: Stage, port: int, count: int) -> None:
    """Each sends two SYNs, a second apart, and fails."""
    stage.client.room.set(tcp_syn_linear_timeouts=0)
    options = {"TCP_SYNCNT": 1}
    stage.client.do("begin", address=stage.server.room.address, port=port, count=count, options=options)
    assert stage.client.do("finish") == ["ETIMEDOUT"] * count


def fill(stage: Stage, port: int) -> None:
    """The kernel takes one more than listen() asked for."""
    stage.client.do("connect", address=stage.server.room.address, port=port, count=BACKLOG + 1)


def test_a_server_that_does_not_accept() -> None:
    """Every SYN that met a full accept queue is a drop and an overflow, of this listener."""
    with Stage() as stage:
        stage.listen(backlog=BACKLOG)
        with counting(stage) as counted:
            fill(stage, stage.port)
            knock(stage, stage.port, CONNECTIONS)
            told = counted.agree()
        assert told["listen_drop"] == told["listen_overflow"] == 2 * CONNECTIONS
        for record in (*counted.records("listen_drop"), *counted.records("listen_overflow")):
            assert (record["laddr"], record["lport"]) == (stage.server.room.address, stage.port)
            assert (record["pid"], record["comm"]) == (stage.server.pid, "server")
            assert record["old_state"] == record["new_state"] == "LISTEN"


def test_two_full_listeners_in_one_namespace() -> None:
    """Each one's drops are its own; whose the overflows were, nobody can tell, so nobody is named."""
    with Stage() as stage:
        stage.listen(backlog=BACKLOG)
        stage.server.do("listen", address=stage.server.room.address, port=SPARE, backlog=BACKLOG, options={})
        with Watch("events") as watch:
            fill(stage, stage.port)
            fill(stage, SPARE)
            watch.until(1, lambda r: tells_of(stage, r, SPARE))
            counted = Counted(stage, watch)
            ports = [stage.port] * 5 + [SPARE] * 7
            for port in sorted(set(ports)):
                options = {"TCP_SYNCNT": 1}
                there = {"address": stage.server.room.address, "port": port}
                stage.client.do("begin", **there, count=ports.count(port), options=options)
            stage.client.do("finish")
            told = counted.agree()
        drops: dict[int | None, int] = {}
        for record in counted.records("listen_drop"):
            drops[record["lport"]] = drops.get(record["lport"], 0) + record["count"]
        syns, rest = divmod(told["listen_drop"], len(ports))
        assert (drops, rest) == ({stage.port: 5 * syns, SPARE: 7 * syns}, 0)
        for record in counted.records("listen_overflow"):
            ends = [record[key] for key in ("conn", "laddr", "lport", "raddr", "rport", "pid")]
            assert ends == [None] * 6


def test_a_flood_answered_with_cookies() -> None:
    """Cookies sent are counted one by one, and those that came back; real clients get through."""
    with Stage() as stage:
        stage.listen(backlog=BACKLOG)
        with counting(stage) as counted:
            with flood(stage, LONG_S * SYNS, SYNS):  # until all got through: without it the queue has room again
                counted.until_told("syn_cookie_sent", SYNS // 10)
                for _ in range(CONNECTIONS):  # more at once would not fit into the accept queue
                    stage.dial(1)
            told = counted.agree()
        assert told["syn_cookie_sent"] >= SYNS // 10
        assert told["syn_cookie_accepted"] == CONNECTIONS
        assert told["listen_overflow"] == 0
        for kind in ("syn_cookie_sent", "syn_cookie_accepted"):
            assert {record["lport"] for record in counted.records(kind)} == {stage.port}


def test_a_flood_without_cookies() -> None:
    """SYNs that found the SYN queue full were dropped, and no accept queue overflowed."""
    with Stage() as stage:
        stage.server.room.set(tcp_syncookies=0)
        stage.listen(backlog=BACKLOG)
        with counting(stage) as counted:
            with flood(stage, LONG_S * SYNS, SYNS):
                counted.until_told("listen_drop", SYNS // 10)
            told = counted.agree()
            turned_away = counted.grown("TCPReqQFullDrop")
        assert told == {"listen_drop": turned_away, **dict.fromkeys(list(COUNTERS)[1:], 0)}
        assert turned_away >= SYNS // 10
        assert {record["lport"] for record in counted.records("listen_drop")} == {stage.port}
