"""The help screen: every key, every abbreviation, every sign, and how the probes are."""

from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from tcpwatch import words
from tcpwatch.frame import Probe
from tcpwatch.tui.columns import Cell
from tcpwatch.tui.lines import Line, Lines
from tcpwatch.tui.place import Place
from tcpwatch.tui.status import Status

if TYPE_CHECKING:
    from tcpwatch.tui.app import TcpwatchApp

_KEYS = (
    ("j k ↑ ↓ PgUp PgDn", "move; the cursor then stays with its connection while data moves"),
    ("g  G", "top (and stay there, whatever comes) / bottom"),
    ("Enter", "details of one connection; Esc leads back"),
    ("/", "filter as you type: Enter keeps it, Esc clears it"),
    ("", "e.g.  state established and rtt > 50ms    dport = :443 or comm = nginx"),
    ("s  S", "sort by the next column / turn the direction; or click a title"),
    ("t", "show closed connections too, marked ×"),
    ("Space", "pause: the picture stands still, nothing is missed meanwhile"),
    ("Tab  1-9", "the other views"),
    ("e  r", "export what is shown / start and stop recording"),
    ("Ctrl-P", "commands: themes, light and dark"),
    ("?  q", "this page / quit"),
)
_COLUMNS = (
    ("RTT", "smoothed round-trip time; MIN RTT: the lowest the kernel remembers"),
    ("CWND", "congestion window, segments; SSTHR: slow-start threshold; MSS: bytes in a segment"),
    ("SENT RECV", "bytes over the whole life, retransmissions included; K M G are thousands"),
    ("RETR", "segments sent again; RETR% of all segments sent (a retransmit ratio, not a loss rate)"),
    ("SENDQ RECVQ", "bytes not acknowledged by the peer / not read by the process"),
    ("IDLE", "since data last went either way; IN STATE: since the present state began"),
    ("ACCEPT QUEUE", "connections waiting for accept(), of the most the listener allows"),
    ("SYN  closing", "SYN_SENT + SYN_RECV / FIN_WAIT1, FIN_WAIT2, CLOSING, LAST_ACK"),
    ("lost", "facts the kernel had and could not deliver; anything but 0 means numbers here are too low"),
    ("▁▃▇", "the last seconds, each line scaled to its own highest; the number is the last whole second"),
)
_SIGNS = (
    ("•  ×", "changed within two seconds / closed"),
    ("◆ ▲ ● ✕", "state change / retransmit / congestion state / reset"),
    ("–", "unknown; never a zero"),
)


class Guide(Place):
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,question_mark,enter", "back", "back", show=False)]

    app: "TcpwatchApp"

    def __init__(self) -> None:
        super().__init__()
        self.lines = Lines()

    def compose_place(self) -> ComposeResult:
        yield self.lines
        yield Status((("Esc", "back"), ("j k", "scroll"), ("q", "quit")))

    def on_mount(self) -> None:
        probes = self.app.view.probes if self.app.view else ()
        self.lines.show(page(probes))

    def action_back(self) -> None:
        self.app.pop_screen()


def page(probes: tuple[Probe, ...]) -> list[Line]:
    """All lines of help."""
    lines: list[Line] = []
    for title, entries in (("KEYS", _KEYS), ("NUMBERS", _COLUMNS), ("SIGNS", _SIGNS)):
        lines += [[(title, "title")], *([(f"  {key:<19}", "info"), (text, "plain")] for key, text in entries), ()]
    return [*lines, [("PROBES", "title")], *(line for probe in probes for line in _probe(probe))]


def _probe(probe: Probe) -> list[Line]:
    name: Cell = (f"{words.clean(probe.name):<28} ", "plain")
    if probe.attached:
        return [[("  ✓ ", "good"), name, (words.clean(probe.purpose), "dim")]]
    why = words.clean(f"{probe.purpose}: {probe.reason}")
    return [[("  ▲ ", "warn"), name, (why, "warn")], [(" " * 33, "plain"), (words.clean(probe.without), "plain")]]
