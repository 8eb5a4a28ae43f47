"""Do listeners keep up? Accept queues, SYN queues, what was turned away, and SYN cookies."""

from dashboards.source import panels
from dashboards.source.board import NETNS, Board, Variable
from dashboards.source.panels import CALM, COUNT, PER_S, RATIO, RED, SECONDS, YELLOW, Column
from dashboards.source.queries import Query, quantile, total

_PORT = Variable("port", "Port", "tcpwatch_listener_accept_queue_limit{HERE}", missing=True, numbers=True)
_WHERE = 'HERE, port=~"$port"'
_BY = "instance, netns, port, comm"
_WHO = "{{instance}} {{netns}} :{{port}} {{comm}}"
_SERVERS = f'{_WHERE}, role="server"'


def _sum(gauge: str, by: str = _BY) -> str:
    return f"sum by ({by}) (tcpwatch_listener_{gauge}{{{_WHERE}}})"


def _rate(counter: str, by: str = _BY) -> str:
    return total(f"tcpwatch_listener_{counter}_total", _WHERE, by)


_BEYOND = f"{_rate('drops')} - {_rate('overflows')}"

_NOW = [
    panels.number(
        "Fullest accept queue",
        "Of all listeners. At 100 % the next connection is turned away: its client waits a second and more for the "
        "next try.",
        RATIO,
        f"max(tcpwatch_listener_accept_queue_fill_ratio{{{_WHERE}}})",
        {0.5: YELLOW, 0.8: RED},
        width=4,
    ),
    panels.number(
        "Overflows",
        "Handshakes a second turned away as an accept queue was full: the application does not call accept() often "
        "enough.",
        PER_S,
        f"sum({_rate('overflows')})",
        {0.001: YELLOW, 0.1: RED},
        width=4,
    ),
    panels.number(
        "Other drops",
        "Handshakes a second turned away though the accept queue had room: the SYN queue was full and no cookies were "
        "sent, or memory was short.",
        PER_S,
        f"sum({_BEYOND})",
        {0.001: YELLOW, 0.1: RED},
        width=4,
    ),
    panels.number(
        "Half-open",
        "Handshakes begun and not completed. Many that stay are a SYN flood, or a path that loses one direction.",
        COUNT,
        f"sum({_sum('syn_queue_length')})",
        CALM,
        width=4,
    ),
    panels.number(
        "SYN cookies sent",
        "A second, in all namespaces. The kernel sends them when a SYN queue is full: clients get through, but without "
        "some options.",
        PER_S,
        total("tcpwatch_kernel_syncookies_total", 'HERE, result="sent"'),
        {0.001: YELLOW, 50: RED},
        width=4,
    ),
    panels.number(
        "Slowest handshakes",
        "99 % of the handshakes with servers here were completed within this time.",
        SECONDS,
        quantile(0.99, "tcpwatch_handshake_seconds", _SERVERS),
        {0.5: YELLOW, 1: RED},
        width=4,
    ),
]

_ACCEPT = [
    panels.lines(
        "How full the accept queues are",
        "Length of the queue, of its limit; of several listeners with the same labels the fullest.",
        RATIO,
        Query(f"max by ({_BY}) (tcpwatch_listener_accept_queue_fill_ratio{{{_WHERE}}})", _WHO),
    ),
    panels.lines(
        "Waiting for accept()",
        "Connections whose handshake is done and which the application has not fetched, and how many may wait: the "
        "backlog of listen(), bounded by net.core.somaxconn.",
        COUNT,
        Query(_sum("accept_queue_length"), f"{_WHO}: waiting"),
        Query(_sum("accept_queue_limit"), f"{_WHO}: limit"),
    ),
    panels.lines(
        "Overflows",
        "Handshakes a second turned away as the accept queue was full.",
        PER_S,
        Query(_rate("overflows"), _WHO),
    ),
    panels.lines(
        "Accepted",
        "Handshakes completed a second, by listener.",
        PER_S,
        Query(_rate("accepts"), _WHO),
    ),
    panels.lines(
        "Turned away, as the kernel counts",
        "Per namespace, exact also for listeners that are gone: all drops, and those of full accept queues.",
        PER_S,
        Query(total("tcpwatch_kernel_listen_drops_total", "HERE", "instance, netns"), "{{instance}} {{netns}}: drops"),
        Query(
            total("tcpwatch_kernel_listen_overflows_total", "HERE", "instance, netns"),
            "{{instance}} {{netns}}: overflows",
        ),
    ),
    panels.heat(
        "Handshakes with servers here",
        "From the first SYN-ACK to the client's ACK, which is the client's distance. A band at 1 s: it was sent again.",
        SECONDS,
        "tcpwatch_handshake_seconds",
        _SERVERS,
    ),
]

