"""Who cuts a connection off, and why? Plays that end in a reset."""

from tcpwatch.errors import KernelLacks
from tcpwatch.scenarios.namespace import Namespace
from tcpwatch.scenarios.orderly import converse, hang_up
from tcpwatch.scenarios.scenario import Play, Scenario
from tcpwatch.scenarios.stage import Stage

_FORGETS_S = 4  # a firewall forgets what was idle for so long
_LONG_SILENCE_S = 31.0
_RETRIES = 2  # given up after some three seconds
_UNREAD = 3000
_PATIENT_S = 120  # in which an orphan hears of what the peer still sends; longer than TIME_WAIT takes
_DELAYED_ACK_S = 0.3  # by then it has come


def _at_once(stage: Stage, count: int) -> None:
    stage.listen()
    stage.server.ask("turn_away", count=count)
    ports = stage.client.do("begin", **stage.there, count=count)
    turned_away = stage.server.answer()
    begun, later = stage.client.do("finish"), stage.client.do("broken")  # an error is told once
    stage.judge("client", ports, [one or other for one, other in zip(begun, later)])
    stage.judge("server", turned_away)
    stage.client.do("close")


def _server_resets(stage: Stage) -> None:
    stage.server.do("reset")
    stage.met("client", stage.client.do("broken"))
    stage.client.do("close")


def _midstream(stage: Stage, count: int) -> None:
    stage.listen()
    stage.dial(count, "client", "server")
    converse(stage, count)
    stage.server.do("trickle", size=500, times=3, pause_s=0.1)
    stage.scene("talking")
    _server_resets(stage)


def _forgetful(middle: Namespace | None, answer: str) -> None:
    """Makes a stateful firewall of it that treats what it no longer knows so."""
    assert middle
    middle.nft("forward", f"ct state established,new accept\nct state invalid counter {answer}")
    settings = {"established": _FORGETS_S, "unacknowledged": _FORGETS_S}
    timeouts = (f"net.netfilter.nf_conntrack_tcp_timeout_{name}={value}" for name, value in settings.items())
    middle.run("sysctl", "-q", "-w", "net.netfilter.nf_conntrack_tcp_loose=0", *timeouts)


def _idle(seconds: float) -> Play:
    def play(stage: Stage, count: int) -> None:
        _forgetful(stage.middle, "reject with tcp reset")
        stage.listen()
        stage.dial(count, "client")
        converse(stage, count)
        stage.scene("talking")
        stage.wait(seconds)
        stage.client.do("send", sizes=[500] * count)
        stage.met("client", stage.client.do("broken"))
        stage.client.do("close")
        stage.server.do("reset")

    return play


def _idle_dropped(stage: Stage, count: int) -> None:
    _forgetful(stage.middle, "drop")
    stage.client.room.set(tcp_retries2=_RETRIES)
    stage.listen()
    stage.dial(count, "client")
    converse(stage, count)
    stage.wait(_FORGETS_S + 1)
    stage.client.do("send", sizes=[500] * count)
    stage.scene("trouble")
    stage.met("client", stage.client.do("broken"))
    stage.client.do("close")
    stage.server.do("reset")


def _kept_alive(stage: Stage, count: int) -> None:
    _forgetful(stage.middle, "reject with tcp reset")
    stage.listen()
    stage.dial(count, "client", "server", SO_KEEPALIVE=1, TCP_KEEPIDLE=1, TCP_KEEPINTVL=1)
    converse(stage, count)
    stage.wait(_FORGETS_S + 1)
    stage.scene("idle")
    converse(stage, count)
    hang_up(stage)


def _unread_data(stage: Stage, count: int) -> None:
    stage.listen()
    stage.dial(count, "server", "client")
    converse(stage, count)
    stage.client.do("send", sizes=[_UNREAD] * count)
    stage.server.do("receive", sizes=[_UNREAD - 1] * count)  # all of it has arrived, and a byte is left
    stage.scene("talking")
    stage.server.do("close")
    stage.met("client", stage.client.do("broken"))
    stage.client.do("close")


def _linger(stage: Stage, count: int) -> None:
    stage.listen()
    stage.dial(count, "client", "server")
    converse(stage, count)
    stage.scene("talking")
    stage.client.do("reset")
    stage.met("server", stage.server.do("broken"))
    stage.server.do("close")


def _process_died(stage: Stage, count: int) -> None:
    stage.listen()
    stage.dial(count, "server", "client")
    converse(stage, count)
    stage.client.do("send", sizes=[_UNREAD] * count)
    stage.server.do("receive", sizes=[_UNREAD - 1] * count)
    stage.scene("talking")
    stage.server.kill()
    stage.met("client", stage.client.do("broken"))
    stage.client.do("close")


