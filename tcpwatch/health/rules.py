"""The table of rules, the most harmful first: what can be found, and when. A new rule is one line here and a small
function that looks at a scene."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from tcpwatch import verdicts
from tcpwatch.health import blindness, lingering, queues, supplies, troubles
from tcpwatch.health.finding import Finding
from tcpwatch.health.groups import NETWORK
from tcpwatch.health.scene import Scene
from tcpwatch.verdicts import HARMS, HIGH
from tcpwatch.verdicts.amounts import percent, span

_EVERYWHERE = "…_everywhere"


@dataclass(frozen=True, slots=True)
class Rule:
    """code: of its findings; of bursts also with `_everywhere`. severity: at most, in words. when: from when on."""

    code: str
    severity: str
    meaning: str
    when: str
    find: Callable[[Scene], Iterable[Finding]]


def _burst(trouble: troubles.Trouble) -> Rule:
    verdict = next(rule for rule in verdicts.RULES if rule.code == trouble.code)
    only = "".join(f"; {advice.where}" for advice in verdict.advice if trouble.holds and advice.holds is trouble.holds)
    times = [text for verb, text in ((trouble.ended, "in a minute"), (trouble.stands, "now")) if verb]
    when = f"{trouble.from_count} {' or '.join(times)}, and {percent(trouble.from_share).replace('.0', '')} of all with"
    return Rule(
        trouble.code,
        HARMS[trouble.harm],
        verdict.meaning,
        f"{when} the same {'network' if trouble.by == NETWORK else 'service'}{only}",
        partial(troubles.bursts, code=trouble.code),
    )


_BURSTS = [_burst(trouble) for trouble in troubles.TROUBLES if trouble.code != "half_closed_lingering"]
_WORST = [rule for rule in _BURSTS if rule.severity == HARMS[HIGH]]
_OTHERS = [rule for rule in _BURSTS if rule.severity != HARMS[HIGH]]

RULES: tuple[Rule, ...] = (
    Rule(
        "accept_queue_full",
        "high",
        "A listener's application accepts too slowly: its accept queue is full.",
        "full in two looks on end, or overflowed within 10 s; medium while nothing was dropped",
        queues.accept_queue_full,
    ),
    Rule(
        "syn_flood",
        "high",
        "Many handshakes are begun and not completed.",
        "the SYN queue overflows and more is begun than completed; medium while SYN cookies let clients through",
        queues.syn_flood,
    ),
    Rule(
        "syn_queue_full",
        "high",
        "A listener's SYN queue overflows though clients do complete their handshakes.",
        "it overflowed within 10 s; medium while nothing was dropped",
        queues.syn_queue_full,
    ),
    Rule(
        "out_of_ports",
        "high",
        "No local port is free for one destination, or soon none will be.",
        f"none is free, or a connect() failed for it within 10 s; less than {percent(supplies.LITTLE)} can be had, or "
        f"{percent(supplies.IN_USE)} are taken and the rest lasts for less than {span(int(supplies.SOON_S * 1e9))} "
        f"(medium above {span(int(supplies.NEAR_S * 1e9))})",
        supplies.out_of_ports,
    ),
    *_WORST,
    Rule(
        _EVERYWHERE,
        "medium",
        "The same verdict at many destinations, at none of them often: this machine's own way out is broken.",
        f"{troubles.EVERYWHERE} in a minute, {troubles.PLACES} destinations",
        troubles.scattered,
    ),
    Rule(
        "close_wait",
        "high",
        "A process does not close connections whose peer has closed: it leaks descriptors.",
        f"{lingering.LEAK} of a server, {lingering.POOL} of a client (pools let them lie), 10 s each; "
        "high from 1,000 on",
        lingering.close_wait,
    ),
    *(rule for rule in _OTHERS if rule.severity == "medium"),
    *(
        Rule(
            one.code,
            HARMS[one.severity],
            one.meaning,
            f"{one.least} in a minute",
            partial(supplies.shortages, shortage=one),
        )
        for one in supplies.SHORTAGES
    ),
    Rule(
        "many_retransmits",
        "medium",
        "A namespace sends much of what it sends again.",
        f"{supplies.AGAIN_LEAST} segments and {percent(supplies.AGAIN_SHARE)} of all in a minute, without SYNs",
        supplies.sent_again,
    ),
    Rule(
        "events_lost",
        "medium",
        "tcpwatch could not keep up, and its counts are too low.",
        "one in a minute; low below 1 %",
        blindness.events_lost,
    ),
    *(rule for rule in _OTHERS if rule.severity == "low"),
    Rule(
        "spurious_retransmits",
        "low",
        "Segments were sent again that had arrived.",
        f"{supplies.SPURIOUS_LEAST} in a minute, {percent(supplies.SPURIOUS_SHARE)} of those sent again, and 1 % of "
        "all sent",
        supplies.sent_in_vain,
    ),
    Rule(
        "fin_wait2",
        "low",
        "This side has closed and the peers do not.",
        f"{lingering.ORPHANED} with one service, 60 s each",
        lingering.fin_wait2,
    ),
    Rule(
        "idle_forgotten",
        "low",
        "Idle connections that a NAT has likely forgotten, without keep-alive.",
        f"{supplies.FORGOTTEN_LEAST} with one service, from a private address to a public one",
        supplies.idle_forgotten,
    ),
    Rule(
        "hooks_refused",
        "low",
        "The kernel refused hooks: tcpwatch does not see all it could.",
        "one",
        blindness.hooks_refused,
    ),
)
_PLACE = {rule.code: place for place, rule in enumerate(RULES)}


def rank(finding: Finding) -> tuple[int, int, int, int, str]:
    """What to sort by. Counts of the same size are equal: lines that change places cannot be read."""
    place = _PLACE.get(finding.code, _PLACE[_EVERYWHERE])
    return -finding.severity, place, -finding.count.bit_length(), finding.since_ns, str(finding.subject)
