"""How good are the connections of each service? Round trips, loss, what holds sending up, and how connections end."""

from dashboards.source import panels
from dashboards.source.board import NETNS, Board, Choice, Variable
from dashboards.source.panels import BYTES_PER_S, CALM, PER_S, RATIO, RED, SECONDS, SEGMENTS_PER_S, YELLOW, Column
from dashboards.source.queries import Query, failing, quantile, sent_again, share, total

_PORT = Variable("port", "Port", "tcpwatch_connections{HERE}", missing=True, numbers=True)
_ROLE = Variable("role", "Role", "tcpwatch_connections{HERE}", missing=True)
_BY = Choice(
    "by",
    "By",
    {
        "Service": "port, role",
        "Process": "comm, role",
        "Container or unit": "cgroup, role",
        "Remote network": "network, role",
        "Machine": "instance, role",
        "Family": "family, role",
    },
)
_EACH = "$by"
# Empty where not chosen, so that it does for each of the choices
_WHO = "{{port}} {{comm}} {{cgroup}} {{network}} {{instance}} {{family}} {{role}}"
_WORST = "instance, netns, port, role, comm"


def _held_up(by: str, kind: str) -> str:
    limited = total("tcpwatch_limited_seconds_total", f'SERVICE, by="{kind}"', by)
    return share(limited, total("tcpwatch_busy_seconds_total", "SERVICE", by))


_NOW = [
    panels.number(
        "RTT, half of all",
        "Half of the round trips took no longer than this.",
        SECONDS,
        quantile(0.5, "tcpwatch_rtt_seconds", "SERVICE"),
        CALM,
    ),
    panels.number(
        "RTT, 99 %",
        "99 % of the round trips took no longer than this.",
        SECONDS,
        quantile(0.99, "tcpwatch_rtt_seconds", "SERVICE"),
        CALM,
    ),
    panels.number(
        "Sent again",
        "Segments sent again, of all that these connections sent.",
        RATIO,
        sent_again("SERVICE"),
        {0.01: YELLOW, 0.03: RED},
    ),
    panels.number(
        "Sent again in vain",
        "Of the segments sent again, those that had arrived after all: reordering, or time-outs that are too short.",
        RATIO,
        share(
            total("tcpwatch_retransmits_spurious_total", "SERVICE"),
            total("tcpwatch_retransmits_total", "SERVICE"),
        ),
        {0.3: YELLOW},
    ),
    panels.number(
        "Harmful ends",
        "Of the connections that ended, the share whose verdict is of medium or high harm.",
        RATIO,
        failing("SERVICE"),
        {0.01: YELLOW, 0.05: RED},
    ),
    panels.number(
        "Held up by receivers",
        "Of the time in which there was something to send, how long the receiver's window kept it back: the other side "
        "does not read fast enough, or has a small buffer.",
        RATIO,
        _held_up("", "receiver_window"),
        {0.2: YELLOW},
    ),
    panels.number(
        "Held up by send buffers",
        "Of the time in which there was something to send, how long the own send buffer was too small for the "
        "distance.",
        RATIO,
        _held_up("", "send_buffer"),
        {0.2: YELLOW},
    ),
    panels.number(
        "Closed windows",
        "How often a second data began to wait for a peer that takes nothing at all.",
        PER_S,
        total("tcpwatch_zero_windows_total", "SERVICE"),
        {0.001: YELLOW},
    ),
]

_TRIPS = [
    panels.heat(
        "Round-trip times",
        "Smoothed RTT of connections that moved data, once a snapshot.",
        SECONDS,
        "tcpwatch_rtt_seconds",
        "SERVICE",
    ),
    panels.lines(
        "RTT, 99 %",
        "What 99 % of the round trips stay below. Interpolated between the bounds of the histogram's buckets.",
        SECONDS,
        Query(quantile(0.99, "tcpwatch_rtt_seconds", "SERVICE", _EACH), _WHO),
    ),
    panels.lines(
        "RTT, half of all",
        "The median round trip.",
        SECONDS,
        Query(quantile(0.5, "tcpwatch_rtt_seconds", "SERVICE", _EACH), _WHO),
    ),
    panels.heat(
        "Handshakes",
        "Of clients from the SYN to ESTABLISHED, of servers from the SYN-ACK on. Bands at 1 s and 3 s are lost SYNs.",
        SECONDS,
        "tcpwatch_handshake_seconds",
        "SERVICE",
    ),
    panels.lines(
        "Handshakes, 99 %",
        "What 99 % of the handshakes stay below.",
        SECONDS,
        Query(quantile(0.99, "tcpwatch_handshake_seconds", "SERVICE", _EACH), _WHO),
    ),
    panels.heat(
        "Life times",
        "How long the connections that ended had lived. Very short ones cost a handshake and a local port each.",
        SECONDS,
        "tcpwatch_connection_duration_seconds",
        "SERVICE",
    ),
]