_SYN = [
    panels.lines(
        "SYN queues",
        "Half-open connections, and how many there may be before SYNs are dropped or answered by cookies.",
        COUNT,
        Query(_sum("syn_queue_length"), f"{_WHO}: half-open"),
        Query(_sum("syn_queue_limit"), f"{_WHO}: limit"),
    ),
    panels.lines(
        "Dropped with room in the accept queue",
        "Handshakes a second: the SYN queue was full and no cookies were sent, or memory was short.",
        PER_S,
        Query(_BEYOND, _WHO),
    ),
    panels.lines(
        "SYN-ACKs sent again",
        "A second. Clients do not answer: they are gone, never were (a flood with false addresses), or the path loses "
        "one direction.",
        PER_S,
        Query(_rate("synack_retransmits"), _WHO),
    ),
    panels.lines(
        "SYN cookies, as the kernel counts",
        "Per namespace. Of many sent and few accepted most went to nobody: a flood. Rejected ones came late, or were "
        "guessed.",
        PER_S,
        Query(
            total("tcpwatch_kernel_syncookies_total", "HERE", "instance, netns, result"),
            "{{instance}} {{netns}}: {{result}}",
        ),
    ),
    panels.lines(
        "SYN cookies by listener",
        "Where it is certain whose they were; the kernel itself counts them by namespace only.",
        PER_S,
        Query(_rate("syncookies", f"{_BY}, result"), f"{_WHO}: {{{{result}}}}"),
    ),
    panels.lines(
        "Handshakes not completed yet",
        "Half-open connections by port, as the snapshots find them.",
        COUNT,
        Query(
            f'sum by (instance, netns, port) (tcpwatch_connections{{{_WHERE}, state="SYN_RECV"}})',
            "{{instance}} {{netns}} :{{port}}",
        ),
    ),
]

_ALL = [
    panels.table(
        "Listeners",
        "Each port that is listened on, the fullest accept queue on top.",
        {"instance": "Machine", "netns": "Namespace", "port": "Port", "comm": "Process"},
        Column(
            "Accept queue",
            RATIO,
            f"max by ({_BY}) (tcpwatch_listener_accept_queue_fill_ratio{{{_WHERE}}})",
            {0.5: YELLOW, 0.8: RED},
        ),
        Column("Waiting", COUNT, _sum("accept_queue_length"), CALM),
        Column("Limit", COUNT, _sum("accept_queue_limit"), CALM),
        Column("Half-open", COUNT, _sum("syn_queue_length"), CALM),
        Column("Half-open limit", COUNT, _sum("syn_queue_limit"), CALM),
        Column("Accepted", PER_S, _rate("accepts"), CALM),
        Column("Overflows", PER_S, _rate("overflows"), {0.001: RED}),
        Column("Other drops", PER_S, _BEYOND, {0.001: RED}),
    )
]

BOARD = Board(
    "tcpwatch-listeners",
    "tcpwatch: listeners and SYN queue",
    "Whether listeners keep up: accept queues, SYN queues, what was turned away, and SYN cookies.",
    {"Now": _NOW, "Accept queues": _ACCEPT, "SYN queues": _SYN, "Every listener": _ALL},
    (NETNS, _PORT),
)
