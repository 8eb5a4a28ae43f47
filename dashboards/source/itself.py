"""Can tcpwatch be trusted? What it saw and lost, how fresh its numbers are, and what it costs."""

from dashboards.source import panels
from dashboards.source.board import Board
from dashboards.source.panels import BYTES, CALM, CORES, COUNT, PER_S, RATIO, RED, SECONDS, YELLOW, Column
from dashboards.source.queries import Query, quantile, share, total

_LOST = share(total("tcpwatch_events_lost_total", "MACHINE"), total("tcpwatch_events_seen_total", "MACHINE"))

_NOW = [
    panels.number(
        "Not reached",
        "Machines whose tcpwatch Prometheus cannot scrape now. Of the chosen job; those that never answered in the "
        "shown time are not among the choices for a machine.",
        COUNT,
        'count(up{job=~"$job"} == 0) or 0 * count(up{job=~"$job"})',
        {1: RED},
    ),
    panels.number(
        "Oldest numbers",
        "How old the numbers were when they were scraped: of the machine where they were the oldest. About a second is "
        "usual.",
        SECONDS,
        "max(tcpwatch_view_age_seconds{MACHINE})",
        {5: YELLOW, 30: RED},
    ),
    panels.number(
        "Events lost",
        "Of the events that the hooks saw, the share for which there was no room. Above 0 the counts of connections, "
        "resets and retransmits are too low; the kernel's own are not.",
        RATIO,
        _LOST,
        {1e-6: YELLOW, 0.001: RED},
    ),
    panels.number(
        "Fullest ring",
        "How full the ring between the kernel and tcpwatch was before it was drained. At 100 % events are lost; a "
        "larger --ring-mb helps.",
        RATIO,
        "max(tcpwatch_ring_fill_ratio{MACHINE})",
        {0.5: YELLOW, 0.9: RED},
    ),
    panels.number(
        "Hooks missing",
        "Hooks and iterators that a kernel did not take: what they would tell is not known there. `tcpwatch doctor` "
        "says why.",
        COUNT,
        "count(tcpwatch_probe_attached{MACHINE} == 0) or 0 * count(tcpwatch_probe_attached{MACHINE})",
        {1: YELLOW},
    ),
    panels.number(
        "Label sets without room",
        "A second. They are counted in the series whose labels all say `other`: sums stay exact, details are missing. "
        "Fewer --labels or a higher --max-series help.",
        PER_S,
        total("tcpwatch_series_overflows_total", "MACHINE"),
        {0.001: YELLOW},
    ),
    panels.number(
        "CPU time",
        "Of one core, added up over the machines.",
        CORES,
        total("process_cpu_seconds_total", "MACHINE"),
        CALM,
    ),
    panels.number(
        "Memory",
        "Resident memory of the tcpwatch that needs the most.",
        BYTES,
        "max(process_resident_memory_bytes{MACHINE})",
        CALM,
    ),
]

_MACHINES = [
    panels.table(
        "Versions",
        "Each machine's tcpwatch, kernel, and loader (empty where a recording is served).",
        {"instance": "Machine", "version": "tcpwatch", "kernel": "Kernel", "loader": "Loader"},
        Column("Running", COUNT, "max by (instance, version, kernel, loader) (tcpwatch_build_info{MACHINE})", CALM),
        width=12,
        height=7,
    ),
    panels.table(
        "Hooks and iterators",
        "0: the kernel did not take it. `tcpwatch doctor` on that machine says why, and what is missed for it.",
        {"instance": "Machine", "probe": "Hook", "kind": "Kind"},
        Column(
            "Attached", COUNT, "max by (instance, probe, kind) (tcpwatch_probe_attached{MACHINE})", {0: RED, 1: "text"}
        ),
        width=12,
        height=7,
    ),
]