def _late_data(stage: Stage, count: int) -> None:
    stage.server.room.set(tcp_fin_timeout=_PATIENT_S)
    stage.listen()
    stage.dial(count, "server", "client")
    converse(stage, count)
    stage.server.do("close")
    stage.wait(_DELAYED_ACK_S)
    stage.scene("talking")
    stage.client.do("send", sizes=[500] * count)
    stage.met("client", stage.client.do("gone"))
    stage.client.do("close")


def _destroyed(stage: Stage, count: int) -> None:
    stage.listen()
    stage.dial(count, "client", "server")
    converse(stage, count)
    stage.scene("talking")
    ended = stage.client.room.run("ss", "-tnHK", "dport", "=", f":{stage.port}").count("\n")
    if ended != count:
        raise KernelLacks("this kernel destroys no sockets on demand", "CONFIG_INET_DIAG_DESTROY is for that")
    stage.met("client", stage.client.do("gone"))
    stage.met("server", stage.server.do("broken"))
    stage.client.do("close")
    stage.server.do("close")


def _moved_away(stage: Stage, count: int) -> None:
    stage.listen()
    stage.dial(count, "client")
    converse(stage, count)
    stage.scene("talking")
    stage.client.do("slip_away")
    stage.server.do("reset")


SCENARIOS = (
    Scenario(
        name="reset_by_peer_at_once",
        line="The server takes the connection and resets it at once.",
        play=_at_once,
        verdicts={"client": "reset_by_peer", "server": "reset_by_us_linger"},
        seconds=0.1,
    ),
    Scenario(
        name="reset_by_peer_midstream",
        line="The server resets the connection in the middle of a conversation.",
        play=_midstream,
        verdicts={"client": "reset_by_peer", "server": "reset_by_us_linger"},
        seconds=0.4,
    ),
    Scenario(
        name="reset_by_peer_idle",
        line="A stateful firewall forgot the idle connection and answers its next segment with a reset.",
        play=_idle(_FORGETS_S + 1),
        verdicts={"client": "reset_by_peer"},
        seconds=5.2,
        wire="firewall",
    ),
    Scenario(
        name="reset_by_peer_idle_long",
        line="The same after half a minute of silence, which is what such a box is known by.",
        play=_idle(_LONG_SILENCE_S),
        verdicts={"client": "reset_by_peer"},
        seconds=_LONG_SILENCE_S + 0.2,
        wire="firewall",
        long=True,
    ),
    Scenario(
        name="timed_out_retransmitting_idle",
        line="A stateful firewall forgot the idle connection and drops whatever comes on it.",
        play=_idle_dropped,
        verdicts={"client": "timed_out_retransmitting"},
        seconds=8.5,
        wire="firewall",
    ),
    Scenario(
        name="clean_kept_alive",
        line="The same firewall, but keep-alive probes remind it of the idle connection.",
        play=_kept_alive,
        verdicts={"client": "clean", "server": "clean"},
        seconds=5.2,
        wire="firewall",
    ),
    Scenario(
        name="reset_by_us_unread_data",
        line="The server closes without having read all that came: its kernel sends a reset.",
        play=_unread_data,
        verdicts={"server": "reset_by_us_unread_data", "client": "reset_by_peer"},
        seconds=0.1,
    ),
    Scenario(
        name="reset_by_us_linger",
        line="The client closes with SO_LINGER 0, which sends a reset in place of a goodbye.",
        play=_linger,
        verdicts={"client": "reset_by_us_linger", "server": "reset_by_peer"},
        seconds=0.1,
    ),
    Scenario(
        name="reset_by_us_process_died",
        line="The server's process is killed while data waits to be read.",
        play=_process_died,
        verdicts={"server": "reset_by_us_process_died", "client": "reset_by_peer"},
        seconds=0.1,
    ),
    Scenario(
        name="reset_by_us",
        line="The server has closed, but the client goes on talking: the server's kernel answers with a reset.",
        play=_late_data,
        verdicts={"server": "reset_by_us", "client": "reset_after_goodbye"},
        seconds=0.5,
    ),
    Scenario(
        name="aborted",
        line="An administrator destroys the client's sockets with `ss -K`.",
        play=_destroyed,
        verdicts={"client": "aborted", "server": "reset_by_peer"},
        seconds=0.2,
    ),
    Scenario(
        name="unclear",
        line="The connection is taken away to be moved to another machine (TCP_REPAIR): it ends without a word.",
        play=_moved_away,
        verdicts={"client": "unclear"},
        seconds=0.1,
    ),
)
