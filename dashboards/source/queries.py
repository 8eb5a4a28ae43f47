"""What is asked of Prometheus, in words that several panels share. Expressions are PromQL as it is, but for these words
inside of braces, each of which stands for matchers of the dashboard's variables: MACHINE, HERE, SERVICE, HARMFUL."""

import re
from dataclasses import dataclass

from tcpwatch.verdicts import MEDIUM, RULES

HARMFUL = "|".join(rule.code for rule in RULES if rule.harm >= MEDIUM)

_MACHINE = 'job=~"$job", instance=~"$instance"'
_HERE = f'{_MACHINE}, netns=~"$netns"'
_WORDS = {
    "MACHINE": _MACHINE,
    "HERE": _HERE,
    "SERVICE": f'{_HERE}, port=~"$port", role=~"$role"',
    "HARMFUL": f'verdict=~"{HARMFUL}"',
}
_WORD = re.compile(rf"\b({'|'.join(_WORDS)})\b")


@dataclass(frozen=True, slots=True)
class Query:
    """One expression and how each of its series is called: `{{label}}` stands for a label's value."""

    expr: str
    legend: str = ""

    def written(self) -> str:
        return _WORD.sub(lambda found: _WORDS[found[1]], " ".join(self.expr.split()))


def quantile(of: float, histogram: str, where: str, by: str = "") -> str:
    """E.g. quantile(0.99, "tcpwatch_rtt_seconds", "HERE", "port"). Interpolated between the bounds of the buckets;
    where nothing was observed there is none."""
    labels = f"le, {by}" if by else "le"
    buckets = f"sum by ({labels}) (rate({histogram}_bucket{{{where}}}[$__rate_interval]))"
    return f"histogram_quantile({of}, {buckets}) >= 0"  # not a number is not


def total(counter: str, where: str, by: str = "") -> str:
    """A counter's rate, added up."""
    grouped = f"sum by ({by})" if by else "sum"
    return f"{grouped} (rate({counter}{{{where}}}[$__rate_interval]))"


def share(part: str, whole: str) -> str:
    """Of two sums with the same labels. Where the part has no series yet but the whole has, it is 0; where there is
    nothing of the whole, it is not known."""
    return f"({part} or 0 * {whole}) / ({whole} > 0)"


def failing(where: str, by: str = "") -> str:
    """Connections that came to a harmful end, of all that ended."""
    closed = "tcpwatch_connections_closed_total"
    return share(total(closed, f"{where}, HARMFUL", by), total(closed, where, by))


def sent_again(where: str, by: str = "") -> str:
    """Segments sent again, of all sent: as the connections count, which is known by service. A connection counts no
    SYN-ACKs: while they are sent, it is a mere request."""
    again = total("tcpwatch_retransmits_total", f'{where}, cause!="syn_ack"', by)
    return share(again, total("tcpwatch_sent_segments_total", where, by))


def sent_again_in_all(by: str = "") -> str:
    """The same as the kernel counts it for a namespace; its count of segments sent is without those sent again."""
    again, first = (total(f"tcpwatch_kernel_{name}_segments_total", "HERE", by) for name in ("retransmitted", "sent"))
    return f"{again} / ({again} + {first} > 0)"
