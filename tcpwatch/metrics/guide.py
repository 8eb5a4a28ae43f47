"""Which metrics are there, and what do their labels mean? docs/metrics.md, made from the catalogue."""

from tcpwatch.metrics.catalogue import SECTIONS
from tcpwatch.metrics.metric import LIFETIMES, RATIOS, SECONDS, SERVICE, Metric, Section
from tcpwatch.metrics.space import IDLE_NS

_OPENING = """\
# Metrics

`tcpwatch serve` tells Prometheus what this page lists. All names begin with `tcpwatch_`; counters begin when tcpwatch
does, and a counter never goes down while its series is there. Unknown is absent, and never 0.

## Labels

No label holds an address, a process number or a port that the kernel chose. What belongs together carries:

"""
_LABELS = {
    "netns": "the network namespace: its name as `ip netns` knows it, else its inode number",
    "port": "the service's port: the local one of servers and listeners, the remote one of clients; `ephemeral` where "
    "the kernel chooses such ports (`net.ipv4.ip_local_port_range`) and nobody here listens on it; empty where "
    "unknown, and of resets for a port where nobody listens",
    "role": "`client` or `server`, this machine's end; empty where unknown",
    "family": "`ipv4` or `ipv6`; an IPv4-mapped address is `ipv4`",
    "comm": "the process; of half-open connections and of those that nobody has accepted, the listener's; empty where "
    "unknown",
    "cgroup": "the first 12 digits of the container's id, else the innermost systemd unit, else the last part of the "
    "cgroup's path; empty where unknown",
    "network": "the `--group` that holds the remote address (the longest prefix wins); else `loopback` for "
    "127.0.0.0/8, ::1 and an address that talks to itself; else `other` where groups are given, or empty",
}
_RULES = f"""\
`--labels port,role,comm` keeps only those and adds up the rest; other labels, such as `state`, stay. An empty label is
to Prometheus the same as none.

**From a number to its connections:** give a series' labels to the exporter's page `/connections` as its query, and it
says which command shows the connections behind them: of `/connections?port=443&role=client` it is
`sudo tcpwatch 'dport = 443 and role = client'`. Without a query it lists all services that have connections now.

**The cap.** A metric has no more than `--max-series` series (a histogram's buckets, sum and count are one each). Label
sets that come when it is full are counted in one series whose labels all say `other`: sums stay exact.
`tcpwatch_series_overflows_total` tells how often that happened; leave out labels, or raise the cap.

**The end of a series.** A label set that no live connection (listener, destination) has had for
{IDLE_NS // 60_000_000_000} minutes, and of which nothing was counted for as long, disappears and makes room. Gauges
of listeners and ports end with what they describe.

**When things are counted.** Bytes, segments and limits of a connection are counted as they grow: with each snapshot
(about once a second), and at its end. Of a connection that was open before tcpwatch was, only what it does since
counts. That it opened is counted with the next snapshot, when its process and its cgroup are known, or at its end.
What a client sends again, and its resets, before its cgroup is known wait for that snapshot, too, a second at most.

Counters of the kernel (`tcpwatch_kernel_...`) are exact even where events were lost; those of services miss what
`tcpwatch_events_lost_total` counts.

"""
_BUCKETS = (("seconds", SECONDS), ("seconds of a life", LIFETIMES), ("ratios", RATIOS))
_CLOSING = """\
The process's own CPU time, memory and descriptors are there as `process_...`, as Prometheus' client libraries name
them.
"""


def text() -> str:
    """Markdown."""
    buckets = "\n".join(f"- {what}: {', '.join(map(_bound, bounds))}" for what, bounds in _BUCKETS)
    labels = "".join(f"| `{label}` | {_LABELS[label]} |\n" for label in SERVICE)
    opening = f"{_OPENING}| label | meaning |\n| --- | --- |\n{labels}\n{_RULES}"
    opening += f"Buckets of histograms, upper bounds inclusive:\n\n{buckets}\n\n"
    return opening + "\n".join(map(_section, SECTIONS)) + "\n" + _CLOSING


def _section(section: Section) -> str:
    rows = "".join(map(_row, section.metrics))
    head = "| metric | type | labels | meaning |\n| --- | --- | --- | --- |\n"
    return f"## {section.title}\n\n{section.about}\n\n{head}{rows}"


def _row(metric: Metric) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels()) or "–"
    return f"| `{metric.exposed}` | {metric.kind} | {labels} | {metric.help} |\n"


def _bound(bound: float) -> str:
    return "+Inf" if bound == float("inf") else f"{bound:g}"
