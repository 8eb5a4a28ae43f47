"""What if a server is offered more connections than it takes? Plays of full accept queues, full SYN queues and SYN
floods, with cookies and without."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tcpwatch.errors import TcpwatchError
from tcpwatch.scenarios.failures import knock
from tcpwatch.scenarios.namespace import DEADLINE_S
from tcpwatch.scenarios.orderly import converse, hang_up
from tcpwatch.scenarios.scenario import Scenario
from tcpwatch.scenarios.stage import Stage

SCRIPT = Path(__file__).with_name("syns.py")
FAKE_SOURCES = "198.18.0.0/15"  # of syns.py
_BACKLOG = 8
_FLOOD_BACKLOG = 64
_A_MOMENT_S = 0.05
_FLOOD_S = 60.0  # at most: it ends when the play does
_FLOOD_RATE = 5000  # SYNs a second
_TRICKLE_RATE = 200  # likewise: takes the places of those that expire
_ONCE_MORE_S = 1.2  # by then the SYN was sent again
# Half-open connections expire 7 s after each other, and for a moment there is room. A client that begins now sends its
# SYNs after 0, 1, 3, 7 and 15 s, which is never then.
_APART_S = 2.0


@contextmanager
def flood(stage: Stage, most: int, rate: int) -> Iterator[None]:
    """SYNs from made-up addresses, from the client's side, while the context lasts; how many there were goes to
    `numbers`. most: at the most; rate: a second."""
    stage.server.room.run("ip", "route", "add", FAKE_SOURCES, "via", stage.client.room.address)
    where = (stage.server.room.address, str(stage.port))
    command = stage.client.room.inside(sys.executable, "-IS", str(SCRIPT), "flood", *where, str(most), str(rate))
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            if process.stdout.readline() != "ready\n":
                raise TcpwatchError("no raw socket for a SYN flood")
            yield
            sent, _ = process.communicate(timeout=DEADLINE_S)
        finally:
            process.kill()
    stage.numbers["syns"] = int(sent)


def _accept_queue(stage: Stage, count: int) -> None:
    stage.listen(backlog=_BACKLOG)
    _fill(stage)
    knock(stage, count, _ONCE_MORE_S)


def _accept_queue_later(stage: Stage, count: int) -> None:
    stage.listen(backlog=_BACKLOG)
    for _ in range(_BACKLOG):  # so far it accepts and answers
        stage.dial(1)
    converse(stage, _BACKLOG)
    stage.scene("talking")
    _fill(stage)
    knock(stage, count, _ONCE_MORE_S)


def _fill(stage: Stage) -> None:
    waiting = _BACKLOG + 1  # the kernel takes one more than listen() asked for
    stage.client.do("connect", **stage.there, count=waiting)
    stage.numbers["waiting"] = waiting


def _wait_until_full(stage: Stage) -> None:
    """The SYN queue: a SYN has found no place in it."""
    room, give_up = stage.server.room, time.monotonic() + DEADLINE_S
    while not room.counted("TCPReqQFullDrop") + room.counted("TCPReqQFullDoCookies"):
        if time.monotonic() > give_up:
            raise TcpwatchError("the SYN queue does not fill")
        stage.wait(_A_MOMENT_S)


def _syn_queue(stage: Stage, count: int) -> None:
    stage.server.room.set(tcp_syncookies=0)
    stage.listen(backlog=_BACKLOG)
    with flood(stage, int(_FLOOD_S * _TRICKLE_RATE), _TRICKLE_RATE):
        _wait_until_full(stage)
        stage.wait(_APART_S)
        knock(stage, count, _ONCE_MORE_S)


def _flood_without_cookies(stage: Stage, count: int) -> None:
    stage.server.room.set(tcp_syncookies=0)
    stage.listen(backlog=_FLOOD_BACKLOG)
    with flood(stage, int(_FLOOD_S * _FLOOD_RATE), _FLOOD_RATE):
        _wait_until_full(stage)
        stage.wait(_APART_S)
        knock(stage, count, _ONCE_MORE_S)


def _flood_with_cookies(stage: Stage, count: int) -> None:
    stage.listen(backlog=_FLOOD_BACKLOG)
    with flood(stage, int(_FLOOD_S * _FLOOD_RATE), _FLOOD_RATE):
        _wait_until_full(stage)
        stage.dial(count, "client", "server")
        converse(stage, count)
        stage.scene("trouble")
        hang_up(stage)


SCENARIOS = (
    Scenario(
        name="accept_queue_full",
        line="The server listens and never accepts: once its accept queue is full, SYNs are dropped.",
        play=_accept_queue,
        verdicts={"client": "accept_queue_full"},
        standing={"client": "accept_queue_full"},
        listener="accept_queue_full",
        seconds=7.2,
    ),
    Scenario(
        name="accept_queue_full_later",
        line="A server that served well stops accepting, and its accept queue runs over.",
        play=_accept_queue_later,
        verdicts={"client": "accept_queue_full"},
        standing={"client": "accept_queue_full"},
        listener="accept_queue_full",
        seconds=7.2,
    ),
    Scenario(
        name="syn_queue_full",
        line="Half-open connections fill the SYN queue; without cookies the next SYNs are dropped.",
        play=_syn_queue,
        verdicts={"client": "syn_queue_full"},
        standing={"client": "syn_queue_full"},
        listener="syn_queue_full",
        seconds=9.3,
    ),
    Scenario(
        name="syn_queue_full_flood",
        line="A SYN flood without SYN cookies: real clients do not get through.",
        play=_flood_without_cookies,
        verdicts={"client": "syn_queue_full"},
        standing={"client": "syn_queue_full"},
        listener="syn_queue_full",
        seconds=9.3,
        quiet=False,
    ),
    Scenario(
        name="clean_flood",
        line="The same flood with SYN cookies: real clients get through as if nothing were the matter.",
        play=_flood_with_cookies,
        verdicts={"client": "clean", "server": "clean"},
        listener="syn_queue_full",
        seconds=0.5,
        quiet=False,
    ),
)
