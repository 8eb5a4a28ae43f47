"""Does the stream of events tell each step of each connection, once and in order?"""

from collections import Counter, defaultdict

from tcpwatch.scenarios.namespace import Namespace
from tcpwatch.scenarios.talk import CONNECTIONS, Talk

from .watch import Record, Watch

CLIENT_STEPS = ["CLOSE", "SYN_SENT", "ESTABLISHED", "FIN_WAIT1", "FIN_WAIT2", "CLOSE"]
SERVER_STEPS = ["SYN_RECV", "ESTABLISHED", "CLOSE_WAIT", "LAST_ACK", "CLOSE"]
STEPS = CONNECTIONS * (len(CLIENT_STEPS) + len(SERVER_STEPS) - 2)


def by_connection(events: list[Record]) -> dict[str | None, list[Record]]:
    found = defaultdict(list)
    for event in events:
        found[event["conn"]].append(event)
    return found


def is_step(event: Record) -> bool:
    return event["event"] == "state"


def assert_stray(event: Record) -> None:
    """A machine that stood still for a moment sends a FIN again: it or its answer comes for nobody, or the listener."""
    assert (event["event"], event["conn"]) == ("reset_sent", None), event
    assert event["reason"] in ("NO_SOCKET", "TCP_FLAGS", None), event  # None: a kernel that has no reasons


def test_every_step_once_and_in_order(room: Namespace, talk: Talk) -> None:
    """From the first state to the last one: each step begins where the one before it ended, never earlier in time."""
    with Watch("events", "--netns", room.name) as watch:
        talk.open()
        talk.exchange()
        talk.hang_up(talk.client)
        events = watch.until(STEPS, is_step)
        watch.finish()
    for event in watch.records:
        if not is_step(event):
            assert_stray(event)
    assert len(list(filter(is_step, watch.records))) == STEPS
    paths = Counter[tuple[str, ...]]()
    for told in by_connection(events).values():
        assert [event["old_state"] for event in told[1:]] == [event["new_state"] for event in told[:-1]]
        assert [event["time_ns"] for event in told] == sorted(event["time_ns"] for event in told)
        paths[told[0]["old_state"], *(event["new_state"] for event in told)] += 1
    assert paths == {tuple(CLIENT_STEPS): CONNECTIONS, tuple(SERVER_STEPS): CONNECTIONS}


def test_every_event_names_its_ends(room: Namespace, talk: Talk) -> None:
    """Also at the first step, when the kernel has not yet chosen a port, and at the last one, when it is given back."""
    with Watch("events", "--netns", room.name) as watch:
        talk.open()
        talk.hang_up(talk.client)
        events = watch.until(STEPS, is_step)
    for event in watch.records:
        if not is_step(event):
            assert_stray(event)
    connections = by_connection(events)
    for told in connections.values():
        assert len({(event["laddr"], event["lport"], event["raddr"], event["rport"]) for event in told[1:]}) == 1, told
        assert told[0]["lport"] in (told[1]["lport"], None), told
        assert {event["netns"] for event in told} == {room.name}
    assert {event["pid"] for event in events} <= {talk.client.pid, talk.server.pid, None}
    for event in events:
        pid = talk.client.pid if event["rport"] == talk.port else talk.server.pid
        assert event["pid"] in (pid, None), event
