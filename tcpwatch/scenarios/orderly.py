"""Which connections are in order, however unusual? Plays whose verdict is `clean`: nobody is to be alarmed by them."""

from collections.abc import Mapping

from tcpwatch.scenarios.cable import SYN
from tcpwatch.scenarios.scenario import Scenario
from tcpwatch.scenarios.stage import End, Stage

_BOTH_CLEAN: Mapping[End, str] = {"client": "clean", "server": "clean"}
_ASKED, _ANSWERED = 700, 5000
_FAST_OPEN_BOTH_WAYS = 3


def converse(stage: Stage, count: int) -> None:
    """A question and an answer on every connection."""
    for one, other, size in ((stage.client, stage.server, _ASKED), (stage.server, stage.client, _ANSWERED)):
        one.do("send", sizes=[size] * count)
        other.do("receive", sizes=[size] * count)


def hang_up(stage: Stage) -> None:
    """The client says goodbye, the server answers it, and both have seen it."""
    stage.client.do("shutdown")
    stage.server.do("drain")
    stage.server.do("close")
    stage.client.do("drain")
    stage.client.do("close")


def _clean(stage: Stage, count: int) -> None:
    stage.listen()
    stage.dial(count, "client", "server")
    converse(stage, count)
    stage.scene("talking")
    hang_up(stage)


def _half_close(stage: Stage, count: int) -> None:
    stage.listen()
    stage.dial(count, "client", "server")
    converse(stage, count)
    stage.client.do("shutdown")
    stage.server.do("trickle", size=_ANSWERED, times=5, pause_s=0.1)
    stage.scene("half closed")
    stage.server.do("close")
    stage.client.do("drain")
    stage.client.do("close")


def _simultaneous_open(stage: Stage, count: int) -> None:
    assert stage.cable
    lefts, rights = (list(range(first, first + count)) for first in (5000, 6000))
    stage.cable.hold()
    stage.client.do("begin", address=stage.server.room.address, port=rights[0], sources=lefts)
    stage.server.do("begin", address=stage.client.room.address, port=lefts[0], sources=rights)
    stage.cable.wait_for(count, SYN)
    stage.cable.release()
    stage.judge("client", lefts, stage.client.do("finish"), rights)
    stage.judge("server", lefts, stage.server.do("finish"), rights)
    converse(stage, count)
    stage.scene("talking")
    hang_up(stage)


def open_fast(stage: Stage) -> None:
    """A server that takes Fast Open, and one connection to it, which has fetched the cookie that others use."""
    for party in (stage.client, stage.server):
        party.room.set(tcp_fastopen=_FAST_OPEN_BOTH_WAYS)
    stage.listen(TCP_FASTOPEN=128)
    _converse_fast(stage, 1)


def _converse_fast(stage: Stage, count: int) -> None:
    ports = stage.client.do("connect_fast", **stage.there, count=count, size=_ASKED)
    accepted = stage.server.do("accept", count=count)
    stage.server.do("receive", sizes=[_ASKED] * count)
    stage.server.do("send", sizes=[_ANSWERED] * count)
    stage.client.do("receive", sizes=[_ANSWERED] * count)
    stage.judge("client", ports)
    stage.judge("server", accepted)


def _fast_open(stage: Stage, count: int) -> None:
    open_fast(stage)
    hang_up(stage)
    _converse_fast(stage, count)
    hang_up(stage)


SCENARIOS = (
    Scenario(
        name="clean",
        line="A client asks, a server answers, and both say goodbye.",
        play=_clean,
        verdicts=_BOTH_CLEAN,
        seconds=0.1,
    ),
    Scenario(
        name="clean_half_close",
        line="The client has said all it had to say and hangs up its half; the server goes on answering.",
        play=_half_close,
        verdicts=_BOTH_CLEAN,
        seconds=0.6,
    ),
    Scenario(
        name="clean_simultaneous_open",
        line="Two call each other at the same moment: their SYNs cross, and one connection comes of it.",
        play=_simultaneous_open,
        verdicts=_BOTH_CLEAN,
        seconds=0.3,
        wire="cable",
        names=("caller", "other-caller"),
    ),
    Scenario(
        name="clean_fast_open",
        line="TCP Fast Open: the question travels with the SYN and saves a round trip.",
        play=_fast_open,
        verdicts=_BOTH_CLEAN,
        seconds=0.1,
    ),
)
