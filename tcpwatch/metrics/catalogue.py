"""Which metrics there are: each with what it says, in the order in which they are exposed. docs/metrics.md is made of
it (guide.py). Knows nothing of how they are counted."""

from collections.abc import Iterator

from tcpwatch.metrics.metric import (
    DESTINATION,
    LIFETIMES,
    LISTENER,
    NAMESPACE,
    RATIOS,
    SECONDS,
    SERVICE,
    Metric,
    Section,
)
from tcpwatch.metrics.picture import Kind


def _each(kind: Kind, shared: tuple[str, ...], *of: tuple[str, str]) -> Iterator[Metric]:
    return (Metric(name, kind, help_, shared=shared) for name, help_ in of)


def _of_service(name: str, kind: Kind, help_: str, *own: str, bounds: tuple[float, ...] = ()) -> Metric:
    return Metric(name, kind, help_, SERVICE, own, bounds)


_CONNECTIONS = (
    _of_service(
        "connections",
        "gauge",
        "TCP connections now, by state (ss's names); TIME_WAIT and half-open ones (SYN_RECV) included, listeners not.",
        "state",
    ),
    _of_service("connections_opened", "counter", "Connections whose handshake was completed."),
    _of_service(
        "connections_closed",
        "counter",
        "Connections that ended, failed calls included, by verdict (docs/verdicts.md); unknown where the end was not "
        "seen.",
        "verdict",
    ),
    _of_service(
        "connections_ailing",
        "gauge",
        "Live connections that are in trouble now, by verdict (docs/verdicts.md).",
        "verdict",
    ),
    _of_service(
        "handshake_seconds",
        "histogram",
        "How long handshakes took: of clients from the SYN to ESTABLISHED, of servers from the SYN-ACK to it.",
        bounds=SECONDS,
    ),
    _of_service(
        "connection_duration_seconds",
        "histogram",
        "How long connections that ended had lived, from the SYN on; TIME_WAIT is not part of it.",
        bounds=LIFETIMES,
    ),
    _of_service(
        "rtt_seconds",
        "histogram",
        "Smoothed round-trip times: of each connection once per snapshot in which it had moved data, and once at its "
        "end.",
        bounds=SECONDS,
    ),
    _of_service(
        "retransmit_ratio",
        "histogram",
        "Segments sent again, of all segments sent, over the life of connections that ended.",
        bounds=RATIOS,
    ),
    _of_service(
        "retransmits",
        "counter",
        "Segments sent again, by cause: timeout, fast, tail_loss_probe, syn, syn_ack, zero_window or unknown.",
        "cause",
    ),
    _of_service("retransmits_spurious", "counter", "Segments sent again that the peer had already (DSACK)."),
    _of_service(
        "resets",
        "counter",
        "Resets, by direction (sent, received) and reason: the kernel's (sk_rst_reason, in lower case), inferred_... "
        "where the state of the socket tells, or unknown.",
        "direction",
        "reason",
    ),
    *_each(
        "counter",
        SERVICE,
        ("sent_bytes", "Payload bytes sent, retransmissions included, as the kernel counts (bytes_sent)."),
        ("received_bytes", "Payload bytes received in order, as the kernel counts (bytes_received)."),
        ("sent_segments", "Segments sent, as the kernel counts (segs_out): pure ACKs and retransmissions included."),
        ("received_segments", "Segments received, as the kernel counts (segs_in)."),
        ("busy_seconds", "Time in which connections had data to send or to be acknowledged."),
    ),
    _of_service(
        "limited_seconds",
        "counter",
        "Of that time, how long sending was held up by the receiver's window or by the own send buffer.",
        "by",
    ),
    _of_service(
        "zero_windows",
        "counter",
        "How often data began to wait for the peer to open its window, as far as snapshots show.",
    ),
)

_LISTENERS = (
    *_each(
        "gauge",
        LISTENER,
        ("listener_accept_queue_length", "Connections that wait for accept(), of all listeners of the port."),
        ("listener_accept_queue_limit", "How many may wait: the backlog of listen(), bounded by net.core.somaxconn."),
        ("listener_syn_queue_length", "Half-open connections: the SYN-ACK was sent, its ACK has not come."),
        ("listener_syn_queue_limit", "How many half-open ones there may be before SYNs are dropped or get cookies."),
    ),
    Metric(
        "listener_accept_queue_fill_ratio",
        "gauge",
        "Length of the accept queue, of its limit; of several listeners the fullest.",
        LISTENER,
    ),
    *_each(
        "counter",
        LISTENER,
        ("listener_drops", "Handshakes turned away: SYNs and final ACKs dropped, for whatever reason."),
        ("listener_overflows", "Handshakes turned away as the accept queue was full."),
        ("listener_synack_retransmits", "SYN-ACKs sent again."),
        ("listener_accepts", "Handshakes completed: connections put into the accept queue."),
    ),
    Metric(
        "listener_syncookies",
        "counter",
        "SYN cookies, by result: sent, accepted, rejected; where it is certain whose they were.",
        shared=LISTENER,
        own=("result",),
    ),
)

