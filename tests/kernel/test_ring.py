"""When the ring is too small for what happens, is every event that is missing missed?"""

import os
import re
from collections import Counter

from tcpwatch.scenarios.actor import Actor
from tcpwatch.scenarios.namespace import Namespace
from tcpwatch.scenarios.talk import CONNECTIONS, Talk

from .lives import by_port
from .watch import Watch

BOTH = 2 * CONNECTIONS
STORM = 4000  # connections on all CPUs together, and few enough for one accept queue
SMALLEST = ("--ring-mb", "1")
# client: SYN_SENT, ESTABLISHED, CLOSE, reset sent; server: ESTABLISHED, CLOSE, reset received
PER_CONNECTION = {"state": 5, "reset_sent": 1, "reset_received": 1}


def storm(room: Namespace, watch: Watch) -> int:
    """More connections than the rings can hold the events of, while nobody drains them; how many."""
    with Actor(room, b"tw-storm") as actor:
        port = actor.do("listen", address=room.address, backlog=STORM)
        watch.until(1, lambda event: event.get("lport") == port)
        watch.pause()
        return everywhere(actor, room, port)


def everywhere(actor: Actor, room: Namespace, port: int) -> int:
    """On each CPU, as each few have a ring of their own."""
    cpus = os.sched_getaffinity(0)
    for cpu in cpus:
        os.sched_setaffinity(actor.pid, {cpu})
        actor.do("storm", address=room.address, port=port, count=STORM // len(cpus))
    return STORM // len(cpus) * len(cpus)


def test_seen_is_delivered_and_lost(room: Namespace) -> None:
    """What happened is known exactly, what was delivered was counted, and the rest is reported as lost, by kind."""
    with Watch("events", "--netns", room.name, *SMALLEST) as watch:
        connections = storm(room, watch)
        watch.go_on()
        watch.until(1, lambda event: event["event"] == "lost")
        watch.finish()
    totals = re.search(
        r"(\d+) events seen, (\d+) delivered, (\d+) lost",
        watch.narration.replace(",", "").replace("seen ", "seen, ").replace("delivered ", "delivered, "),
    )
    assert totals, watch.narration
    seen, delivered, lost = map(int, totals.groups())
    came = Counter(event["event"] for event in watch.records)
    missed: Counter[str] = Counter()
    for event in watch.records:
        if event["event"] == "lost":
            missed[event["reason"]] += event["count"]
    del came["lost"]
    assert lost > 0
    assert seen == delivered + lost
    assert (delivered, lost) == (came.total(), missed.total())
    listener = 2  # it begins to listen and ceases to
    happened = {kind: connections * count + listener * (kind == "state") for kind, count in PER_CONNECTION.items()}
    assert {kind: came[kind] + missed[kind] for kind in PER_CONNECTION} == happened


def test_a_lost_close_is_noticed(room: Namespace, talk: Talk) -> None:
    """A connection whose end was lost does not live for ever: the next snapshots lack it, and so its life is told."""
    with Watch("life", "--netns", room.name, *SMALLEST) as watch:
        talk.open()
        talk.exchange()
        watch.pause()
        with Actor(room, b"tw-storm") as actor:
            port = actor.do("listen", address=room.address, backlog=STORM)
            everywhere(actor, room, port)
        talk.hang_up(talk.client)
        watch.go_on()
        lives = watch.until(BOTH, lambda life: talk.port in (life["lport"], life["rport"]))
    for end in ("client", "server"):
        for life in by_port(lives, talk, end).values():
            assert (life["closed_ns"], life["duration_us"]) == (None, None), life
            assert life["opened_ns"] is not None, life
            assert life["role"] == end, life
