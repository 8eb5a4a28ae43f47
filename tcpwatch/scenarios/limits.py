"""What keeps a transfer slow? Plays of connections that are healthy and held back: by loss, by the receiver, by the
sender's buffer, by the sender's application."""

from collections.abc import Mapping

from tcpwatch.scenarios.scenario import Play, Scenario
from tcpwatch.scenarios.stage import End, Stage

_BYTES = 600_000
_MORE_BYTES = 1_000_000  # of which chance spares no connection, however low the share that gets lost
_WIDE, _FAST = 400, 10**9  # segments; bytes a second
_PAYLOAD_ONLY = "meta l4proto tcp meta length > 500 numgen random mod 100"
_LOSSY: Mapping[End, str] = {"client": "lossy_path"}


def _transfer(stage: Stage, count: int, size: int) -> None:
    stage.server.ask("drain")
    stage.client.do("pour", sizes=[size] * count)
    stage.scene("trouble")
    stage.client.do("shutdown")
    stage.server.answer()
    stage.server.do("close")
    stage.client.do("drain")
    stage.client.do("close")


def _lossy(percent: int, size: int, algorithm: str = "") -> Play:
    def play(stage: Stage, count: int) -> None:
        options = {"TCP_CONGESTION": algorithm} if algorithm else {}
        stage.listen()
        stage.dial(count, "client", **options)
        stage.server.room.nft("input", f"{_PAYLOAD_ONLY} < {percent} counter drop")
        _transfer(stage, count, size)
        stage.numbers["dropped"] = stage.server.room.dropped()

    return play


def _receiver(stage: Stage, count: int) -> None:
    stage.listen(SO_RCVBUF=8192)
    stage.dial(count, "client")
    stage.server.ask("sip", size=4096, pause_s=0.02)
    stage.client.do("pour", sizes=[_BYTES] * count)
    stage.scene("trouble")
    stage.client.do("shutdown")
    stage.server.answer()
    stage.server.do("close")
    stage.client.do("drain")
    stage.client.do("close")


def _send_buffer(stage: Stage, count: int) -> None:
    # The kernel calls it the buffer where the last of it goes out while the process already waits for room, and the
    # window has room left. So: a wide window from the start, and segments sent at a pace, a fast one.
    assert stage.cable
    room = stage.client.room
    wide = ("dev", stage.cable.interface(room), "initcwnd", str(_WIDE))
    room.run("ip", "route", "add", stage.server.room.address, *wide)
    stage.listen()
    stage.dial(count, "client", SO_SNDBUF=16384, SO_MAX_PACING_RATE=_FAST, TCP_CONGESTION="cubic")
    _transfer(stage, count, _MORE_BYTES)


def _application(stage: Stage, count: int) -> None:
    stage.listen()
    stage.dial(count, "client")
    stage.server.ask("drain")
    stage.client.do("trickle", size=20_000, times=160, pause_s=0.05)
    stage.client.do("shutdown")
    stage.server.answer()
    stage.server.do("close")
    stage.client.do("drain")
    stage.client.do("close")


SCENARIOS = (
    Scenario(
        name="lossy_path",
        line="Eight of a hundred segments get lost on the way.",
        play=_lossy(8, _BYTES),
        verdicts=_LOSSY,
        standing=_LOSSY,
        seconds=1.0,
        quiet=False,
        wire="cable",
        delay_s=0.001,
    ),
    Scenario(
        name="lossy_path_cubic",
        line="CUBIC takes every loss for congestion: 5 % of loss over 20 ms slow it down.",
        play=_lossy(5, _MORE_BYTES, "cubic"),
        verdicts=_LOSSY,
        standing=_LOSSY,
        seconds=4.2,
        quiet=False,
        wire="cable",
        delay_s=0.01,
        names=("cubic", "server"),
    ),
    Scenario(
        name="lossy_path_bbr",
        line="BBR measures the path's rate in place of its losses: the same path, much faster.",
        play=_lossy(5, _MORE_BYTES, "bbr"),
        verdicts=_LOSSY,
        standing=_LOSSY,
        seconds=1.6,
        quiet=False,
        wire="cable",
        delay_s=0.01,
        names=("bbr", "server"),
    ),
    Scenario(
        name="receiver_limited",
        line="The server reads slowly into a small buffer; the client may send no more than fits.",
        play=_receiver,
        verdicts={"client": "receiver_limited"},
        standing={"client": "receiver_limited"},
        seconds=3.6,
    ),
    Scenario(
        name="sender_buffer_limited",
        line="The client's send buffer is too small for the distance: most of the time it waits for acknowledgements.",
        play=_send_buffer,
        verdicts={"client": "sender_buffer_limited"},
        standing={"client": "sender_buffer_limited"},
        seconds=2.7,
        quiet=False,
        wire="cable",
        delay_s=0.04,
    ),
    Scenario(
        name="application_limited",
        line="The client's application has something to send only now and then.",
        play=_application,
        verdicts={"client": "application_limited"},
        seconds=8.2,
    ),
)