_LOSS = [
    panels.lines(
        "Sent again",
        "Segments sent again, of all sent.",
        RATIO,
        Query(sent_again("SERVICE", _EACH), _WHO),
    ),
    panels.lines(
        "Sent again, by cause",
        "`fast` and `tail_loss_probe` cost a round trip, `timeout` 200 ms and more, `syn` a second and more.",
        SEGMENTS_PER_S,
        Query(total("tcpwatch_retransmits_total", "SERVICE", "cause"), "{{cause}}"),
        stacked=True,
    ),
    panels.heat(
        "Sent again, by connection",
        "How the connections that ended differ in the share they had to send again: a few with much is one bad path, "
        "all with some a bad link.",
        RATIO,
        "tcpwatch_retransmit_ratio",
        "SERVICE",
    ),
    panels.lines(
        "Sent again in vain",
        "Segments a second that had arrived after all (DSACK).",
        SEGMENTS_PER_S,
        Query(total("tcpwatch_retransmits_spurious_total", "SERVICE", _EACH), _WHO),
    ),
    panels.lines(
        "Time-outs, as the kernel counts",
        "Retransmission timers that ran out, per namespace.",
        PER_S,
        Query(total("tcpwatch_kernel_timeouts_total", "HERE", "instance, netns"), "{{instance}} {{netns}}"),
    ),
    panels.lines(
        "Segments",
        "Sent and received a second, as the connections count.",
        SEGMENTS_PER_S,
        Query(total("tcpwatch_sent_segments_total", "SERVICE"), "sent"),
        Query(total("tcpwatch_received_segments_total", "SERVICE"), "received"),
    ),
]

_SENDING = [
    panels.lines(
        "Payload sent",
        "Bytes a second, retransmissions included.",
        BYTES_PER_S,
        Query(total("tcpwatch_sent_bytes_total", "SERVICE", _EACH), _WHO),
    ),
    panels.lines(
        "Payload received",
        "Bytes a second.",
        BYTES_PER_S,
        Query(total("tcpwatch_received_bytes_total", "SERVICE", _EACH), _WHO),
    ),
    panels.lines(
        "Closed windows",
        "How often a second data began to wait for a peer that takes nothing at all.",
        PER_S,
        Query(total("tcpwatch_zero_windows_total", "SERVICE", _EACH), _WHO),
    ),
    panels.lines(
        "Held up by receivers",
        "Of the time in which there was something to send, how long the receiver's window kept it back.",
        RATIO,
        Query(_held_up(_EACH, "receiver_window"), _WHO),
        width=12,
    ),
    panels.lines(
        "Held up by send buffers",
        "Of the time in which there was something to send, how long the own send buffer kept it back.",
        RATIO,
        Query(_held_up(_EACH, "send_buffer"), _WHO),
        width=12,
    ),
]

_ENDS = [
    panels.lines(
        "Harmful ends",
        "Of the connections that ended, the share whose verdict is of medium or high harm.",
        RATIO,
        Query(failing("SERVICE", _EACH), _WHO),
    ),
    panels.lines(
        "Ended, by verdict",
        "Why connections ended, in one word each (docs/verdicts.md).",
        PER_S,
        Query(total("tcpwatch_connections_closed_total", "SERVICE", "verdict"), "{{verdict}}"),
    ),
    panels.lines(
        "Resets, by direction and reason",
        "Sent or received, and why, where the kernel or the state of the socket tells.",
        PER_S,
        Query(total("tcpwatch_resets_total", "SERVICE", "direction, reason"), "{{direction}}: {{reason}}"),
    ),
    panels.lines(
        "Resets sent, as the kernel counts",
        "Per namespace. It counts those to nobody's segments, too, which belong to no connection.",
        PER_S,
        Query(total("tcpwatch_kernel_sent_resets_total", "HERE", "instance, netns"), "{{instance}} {{netns}}"),
        width=12,
    ),
    panels.lines(
        "Aborted, as the kernel counts",
        "Closed with data unread (unread), by SO_LINGER 0 or as data came after the close (close), after too many "
        "time-outs (timeout).",
        PER_S,
        Query(total("tcpwatch_kernel_aborts_total", "HERE", "why"), "{{why}}"),
        width=12,
    ),
]

_SERVICES = [
    panels.table(
        "Services",
        "The services with the most segments sent again, of the worst round trips and ends. docs/dashboards.md says "
        "what makes a service.",
        {"instance": "Machine", "netns": "Namespace", "port": "Port", "role": "Role", "comm": "Process"},
        Column("Sent again", RATIO, f"topk(50, {sent_again('SERVICE', _WORST)})", {0.01: YELLOW, 0.03: RED}),
        Column("Harmful ends", RATIO, f"topk(50, {failing('SERVICE', _WORST)})", {0.01: YELLOW, 0.05: RED}),
        Column("RTT, 50 %", SECONDS, f"topk(50, {quantile(0.5, 'tcpwatch_rtt_seconds', 'SERVICE', _WORST)})", {}),
        Column("RTT, 99 %", SECONDS, f"topk(50, {quantile(0.99, 'tcpwatch_rtt_seconds', 'SERVICE', _WORST)})", {}),
        Column("Resets", PER_S, f"topk(50, {total('tcpwatch_resets_total', 'SERVICE', _WORST)})", {}),
        Column("Held up by receiver", RATIO, f"topk(50, {_held_up(_WORST, 'receiver_window')})", {0.2: YELLOW}),
    )
]

BOARD = Board(
    "tcpwatch-quality",
    "tcpwatch: connection quality by service",
    "How good the connections of each service are: round trips, loss, what holds sending up, and how they end.",
    {
        "Now": _NOW,
        "Round trips and handshakes": _TRIPS,
        "Loss": _LOSS,
        "Sending": _SENDING,
        "How connections end": _ENDS,
        "Worst services": _SERVICES,
    },
    (NETNS, _PORT, _ROLE, _BY),
)
