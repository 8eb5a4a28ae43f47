"""How does a connection fail to come about? Plays of clients that never get through, but for full queues."""

from tcpwatch.scenarios.orderly import hang_up, open_fast
from tcpwatch.scenarios.scenario import Scenario
from tcpwatch.scenarios.stage import ENDS, Stage

_TRIES_AGAIN = 2  # SYNs after the first one, at 1 s and 3 s: given up after 7 s
_PATIENT = 6  # likewise while somebody looks on, which is enough for two minutes
_ONCE_MORE_S = 1.2  # by then the SYN was sent again
_FIRST_PORT = 40000
_ASKED = 700


def knock(stage: Stage, count: int, look_after_s: float = 0.0) -> None:
    """The client connects, all at the same time, and waits for what comes of it. look_after_s: when the trouble is to
    be seen."""
    stage.client.room.set(tcp_syn_linear_timeouts=0)  # 6.5 and later send four more than they are told to
    tries_again = _PATIENT if look_after_s else _TRIES_AGAIN
    stage.judge("client", stage.client.do("begin", **stage.there, count=count, options={"TCP_SYNCNT": tries_again}))
    if look_after_s:
        stage.wait(look_after_s)
        stage.scene("trouble")
        stage.client.do("set", options={"TCP_SYNCNT": _TRIES_AGAIN})
    stage.met("client", stage.client.do("finish"))
    stage.client.do("close")


def _refused(stage: Stage, count: int) -> None:
    knock(stage, count)


def _no_answer(stage: Stage, count: int) -> None:
    stage.listen()
    stage.server.room.nft("input", f"tcp dport {stage.port} counter drop")
    knock(stage, count, _ONCE_MORE_S)
    stage.numbers["dropped"] = stage.server.room.dropped()


def _unreachable(stage: Stage, count: int) -> None:
    # not by an unreachable route: its ICMP has a rate limit for the whole machine
    _rejected(stage, count, "icmp type host-unreachable")


def _rejected(stage: Stage, count: int, how: str) -> None:
    assert stage.middle
    stage.listen()
    stage.middle.set(icmp_ratelimit=0)  # else only some of them would hear of it
    stage.middle.nft("forward", f"tcp dport {stage.port} counter reject with {how}")
    knock(stage, count)
    stage.numbers["rejected"] = stage.middle.dropped()


def _rejected_with_icmp(stage: Stage, count: int) -> None:
    _rejected(stage, count, "icmp type port-unreachable")


def _prohibited(stage: Stage, count: int) -> None:
    _rejected(stage, count, "icmp type admin-prohibited")


def _rejected_with_reset(stage: Stage, count: int) -> None:
    _rejected(stage, count, "tcp reset")


def _slow_handshake(stage: Stage, count: int) -> None:
    stage.client.room.set(tcp_syn_linear_timeouts=0)
    stage.listen()
    # whatever comes from a port for the first time is lost
    rules = f"tcp dport {stage.port} tcp sport != @known add @known {{ tcp sport }} counter drop"
    stage.server.room.nft("input", rules, "set known { type inet_service; flags dynamic; size 65535; }")
    ports = stage.client.do("begin", **stage.there, count=count)
    stage.server.do("accept", count=count)
    stage.judge("client", ports, stage.client.do("finish"))
    hang_up(stage)
    stage.numbers["dropped"] = stage.server.room.dropped()


def _given_up(stage: Stage, count: int) -> None:
    stage.listen()
    stage.server.room.nft("input", f"tcp dport {stage.port} counter drop")
    stage.judge("client", stage.client.do("begin", **stage.there, count=count))
    stage.wait(0.3)
    stage.client.do("close")


def _unfinished(stage: Stage, count: int) -> None:
    stage.client.room.set(tcp_syn_linear_timeouts=0)
    stage.listen()
    stage.client.room.nft("input", f"tcp sport {stage.port} counter drop")
    ports = stage.client.do("begin", **stage.there, count=count, options={"TCP_SYNCNT": _PATIENT})
    for end in ENDS:
        stage.judge(end, ports)
    stage.wait(_ONCE_MORE_S)
    stage.scene("trouble")
    stage.client.do("set", options={"TCP_SYNCNT": _TRIES_AGAIN})
    stage.met("client", stage.client.do("finish"))
    stage.client.do("close")


