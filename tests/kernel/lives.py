"""Which life belongs to which connection, and does it say what happened? Compares the records of `tcpwatch life` with
a Talk."""

from collections.abc import Sequence

from tcpwatch.scenarios.actor import Actor
from tcpwatch.scenarios.talk import CONNECTIONS, Talk

from .watch import Record

CLIENT_FIRST = ["SYN_SENT", "ESTABLISHED", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT"]
CLIENT_SECOND = ["SYN_SENT", "ESTABLISHED", "CLOSE_WAIT", "LAST_ACK"]
SERVER_FIRST = ["SYN_RECV", "ESTABLISHED", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT"]
SERVER_SECOND = ["SYN_RECV", "ESTABLISHED", "CLOSE_WAIT", "LAST_ACK"]
CLIENT_RESET = ["SYN_SENT", "ESTABLISHED"]
SERVER_RESET = ["SYN_RECV", "ESTABLISHED"]

UNSEEN_END = {"TIME_WAIT", "FIN_WAIT2"}  # kept by a small object whose end no event tells


def by_port(lives: Sequence[Record], talk: Talk, end: str) -> dict[int, Record]:
    """The lives of the clients' or the servers' sockets by the client's port: exactly one each."""
    near, far = ("lport", "rport") if end == "client" else ("rport", "lport")
    mine = [life for life in lives if life[far] == talk.port]
    found = {life[near]: life for life in mine}
    assert sorted(life[near] for life in mine) == sorted(talk.ports), f"{end}: {mine}"
    assert len({life["conn"] for life in mine}) == CONNECTIONS
    return found


def expect(
    lives: Sequence[Record],
    talk: Talk,
    end: str,
    states: list[str],
    actor: Actor,
    *,
    sent: Sequence[int],
    received: Sequence[int],
    retrans: Sequence[int] = (0,) * CONNECTIONS,
    role: str = "",
    address: str = "",
) -> None:
    """23 lives of this end ("client" or "server"): the ends, role, process, states, bytes and retransmissions."""
    found = by_port(lives, talk, end)
    for port, out, back, again in zip(talk.ports, sent, received, retrans, strict=True):
        life = found[port]
        said = (life["role"], life["pid"], life["comm"], [name for name, _ in life["states"]])
        assert said == (role or end, actor.pid, actor.comm.decode(), states), life
        assert (life["bytes_sent"], life["bytes_received"], life["retrans"]) == (out, back, again), life
        assert life["raddr"] == (address or talk.address), life
        check_times(life)


def check_times(life: Record) -> None:
    """The states' times add up to the life, and only an end that no event tells is unknown."""
    names, times = [name for name, _ in life["states"]], [us for _, us in life["states"]]
    unseen = names[-1] in UNSEEN_END
    assert (times[-1] is None) == unseen, life
    assert all(us is not None and us >= 0 for us in times[: len(times) - unseen]), life
    known = sum(us for us in times if us is not None)
    assert known <= life["duration_us"] + len(times), life
    assert names[-1] == "FIN_WAIT2" or known >= life["duration_us"] - len(times), life
    assert abs((life["closed_ns"] - life["opened_ns"]) // 1000 - life["duration_us"]) <= 1, life


def nothing(talk: Talk) -> list[int]:
    """No bytes, for each connection."""
    return [0 for _ in talk.ports]
