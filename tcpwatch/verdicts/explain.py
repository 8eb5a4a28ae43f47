"""What does a verdict mean for this connection: a sentence, how sure it is, the evidence, and what to do."""

from dataclasses import dataclass

import numpy as np

from tcpwatch.verdicts.evidence import Evidence, evidence_of
from tcpwatch.verdicts.facts import Facts
from tcpwatch.verdicts.judge import CLEAN, CODES
from tcpwatch.verdicts.rules import RULES, Rule
from tcpwatch.verdicts.sentences import CLEAN_SENTENCE, HEALTHY, SENTENCES, UNJUDGED
from tcpwatch.verdicts.story import Story

__all__ = ["CLEAN_SENTENCE", "Explanation", "explain"]


@dataclass(frozen=True, slots=True)
class Explanation:
    """code: None where there is no verdict. certain: else likely. evidence: (CLOCK_MONOTONIC ns or None, text)."""

    code: str | None
    sentence: str
    certain: bool
    evidence: Evidence = ()
    advice: str = ""


_CLEAN = Explanation(CODES[CLEAN], CLEAN_SENTENCE, True)


def explain(rows: np.ndarray, now_ns: int, hz: int, reasons: tuple[str, ...]) -> list[Explanation]:
    """One for each row. rows: (n,) rows.ROW with their verdicts. The rest as for judge(); now_ns matters for standing
    verdicts. Many at once cost far less than each alone."""
    explanations = [_CLEAN] * len(rows)
    told = np.flatnonzero(rows["verdict"] != CLEAN)
    if len(told):
        facts = Facts(rows.take(told), now_ns, hz, reasons)
        for at, place in enumerate(told.tolist()):
            explanations[place] = _explained(Story(facts, at))
    return explanations


def _explained(story: Story) -> Explanation:
    number = story["verdict"]
    if not 0 < number < len(CODES):
        return Explanation(None, UNJUDGED if story.ended else HEALTHY, not story.ended)
    rule = RULES[number - 1]
    certain = rule.certain if isinstance(rule.certain, bool) else story.holds(rule.certain)
    return Explanation(rule.code, SENTENCES[rule.code](story), certain, evidence_of(story), _advice(rule, story))


def _advice(rule: Rule, story: Story) -> str:
    """That of the first special case which this is, else the general one."""
    special = (one for one in rule.advice if one.holds is not None and story.holds(one.holds))
    general = (one for one in rule.advice if one.holds is None)
    chosen = next(special, None) or next(general, None)
    return chosen.text if chosen else ""