_NAMESPACES = (
    *_each(
        "counter",
        NAMESPACE,
        ("kernel_active_opens", "Connections begun from here (ActiveOpens)."),
        ("kernel_passive_opens", "Connections accepted here (PassiveOpens)."),
        ("kernel_attempt_fails", "Handshakes that came to nothing (AttemptFails)."),
        ("kernel_established_resets", "Established connections that were reset (EstabResets)."),
        ("kernel_received_segments", "Segments received (InSegs)."),
        ("kernel_sent_segments", "Segments sent, without those sent again (OutSegs)."),
        ("kernel_retransmitted_segments", "Segments sent again (RetransSegs)."),
        ("kernel_sent_resets", "Segments sent with RST (OutRsts)."),
        ("kernel_listen_overflows", "Handshakes turned away as an accept queue was full (ListenOverflows)."),
        ("kernel_listen_drops", "Handshakes turned away for whatever reason (ListenDrops)."),
        ("kernel_timeouts", "Retransmission timers that ran out (TCPTimeouts)."),
    ),
    Metric(
        "kernel_syncookies",
        "counter",
        "SYN cookies: sent (SyncookiesSent), accepted (SyncookiesRecv), rejected (SyncookiesFailed).",
        shared=NAMESPACE,
        own=("result",),
    ),
    Metric(
        "kernel_aborts",
        "counter",
        "Connections aborted: closed with data unread (unread, TCPAbortOnClose); with SO_LINGER 0 or as data came "
        "after the close (close, TCPAbortOnData); after too many time-outs (timeout, TCPAbortOnTimeout).",
        shared=NAMESPACE,
        own=("why",),
    ),
)

_PORTS = (
    *_each(
        "gauge",
        DESTINATION,
        ("ports_used", "Local ports in use toward one destination, TIME_WAIT included."),
        ("ports_time_wait", "Of these, how many only wait in TIME_WAIT."),
        ("ports_free", "Local ports left toward that destination."),
        ("ports_available", "Local ports there are at all: the range, less what is reserved or listened on."),
    ),
    Metric(
        "ports_exhaustion_seconds",
        "gauge",
        "Until no local port is free, at the present rate; 0: none is. Absent where that is not in sight.",
        DESTINATION,
    ),
    Metric(
        "connects_without_port",
        "counter",
        "Calls of connect() that failed as no local port was free (EADDRNOTAVAIL).",
        shared=DESTINATION,
    ),
)

_FINDINGS = (
    Metric(
        "findings",
        "gauge",
        "What is wrong now (docs/health.md): how many connections, listeners or facts each kind of finding concerns.",
        own=("severity", "code"),
    ),
    Metric(
        "findings_active",
        "gauge",
        "How many findings there are now, by severity: low, medium, high.",
        own=("severity",),
    ),
)

_ITSELF = (
    Metric("events_seen", "counter", "Events that the hooks saw in the kernel, by kind.", own=("kind",)),
    Metric("events_delivered", "counter", "Events that reached user space, by kind.", own=("kind",)),
    Metric(
        "events_lost",
        "counter",
        "Events that did not: seen, and no room in the ring. seen = delivered + lost.",
        own=("kind",),
    ),
    Metric(
        "probe_attached",
        "gauge",
        "1: the kernel took this hook or iterator; 0: it did not, `tcpwatch doctor` says why.",
        own=("probe", "kind"),
    ),
    Metric("ring_fill_ratio", "gauge", "How full the fullest ring was before it was last drained."),
    Metric("snapshot_duration_seconds", "gauge", "How long the newest snapshot of all sockets took."),
    Metric("snapshot_sockets", "gauge", "How many sockets it held."),
    Metric("view_age_seconds", "gauge", "How old these numbers were when they were scraped.", maker="server"),
    Metric("series", "gauge", "How many series a metric has; --max-series bounds it.", own=("metric",)),
    Metric(
        "series_overflows",
        "counter",
        "How often a label set found no room and was counted in the series whose labels all say other.",
        own=("metric",),
    ),
    Metric(
        "frame_duration_seconds",
        "histogram",
        "How long one frame of the kernel's facts took to be folded and counted.",
        bounds=SECONDS,
    ),
    Metric(
        "scrape_duration_seconds",
        "histogram",
        "How long scrapes took to be answered; the ones before this.",
        bounds=SECONDS,
        maker="server",
    ),
    Metric(
        "build",
        "info",
        "tcpwatch's version, the kernel's, and how the programs were loaded (core, bcc; empty for a recording).",
        own=("version", "kernel", "loader"),
    ),
)

SECTIONS = (
    Section("Connections", "By the service they belong to.", _CONNECTIONS),
    Section(
        "Listeners", "By the port they listen on. Several listeners that share all labels are added up.", _LISTENERS
    ),
    Section(
        "Namespaces",
        "The kernel's own counters of each network namespace (`/proc/net/snmp`, `/proc/net/netstat`), from the moment "
        "on that tcpwatch first read them; where the namespace came later and all its connections were seen opening, "
        "from its beginning.",
        _NAMESPACES,
    ),
    Section(
        "Local ports",
        "Of outgoing connections, by what they connect to: `port` is the remote one. Each group's destination that is "
        "worst off, that is, has the fewest ports free.",
        _PORTS,
    ),
    Section("Findings", "The health view as numbers.", _FINDINGS),
    Section(
        "tcpwatch itself",
        "What it saw, what it lost and what it costs. Of its maps in the kernel only the rings can fill, and what they "
        "refuse is counted as lost. The others are arrays with a fixed place for everything; on kernels before 5.12, "
        "where hooks cannot ask for a socket's cookie, a table of 65,536 sockets forgets the one that it has not seen "
        "for longest, and never refuses one.",
        _ITSELF,
    ),
)

METRICS = tuple(metric for section in SECTIONS for metric in section.metrics)


def metric(name: str) -> Metric:
    """name: without the prefix. Raises KeyError."""
    return _BY_NAME[name]


_BY_NAME = {one.name: one for one in METRICS}
