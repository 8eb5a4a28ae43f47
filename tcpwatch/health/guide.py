"""What can be found wrong with a machine? docs/health.md, made from the rules themselves."""

from tcpwatch.health.ledger import WINDOW_NS
from tcpwatch.health.rules import RULES
from tcpwatch.health.watch import LINGER_NS
from tcpwatch.verdicts.amounts import span

_OPENING = f"""\
# Health

The Health view is the first thing at three in the morning: what is wrong with the whole machine, the most harmful
first, each with its numbers, since when, the connections or the listener concerned, and what to do. Where nothing is
wrong one line says so, and what was looked at.

- **Enter** leads to what a finding concerns: the connections, by a filter that picks them; the listener; the ports.
- **On the other views** a line under the header tells the worst finding, if it is medium or high.
- **Bursts** are counted over the last {span(WINDOW_NS)}, by service: a client's by where it connects to, a server's by
  its port. The share keeps a few of very many from being an alarm. What matters is the verdict of each connection, see
  [verdicts.md](verdicts.md).
- **Nothing flickers**: a finding begins at its threshold, is kept from half of it on, and goes {span(LINGER_NS)} after
  it held for the last time. `≥` before its age says that it may have begun before tcpwatch did.
- Healthy traffic gives none: short requests, pools that idle, servers that close by FIN, ordinary TIME_WAIT.

They are ranked by severity, then in the order of this table.

| finding | at most | means | from when on |
| --- | --- | --- | --- |
"""


def text() -> str:
    """Markdown."""
    return _OPENING + "".join(f"| `{one.code}` | {one.severity} | {one.meaning} | {one.when} |\n" for one in RULES)