_EVENTS = [
    panels.lines(
        "Events seen",
        "A second, in the kernel, by kind.",
        PER_S,
        Query(total("tcpwatch_events_seen_total", "MACHINE", "kind"), "{{kind}}"),
        stacked=True,
    ),
    panels.lines(
        "Events delivered and lost",
        "Every event seen is one or the other, sooner or later.",
        PER_S,
        Query(total("tcpwatch_events_delivered_total", "MACHINE", "instance"), "{{instance}}: delivered"),
        Query(total("tcpwatch_events_lost_total", "MACHINE", "instance"), "{{instance}}: lost"),
    ),
    panels.lines(
        "Ring",
        "How full it was before it was drained.",
        RATIO,
        Query("max by (instance) (tcpwatch_ring_fill_ratio{MACHINE})", "{{instance}}"),
    ),
]

_WORK = [
    panels.lines(
        "CPU time",
        "Of one core. It grows with events a second, and with connections times namespaces through the snapshots.",
        CORES,
        Query(total("process_cpu_seconds_total", "MACHINE", "instance"), "{{instance}}"),
    ),
    panels.lines(
        "Memory",
        "Resident. It should be flat, whatever the number of connections that come and go.",
        BYTES,
        Query("max by (instance) (process_resident_memory_bytes{MACHINE})", "{{instance}}"),
    ),
    panels.heat(
        "Frames",
        "How long one frame of the kernel's facts took to be folded and counted.",
        SECONDS,
        "tcpwatch_frame_duration_seconds",
        "MACHINE",
    ),
    panels.lines(
        "Snapshots",
        "How long the newest snapshot of all sockets took.",
        SECONDS,
        Query("max by (instance) (tcpwatch_snapshot_duration_seconds{MACHINE})", "{{instance}}"),
    ),
    panels.lines(
        "Sockets in a snapshot",
        "All of the machine's TCP sockets, of every namespace: listeners, half-open ones and TIME_WAIT included.",
        COUNT,
        Query("max by (instance) (tcpwatch_snapshot_sockets{MACHINE})", "{{instance}}"),
    ),
    panels.lines(
        "Age of the numbers",
        "How old they were when they were scraped.",
        SECONDS,
        Query("max by (instance) (tcpwatch_view_age_seconds{MACHINE})", "{{instance}}"),
    ),
]

_SCRAPES = [
    panels.lines(
        "Scrapes",
        "How long tcpwatch took to answer (99 %), and how long Prometheus waited in all.",
        SECONDS,
        Query(quantile(0.99, "tcpwatch_scrape_duration_seconds", "MACHINE", "instance"), "{{instance}}: answered"),
        Query("max by (instance) (scrape_duration_seconds{MACHINE})", "{{instance}}: waited"),
    ),
    panels.lines(
        "Series by metric",
        "The ten largest. --max-series bounds each of them, --labels says what tells them apart.",
        COUNT,
        Query("topk(10, max by (metric) (tcpwatch_series{MACHINE}))", "{{metric}}"),
    ),
    panels.lines(
        "Label sets without room",
        "A second, by metric: counted in the series whose labels all say `other`.",
        PER_S,
        Query(total("tcpwatch_series_overflows_total", "MACHINE", "metric"), "{{metric}}"),
    ),
    panels.lines(
        "Samples in a scrape",
        "As Prometheus counts them: what a machine costs there.",
        COUNT,
        Query("max by (instance) (scrape_samples_scraped{MACHINE})", "{{instance}}"),
        width=12,
    ),
    panels.lines(
        "Open descriptors",
        "Of the tcpwatch process. It holds the hooks, the rings, and one for each scraper.",
        COUNT,
        Query("max by (instance) (process_open_fds{MACHINE})", "{{instance}}"),
        width=12,
    ),
]

BOARD = Board(
    "tcpwatch-itself",
    "tcpwatch: tcpwatch itself",
    "Whether its numbers can be trusted: what it saw and lost, how fresh they are, and what it costs.",
    {
        "Now": _NOW,
        "Machines": _MACHINES,
        "Events": _EVENTS,
        "Work": _WORK,
        "Scrapes and series": _SCRAPES,
    },
    (),
    findings=False,
)