def _unfinished_fast_open(stage: Stage, count: int) -> None:
    stage.client.room.set(tcp_syn_linear_timeouts=0)
    open_fast(stage)
    hang_up(stage)
    stage.client.room.nft("input", f"tcp sport {stage.port} counter drop")
    ports = stage.client.do("connect_fast", **stage.there, count=count, size=_ASKED, wait=False)
    stage.judge("client", ports)
    stage.judge("server", stage.server.do("accept", count=count))
    for party in (stage.client, stage.server):
        party.do("set", options={"TCP_SYNCNT": _PATIENT})
    stage.wait(_ONCE_MORE_S)
    stage.scene("trouble")
    for party in (stage.client, stage.server):
        party.do("set", options={"TCP_SYNCNT": _TRIES_AGAIN})
    stage.met("server", stage.server.do("gone"))
    stage.met("client", stage.client.do("gone"))
    stage.client.do("close")
    stage.server.do("close")


def _out_of_ports(stage: Stage, count: int) -> None:
    ports = 2 * count
    _few_ports(stage, ports)
    stage.listen()
    stage.dial(ports)
    stage.numbers["held"] = ports
    _ask_for_more(stage, count)
    hang_up(stage)


def _time_wait(stage: Stage, count: int) -> None:
    # a second ACK may meet a server that is done, and its reset would end the TIME_WAIT (RFC 1337)
    stage.client.room.set(tcp_rfc1337=1)
    ports = 4 * count
    _few_ports(stage, ports)
    stage.listen()
    for _ in range(4):
        stage.dial(count)
        hang_up(stage)
        stage.scene("piling up")
    stage.numbers["time_wait"] = ports
    _ask_for_more(stage, count)


def _few_ports(stage: Stage, ports: int) -> None:
    """ports: an even number. Of an odd one the kernel, which tries even and odd ones in turn, may miss the last."""
    stage.client.room.set(ip_local_port_range=f"{_FIRST_PORT} {_FIRST_PORT + ports - 1}")


def _ask_for_more(stage: Stage, count: int) -> None:
    stage.scene("trouble")
    stage.judge("client", [0] * count, stage.client.do("attempt", **stage.there, count=count))


SCENARIOS = (
    Scenario(
        name="refused",
        line="A client connects to a port where nothing listens.",
        play=_refused,
        verdicts={"client": "refused"},
        seconds=0.1,
    ),
    Scenario(
        name="no_answer",
        line="A firewall drops the client's SYNs without a word.",
        play=_no_answer,
        verdicts={"client": "no_answer"},
        standing={"client": "no_answer"},
        seconds=7.2,
    ),
    Scenario(
        name="unreachable",
        line="A router on the way says that there is no such host.",
        play=_unreachable,
        verdicts={"client": "unreachable"},
        seconds=0.2,
        wire="firewall",
    ),
    Scenario(
        name="unreachable_firewall",
        line="A firewall says that this is prohibited, which a client hears as `no route to host`.",
        play=_prohibited,
        verdicts={"client": "unreachable"},
        seconds=0.2,
        wire="firewall",
    ),
    Scenario(
        name="rejected_by_firewall",
        line="A firewall on the way rejects the connection with an ICMP message: refused, without a reset.",
        play=_rejected_with_icmp,
        verdicts={"client": "rejected_by_firewall"},
        seconds=0.2,
        wire="firewall",
    ),
    Scenario(
        name="refused_by_firewall",
        line="A firewall on the way rejects the connection with a reset: to the client as if nothing listened.",
        play=_rejected_with_reset,
        verdicts={"client": "refused"},
        seconds=0.2,
        wire="firewall",
    ),
    Scenario(
        name="slow_handshake",
        line="The first SYN gets lost, and it takes a second until it is sent again.",
        play=_slow_handshake,
        verdicts={"client": "slow_handshake"},
        seconds=1.2,
    ),
    Scenario(
        name="given_up",
        line="The client gives up after 300 ms, before its lost SYN could be sent again.",
        play=_given_up,
        verdicts={"client": "given_up"},
        seconds=0.4,
    ),
    Scenario(
        name="handshake_unfinished",
        line="The server's answers get lost on their way: handshakes that nobody finishes.",
        play=_unfinished,
        verdicts={"client": "no_answer"},
        standing={"server": "handshake_unfinished", "client": "no_answer"},
        seconds=7.2,
    ),
    Scenario(
        name="handshake_unfinished_fast_open",
        line="The same with TCP Fast Open: the server has the question already, and its answers get lost.",
        play=_unfinished_fast_open,
        verdicts={"server": "handshake_unfinished", "client": "no_answer"},
        standing={"server": "handshake_unfinished", "client": "no_answer"},
        seconds=7.3,
    ),
    Scenario(
        name="out_of_ports",
        line="All of the client's ports to this server are in use: the next connect() fails.",
        play=_out_of_ports,
        verdicts={"client": "out_of_ports"},
        seconds=0.1,
    ),
    Scenario(
        name="out_of_ports_time_wait",
        line="Short connections leave their ports in TIME_WAIT until none is left.",
        play=_time_wait,
        verdicts={"client": "out_of_ports"},
        seconds=0.2,
    ),
)
