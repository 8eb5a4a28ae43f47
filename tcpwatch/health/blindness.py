"""Findings about tcpwatch itself: what it could not see. A monitor that is blind must say so."""

from collections.abc import Iterator

from tcpwatch.frame import FUNCTIONS
from tcpwatch.health.finding import Finding, Lead
from tcpwatch.health.scene import Scene
from tcpwatch.verdicts import LOW, MEDIUM
from tcpwatch.verdicts.amounts import percent

_MUCH = 0.01  # of the events


def events_lost(scene: Scene) -> Iterator[Finding]:
    """In the last minute."""
    if not scene.lost:
        return
    share = scene.lost / max(scene.seen, scene.lost)
    yield Finding(
        code="events_lost",
        subject=(),
        severity=MEDIUM if share >= _MUCH else LOW,
        what="tcpwatch lost events",
        where="tcpwatch",
        numbers=f"{scene.lost:,} in 60 s",
        sentence=f"{scene.lost:,} of {scene.seen:,} events ({percent(share)}) were lost in the last minute: counts are "
        "too low, and some ends of connections were inferred.",
        advice=("Give it a larger ring (--ring-mb), or more processor time.",),
        count=scene.lost,
        lead=Lead("probes"),
    )


def hooks_refused(scene: Scene) -> Iterator[Finding]:
    """What the kernel has and does not let us have; what it has not is said by doctor alone. Functions not: what they
    would tell is counted all the same."""
    hooks = (probe for probe in scene.probes if probe.kind not in FUNCTIONS)
    refused = [probe for probe in hooks if probe.refused and not probe.attached]
    if not refused:
        return
    names = ", ".join(probe.name for probe in refused)
    missed = "; ".join(probe.without for probe in refused if probe.without)
    yield Finding(
        code="hooks_refused",
        subject=(),
        severity=LOW,
        what="hooks refused",
        where="tcpwatch",
        numbers=f"{len(refused)} of {len(scene.probes)}",
        sentence=f"The kernel refused {names}{f': {missed}' if missed else ''}. What they would tell is missing here.",
        advice=("`tcpwatch doctor` says why, and what helps.",),
        count=len(refused),
        lead=Lead("probes"),
    )
