"""How many local ports are left for outgoing connections, and what keeps them? TIME_WAIT above all."""

from dashboards.source import panels
from dashboards.source.board import NETNS, Board, Variable
from dashboards.source.panels import CALM, COUNT, PER_S, RATIO, RED, SECONDS, YELLOW, Column
from dashboards.source.queries import Query, quantile, total

_PORT = Variable("port", "Remote port", "tcpwatch_ports_available{HERE}", missing=True, numbers=True)
_WHERE = 'HERE, port=~"$port"'
_CLIENTS = f'{_WHERE}, role="client"'
_WHO = "{{instance}} {{netns}} to :{{port}} {{network}}"


def _ports(name: str) -> str:
    return f"tcpwatch_ports_{name}{{{_WHERE}}}"


_EACH = "instance, netns, port, network"
_LEFT = f"{_ports('free')} / {_ports('available')}"
_WAITING = f"{_ports('time_wait')} / {_ports('available')}"
_FAILED = total("tcpwatch_connects_without_port_total", _WHERE, _EACH)


def _each(expr: str) -> str:
    """Without the labels that would keep a table from putting several numbers into one line."""
    return f"max by ({_EACH}) ({expr})"


_NOW = [
    panels.number(
        "Ports left",
        "Local ports still free toward the destination that is worst off, of all there are for it. At 0 connect() "
        "fails with EADDRNOTAVAIL.",
        RATIO,
        f"min({_LEFT})",
        {0: RED, 0.1: YELLOW, 0.3: panels.GREEN},
        width=4,
    ),
    panels.number(
        "Exhausted in",
        "Until no local port is left for some destination, at the present rate; empty where that is not in sight.",
        SECONDS,
        f"min({_ports('exhaustion_seconds')})",
        {0: RED, 60: YELLOW, 3600: panels.GREEN},
        width=4,
    ),
    panels.number(
        "Connects without a port",
        "Calls of connect() a second that failed as no local port was free.",
        PER_S,
        f"sum({_FAILED})",
        {0.001: RED},
        width=4,
    ),
    panels.number(
        "Kept by TIME_WAIT",
        "Of the local ports toward one destination, how many only wait in TIME_WAIT: of the destination where that is "
        "the most.",
        RATIO,
        f"max({_WAITING})",
        {0.3: YELLOW, 0.5: RED},
        width=4,
    ),
    panels.number(
        "TIME_WAIT in all",
        "Connections in TIME_WAIT. A server's cost little memory and no port; what counts are a client's toward one "
        "destination.",
        COUNT,
        'sum(tcpwatch_connections{HERE, state="TIME_WAIT"})',
        CALM,
        width=4,
    ),
    panels.number(
        "Clients' life time",
        "Half of the outgoing connections lived no longer than this. Each needs a port while it lives, and for a "
        "minute after, if this side closed first.",
        SECONDS,
        quantile(0.5, "tcpwatch_connection_duration_seconds", _CLIENTS),
        CALM,
        width=4,
    ),
]

_HEADROOM = [
    panels.lines(
        "Ports left",
        "Free ones, of all there are, of each group's destination that is worst off.",
        RATIO,
        Query(_LEFT, _WHO),
    ),
    panels.lines(
        "Ports in use",
        "Toward that destination, TIME_WAIT included, and how many there are.",
        COUNT,
        Query(_ports("used"), f"{_WHO}: in use"),
        Query(_ports("available"), f"{_WHO}: there are"),
    ),
    panels.lines(
        "Time until exhaustion",
        "At the present rate. Gaps: it is not in sight.",
        SECONDS,
        Query(_ports("exhaustion_seconds"), _WHO),
    ),
    panels.lines(
        "Connects without a port",
        "Calls of connect() a second that failed with EADDRNOTAVAIL.",
        PER_S,
        Query(_FAILED, _WHO),
        width=12,
    ),
    panels.lines(
        "Kept by TIME_WAIT",
        "Of the local ports toward a destination, how many only wait in TIME_WAIT.",
        RATIO,
        Query(_WAITING, _WHO),
        width=12,
    ),
]

_SOURCES = [
    panels.lines(
        "TIME_WAIT by service",
        "Connections in TIME_WAIT, by port and side. They are where somebody closed first; reused connections have "
        "none.",
        COUNT,
        Query(
            f'topk(20, sum by (instance, netns, port, role) (tcpwatch_connections{{{_WHERE}, state="TIME_WAIT"}}))',
            "{{instance}} {{netns}} :{{port}} {{role}}",
        ),
    ),
    panels.lines(
        "Outgoing connections opened",
        "A second, by remote port and process. Every one takes a local port; a pool would take few.",
        PER_S,
        Query(
            f"topk(20, {total('tcpwatch_connections_opened_total', _CLIENTS, 'instance, netns, port, comm')})",
            "{{instance}} {{netns}} to :{{port}} {{comm}}",
        ),
    ),
    panels.lines(
        "Life time of outgoing connections",
        "Half of those that ended lived no longer than this.",
        SECONDS,
        Query(
            quantile(0.5, "tcpwatch_connection_duration_seconds", _CLIENTS, "instance, netns, port"),
            "{{instance}} {{netns}} to :{{port}}",
        ),
    ),
]

_ALL = [
    panels.table(
        "Destinations",
        "The destination that is worst off of each remote port and network, the fullest on top.",
        {"instance": "Machine", "netns": "Namespace", "port": "Remote port", "network": "Network"},
        Column("In use", RATIO, _each(f"{_ports('used')} / {_ports('available')}"), {0.7: YELLOW, 0.9: RED}),
        Column("Ports in use", COUNT, _each(_ports("used")), CALM),
        Column("In TIME_WAIT", COUNT, _each(_ports("time_wait")), CALM),
        Column("Free", COUNT, _each(_ports("free")), CALM),
        Column("Exhausted in", SECONDS, _each(_ports("exhaustion_seconds")), CALM),
        Column("Failed connects", PER_S, _FAILED, {0.001: RED}),
    )
]

BOARD = Board(
    "tcpwatch-ports",
    "tcpwatch: local ports and TIME_WAIT",
    "How many local ports are left for outgoing connections, and what keeps them.",
    {"Now": _NOW, "Headroom": _HEADROOM, "Where it comes from": _SOURCES, "Every destination": _ALL},
    (NETNS, _PORT),
)
