"""What if one end hears nothing more? Plays of peers that vanish, stop reading or forget to close."""

from tcpwatch.scenarios.orderly import converse
from tcpwatch.scenarios.scenario import Play, Scenario
from tcpwatch.scenarios.stage import Stage

_RETRIES = 4  # sent again after 0.2, 0.6, 1.4 and 3 s, given up after 6.2
_THREE_TIMES_S = 2.0
_DELAYED_ACK_S = 0.3  # by then it has come, and all is said
_PROBES, _TWO_PROBES_S = 6, 2.6  # a second apart
_STALLED_S, _PATIENCE_MS = 3.8, 8000
_AS_LONG_AS_LOOKED_AT = 100  # probes
_FORGETFUL_S, _VERY_FORGETFUL_S = 11.0, 61.5


def _vanish(stage: Stage) -> None:
    stage.server.room.nft("input", "meta l4proto tcp counter drop")


def _retransmitting(stage: Stage, count: int) -> None:
    stage.listen()
    stage.dial(count, "client")
    converse(stage, count)
    _vanish(stage)
    stage.client.do("send", sizes=[3000] * count)
    stage.wait(_THREE_TIMES_S)
    stage.scene("trouble")
    stage.client.room.set(tcp_retries2=_RETRIES)
    stage.met("client", stage.client.do("broken"))
    stage.client.do("close")
    stage.server.do("reset")


def _keepalive(stage: Stage, count: int) -> None:
    stage.listen()
    stage.dial(count, "client", TCP_KEEPIDLE=1, TCP_KEEPINTVL=1, TCP_KEEPCNT=_AS_LONG_AS_LOOKED_AT)
    converse(stage, count)
    stage.wait(_DELAYED_ACK_S)
    _vanish(stage)
    stage.client.do("set", options={"SO_KEEPALIVE": 1})
    stage.wait(_TWO_PROBES_S)
    stage.scene("trouble")
    stage.client.do("set", options={"TCP_KEEPCNT": _PROBES})
    stage.met("client", stage.client.do("broken"))
    stage.numbers["dropped"] = stage.server.room.dropped()
    stage.client.do("close")
    stage.server.do("reset")


def _zero_window(stage: Stage, count: int) -> None:
    stage.listen(SO_RCVBUF=8192)
    stage.dial(count, "client", SO_SNDBUF=65536)
    stage.client.do("stuff")
    stage.wait(_STALLED_S)
    stage.scene("trouble")
    stage.client.do("set", options={"TCP_USER_TIMEOUT": _PATIENCE_MS})
    stage.met("client", stage.client.do("broken"))
    stage.client.do("close")
    stage.server.do("reset")


def _half_closed(seconds: float) -> Play:
    def play(stage: Stage, count: int) -> None:
        stage.listen()
        stage.dial(count, "server")
        converse(stage, count)
        stage.client.do("shutdown")
        stage.wait(seconds)
        stage.scene("trouble")
        stage.server.do("close")
        stage.client.do("drain")
        stage.client.do("close")

    return play


SCENARIOS = (
    Scenario(
        name="timed_out_retransmitting",
        line="The server vanishes in mid-stream; the client sends again and again until it gives up.",
        play=_retransmitting,
        verdicts={"client": "timed_out_retransmitting"},
        standing={"client": "unacknowledged"},
        seconds=6.7,
    ),
    Scenario(
        name="timed_out_keepalive",
        line="The server vanishes while the connection is idle, and keep-alive probes find it out.",
        play=_keepalive,
        verdicts={"client": "timed_out_keepalive"},
        standing={"client": "unacknowledged"},
        seconds=7.5,
    ),
    Scenario(
        name="stalled_zero_window",
        line="The server stops reading; its window is shut, and the client gives up waiting.",
        play=_zero_window,
        verdicts={"client": "stalled_zero_window"},
        standing={"client": "stalled_zero_window"},
        seconds=8.4,
    ),
    Scenario(
        name="half_closed_lingering",
        line="The client has hung up, and the server's application does not close.",
        play=_half_closed(_FORGETFUL_S),
        verdicts={"server": "clean"},
        standing={"server": "half_closed_lingering"},
        seconds=_FORGETFUL_S + 0.3,
    ),
    Scenario(
        name="half_closed_lingering_long",
        line="The client has hung up, and the server's application closes a minute later.",
        play=_half_closed(_VERY_FORGETFUL_S),
        verdicts={"server": "half_closed_lingering"},
        standing={"server": "half_closed_lingering"},
        seconds=_VERY_FORGETFUL_S + 0.3,
        long=True,
    ),
)
