"""Connections that one side has closed and the other does not close: whose fault that is, and from how many on it is
worth a finding. That they wait is told by their verdict."""

from collections.abc import Iterator

from tcpwatch.health.finding import Finding, Lead
from tcpwatch.health.groups import PROCESS, SERVICE, name_of
from tcpwatch.health.scene import Scene
from tcpwatch.health.troubles import HALF_CLOSED, connections
from tcpwatch.verdicts import HIGH, LOW, MEDIUM
from tcpwatch.verdicts.advice import ADVICE

LEAK, POOL = 10, 200  # in CLOSE_WAIT: a server never has a reason to wait, clients' pools close when they are used next
ORPHANED = 50  # in FIN_WAIT2


def close_wait(scene: Scene) -> Iterator[Finding]:
    """By the process that does not close."""
    for group in scene.troubled[(scene.troubled["verdict"] == HALF_CLOSED) & (scene.troubled["by"] == PROCESS)]:
        count, least = int(group["standing"]), LEAK if group["serves"] else POOL
        if count * 2 < least:
            continue
        name = name_of(group, scene.home)
        where = name.text + scene.elsewhere(int(group["netns"]))
        sentence = (
            f"{where} has {connections(count)} in CLOSE_WAIT whose peer closed long ago, and does not close them: "
            "each holds a file descriptor."
        )
        advice = ADVICE["half_closed_lingering"][0].text
        if not group["pid"]:
            there = scene.elsewhere(int(group["netns"]))
            likely = ": likely nobody accepted them" if group["serves"] else ""
            sentence = (
                f"{connections(count)}{there} are in CLOSE_WAIT, their peers closed long ago, and no process was "
                f"found that has them{likely}."
            )
            advice = ADVICE["half_closed_lingering"][1 if group["serves"] else 0].text
        yield Finding(
            code="close_wait",
            subject=name.key,
            severity=HIGH if count >= 1000 else MEDIUM,
            what="in CLOSE_WAIT",
            where=where,
            numbers=f"{count:,} now",
            sentence=sentence,
            advice=(advice,),
            count=count,
            lead=Lead("connections", f"state close-wait and {name.expression}"),
            strength=count / least,
            since_ns=int(group["first_ns"]),
        )


def fin_wait2(scene: Scene) -> Iterator[Finding]:
    """By service."""
    for group in scene.troubled[(scene.troubled["verdict"] == HALF_CLOSED) & (scene.troubled["by"] == SERVICE)]:
        count = int(group["standing"])
        if count * 2 < ORPHANED:
            continue
        name = name_of(group, scene.home)
        where = name.text + scene.elsewhere(int(group["netns"]))
        yield Finding(
            code="fin_wait2",
            subject=name.key,
            severity=LOW,
            what="in FIN_WAIT2",
            where=where,
            numbers=f"{count:,} now",
            sentence=f"{connections(count)} with {where} are closed by this side only: the peers neither close nor "
            "say anything.",
            advice=(ADVICE["half_closed_lingering"][2].text,),
            count=count,
            lead=Lead("connections", f"state fin-wait-2 and {name.expression}"),
            strength=count / ORPHANED,
            since_ns=int(group["first_ns"]),
        )
