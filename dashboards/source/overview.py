"""What hurts now, on which machine, and which service is worst off?"""

from dashboards.source import panels
from dashboards.source.board import NETNS, Board
from dashboards.source.panels import (
    BYTES_PER_S,
    CALM,
    COUNT,
    PER_S,
    RATIO,
    RED,
    SECONDS,
    SEGMENTS_PER_S,
    YELLOW,
    Column,
)
from dashboards.source.queries import Query, failing, quantile, sent_again, sent_again_in_all, total

_NOW = [
    panels.number(
        "High findings",
        "Findings of high severity: something breaks or keeps out connections right now. The table below names them; "
        "docs/health.md explains each.",
        COUNT,
        'sum(tcpwatch_findings_active{MACHINE, severity="high"})',
        {1: RED},
    ),
    panels.number(
        "Medium findings",
        "Findings of medium severity: something is slow, or breaks some connections.",
        COUNT,
        'sum(tcpwatch_findings_active{MACHINE, severity="medium"})',
        {1: YELLOW},
    ),
    panels.number(
        "In trouble now",
        "Living connections with a verdict that says what ails them: lost segments, a peer that does not answer or "
        "does not read, a full queue.",
        COUNT,
        "sum(tcpwatch_connections_ailing{HERE})",
        {1: YELLOW},
        leads="tcpwatch-quality",
    ),
    panels.number(
        "Harmful ends",
        "Of the connections that ended, the share whose verdict is of medium or high harm: refused, unanswered, reset "
        "by the peer, timed out, and so on.",
        RATIO,
        failing("HERE"),
        {0.01: YELLOW, 0.05: RED},
        leads="tcpwatch-quality",
    ),
    panels.number(
        "Turned away",
        "Handshakes a second that listeners dropped, as a queue was full or for another reason (ListenDrops).",
        PER_S,
        total("tcpwatch_kernel_listen_drops_total", "HERE"),
        {0.001: YELLOW, 1: RED},
        leads="tcpwatch-listeners",
    ),
    panels.number(
        "Sent again",
        "Segments sent again, of all sent, as the kernel counts. Below 1 % is usual; from 3 % on it is felt.",
        RATIO,
        sent_again_in_all(),
        {0.01: YELLOW, 0.03: RED},
        leads="tcpwatch-quality",
    ),
    panels.number(
        "Resets",
        "Resets a second, sent and received. Some software closes by reset on purpose: what counts is a change.",
        PER_S,
        total("tcpwatch_resets_total", "HERE"),
        CALM,
        leads="tcpwatch-quality",
    ),
    panels.number(
        "Ports left",
        "Local ports still free toward the destination that is worst off, of all there are for it. At 0 connect() "
        "fails.",
        RATIO,
        "min(tcpwatch_ports_free{HERE} / tcpwatch_ports_available{HERE})",
        {0: RED, 0.1: YELLOW, 0.3: panels.GREEN},
        leads="tcpwatch-ports",
    ),
]

_BY = "instance, netns, port, role, comm"
_WRONG = [
    panels.table(
        "Findings",
        "What is wrong now, and how many connections, listeners or facts each finding concerns.",
        {"severity": "Severity", "code": "Finding", "instance": "Machine"},
        Column("Concerns", COUNT, "max by (severity, code, instance) (tcpwatch_findings{MACHINE}) > 0", {}),
        width=9,
    ),
    panels.table(
        "Worst services",
        "The services with the greatest shares of harmful ends, of segments sent again and of slow round trips. A "
        "service is a port, and the side of it that this machine is on.",
        {"instance": "Machine", "netns": "Namespace", "port": "Port", "role": "Role", "comm": "Process"},
        Column("Harmful ends", RATIO, f"topk(20, {failing('HERE', _BY)})", {0.01: YELLOW, 0.05: RED}),
        Column("Sent again", RATIO, f"topk(20, {sent_again('HERE', _BY)})", {0.01: YELLOW, 0.03: RED}),
        Column("RTT, 99 %", SECONDS, f"topk(20, {quantile(0.99, 'tcpwatch_rtt_seconds', 'HERE', _BY)})", {}),
        Column("In trouble", COUNT, f"topk(20, sum by ({_BY}) (tcpwatch_connections_ailing{{HERE}}) > 0)", {1: YELLOW}),
        width=15,
    ),
]

