"""Why did a connection end as it did, or what ails it now? One verdict each, by rules over the columns of a row, and
the words for it. Pure: knows rows and the kernel's numbers, and nothing of trackers, frames or faces."""

from tcpwatch.verdicts.explain import CLEAN_SENTENCE, Explanation, explain
from tcpwatch.verdicts.judge import CLEAN, CODES, judge
from tcpwatch.verdicts.rules import HARMS, HIGH, LOW, MEDIUM, NONE, RULES, Rule, harm_of

__all__ = [
    "CLEAN",
    "CLEAN_SENTENCE",
    "CODES",
    "HARMS",
    "HIGH",
    "LOW",
    "MEDIUM",
    "NONE",
    "RULES",
    "Explanation",
    "Rule",
    "explain",
    "harm_of",
    "judge",
]
