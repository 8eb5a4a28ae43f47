"""What can a verdict be? docs/verdicts.md, made from the rules themselves."""

from tcpwatch.verdicts import conditions as when
from tcpwatch.verdicts.amounts import percent, span
from tcpwatch.verdicts.rules import HARMS, RULES, Rule

_OPENING = """\
# Verdicts

Every connection that ended gets a verdict, and so does one that is alive and in trouble: a stable code, one sentence
with the numbers of the case, whether that is certain or likely, the evidence with its times, and what to do. Filters
know the codes: `verdict = refused`, `verdict = reset_by_*`.

The rules are tried in the order of this page, and the first that holds is the verdict. They look at what the kernel
told of this one connection: the states it went through and when, the error its process was told, resets and the
kernel's reasons for them, segments sent again and why, the time it spent waiting for windows and buffers.

- **Harm** ranks them: `high` means that something did not work, `medium` that it ended badly or works badly, `low` that
  it could be better or may be on purpose, `none` is only a remark.
- **Certain** means that the evidence leaves no other reading. The kernel gives reasons for resets from Linux 6.10 on;
  before, they are inferred from the state of the socket, and are likely.
- No verdict (`null` in JSON, `–` elsewhere) means that a live connection has no trouble, or that the end of one was
  not seen: its last event was lost, and only the next snapshot told that it is gone.

"""


def text() -> str:
    """Markdown."""
    rows = "".join(
        f"| [`{rule.code}`](#{rule.code}) | {HARMS[rule.harm]} | {_when(rule)} | {rule.meaning} |\n" for rule in RULES
    )
    table = "| verdict | harm | given to | meaning |\n| --- | --- | --- | --- |\n" + rows
    return _OPENING + table + _thresholds() + "".join(map(_section, RULES)).rstrip("\n") + "\n"


def _when(rule: Rule) -> str:
    if rule.standing is None:
        return "ended"
    return "live" if rule.ended is None else "ended, live"


def _section(rule: Rule) -> str:
    lines = [f"## {rule.code}\n", f"{rule.meaning}\n", f"Harm: {HARMS[rule.harm]}. {_certainty(rule)}\n"]
    for advice in rule.advice:
        where = f"If {advice.where}: " if advice.where else ""
        lines.append(f"- {where}{advice.text}")
    return "\n".join(lines).rstrip("\n") + "\n\n"


def _certainty(rule: Rule) -> str:
    if rule.certain is True:
        return "Always certain."
    return "Always likely." if rule.certain is False else "Certain or likely, as the evidence is."


def _thresholds() -> str:
    lost, limited = f"{when.LOST_SHARE:.0%}".replace("%", " %"), percent(when.LIMITED_SHARE)
    return f"""
## When something is worth a word

A verdict that cries wolf is worse than none. Healthy traffic is to be `clean` and nothing else, so:

- a path is lossy from {when.LOST_LEAST} lost segments and {lost} of those sent on; those that the peer already had
  (DSACK) and repeated SYNs do not count, and a live connection must have repeated one within {span(when.RECENT_NS)};
- a window is stalled from {span(when.STALLED_NS)} on;
- a peer's FIN must be answered within {span(when.NOT_CLOSED_NS)} of silence while the connection lives; of one that
  ended it is remarked only from {span(when.NOT_CLOSED_LONG_NS)} on. A peer that does not answer ours gets
  {span(when.PEER_NOT_CLOSED_NS)};
- limits are named where they took {limited} of the time with data to send, that was
  {when.LIMITED_LEAST_S:.0f} s or more, and the flow was slower than 1 Gbit/s; the application only
  in one-way flows of {when.BULK_LEAST_S:.0f} s and more;
- a reset by the peer came after silence if nothing had moved for {span(when.SILENCE_NS)}.

"""