_CONNECTIONS = [
    panels.lines(
        "Connections by state",
        "All there are now, TIME_WAIT and half-open ones (SYN_RECV) included, listeners not.",
        COUNT,
        Query("sum by (state) (tcpwatch_connections{HERE})", "{{state}}"),
        stacked=True,
    ),
    panels.lines(
        "Connections opened",
        "Handshakes completed a second: as a client, and as a server.",
        PER_S,
        Query(total("tcpwatch_connections_opened_total", "HERE", "role"), "{{role}}"),
    ),
    panels.lines(
        "Connections ended, by verdict",
        "Why they ended, in one word each (docs/verdicts.md). Everything but `clean` and what merely says what held a "
        "connection up deserves a look.",
        PER_S,
        Query(total("tcpwatch_connections_closed_total", "HERE", "verdict"), "{{verdict}}"),
    ),
    panels.lines(
        "In trouble, by verdict",
        "Living connections that something ails, by what it is.",
        COUNT,
        Query("sum by (verdict) (tcpwatch_connections_ailing{HERE})", "{{verdict}}"),
        stacked=True,
    ),
    panels.lines(
        "Opened and failed, as the kernel counts",
        "Per namespace: connects begun, connections accepted, handshakes that came to nothing, established connections "
        "that were reset.",
        PER_S,
        Query(total("tcpwatch_kernel_active_opens_total", "HERE"), "connects begun"),
        Query(total("tcpwatch_kernel_passive_opens_total", "HERE"), "accepted"),
        Query(total("tcpwatch_kernel_attempt_fails_total", "HERE"), "failed handshakes"),
        Query(total("tcpwatch_kernel_established_resets_total", "HERE"), "reset when established"),
    ),
    panels.lines(
        "Connections by machine",
        "How they are spread over the machines.",
        COUNT,
        Query("sum by (instance) (tcpwatch_connections{HERE})", "{{instance}}"),
    ),
]

_NETWORK = [
    panels.lines(
        "Payload",
        "Bytes a second that connections sent and received, without headers.",
        BYTES_PER_S,
        Query(total("tcpwatch_sent_bytes_total", "HERE"), "sent"),
        Query(total("tcpwatch_received_bytes_total", "HERE"), "received"),
    ),
    panels.lines(
        "Sent again, by cause",
        "Segments a second that had to be sent again, by what made the kernel do so.",
        SEGMENTS_PER_S,
        Query(total("tcpwatch_retransmits_total", "HERE", "cause"), "{{cause}}"),
        stacked=True,
    ),
    panels.lines(
        "Resets, by direction and reason",
        "Sent or received, and why, where the kernel or the state of the socket tells.",
        PER_S,
        Query(total("tcpwatch_resets_total", "HERE", "direction, reason"), "{{direction}}: {{reason}}"),
    ),
    panels.heat(
        "Round-trip times",
        "Smoothed RTT of connections that moved data. Two bands are two distances: look at them by remote network.",
        SECONDS,
        "tcpwatch_rtt_seconds",
        "HERE",
    ),
    panels.heat(
        "Handshakes",
        "How long handshakes took. A band at 1 s and another at 3 s are SYNs that had to be sent again.",
        SECONDS,
        "tcpwatch_handshake_seconds",
        "HERE",
    ),
    panels.lines(
        "Sent again, by machine",
        "Segments sent again, of all sent. One machine alone points at its own link, all of them at the network.",
        RATIO,
        Query(sent_again_in_all("instance"), "{{instance}}"),
    ),
]

BOARD = Board(
    "tcpwatch-overview",
    "tcpwatch: overview",
    "What hurts now, on which machine, and which service is worst off.",
    {
        "What hurts now": _NOW,
        "What is wrong, and with whom": _WRONG,
        "Connections": _CONNECTIONS,
        "The network": _NETWORK,
    },
    (NETNS,),
)
