"""Is the machine well, and if not, what is the worst? Findings over all that a picture shows, ranked by harm, each with
its numbers, since when, where to look and what to do. Knows rows and verdicts, and nothing of trackers or faces."""

from tcpwatch.health.finding import Finding, Lead
from tcpwatch.health.rules import RULES, Rule
from tcpwatch.health.scene import Scene
from tcpwatch.health.watch import LINGER_NS, Health

__all__ = ["LINGER_NS", "RULES", "Finding", "Health", "Lead", "Rule", "Scene"]
