"""The help screen: every key, every abbreviation, every sign, and how the probes are."""

from textwrap import wrap
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from tcpwatch import words
from tcpwatch.frame import Probe
from tcpwatch.tui.columns import Role
from tcpwatch.tui.lines import Line, Lines
from tcpwatch.tui.place import Place
from tcpwatch.tui.status import Status

if TYPE_CHECKING:
    from tcpwatch.tui.app import TcpwatchApp

_KEYS = (
    ("j k ↑ ↓ PgUp PgDn", "move; the cursor then stays with its connection while data moves"),
    ("g  G", "top (and stay there, whatever comes) / bottom"),
    ("Enter", "details of one connection; Esc leads back. Of a line of Ports: its connections, by a filter"),
    ("", "of a finding of Health: what it concerns, by a filter that Esc clears"),
    ("/", "filter as you type: Enter keeps it, Esc clears it"),
    ("", "e.g.  state established and rtt > 50ms    dport = :443 or comm = nginx"),
    ("s  S", "sort by the next column / turn the direction; or click a title"),
    ("t", "show closed connections too, marked ×, or ! where they ended in trouble"),
    ("Space", "pause: the picture stands still, nothing is missed meanwhile"),
    ("Tab  1-9", "the other views, from details too"),
    ("r", "start or stop recording into a file here: ● REC with its time and size; quitting ends it well"),
    ("e", "write what is shown, in details that connection, to a new file here, as JSON lines"),
    ("Ctrl-P", "commands: themes, light and dark"),
    ("?  q", "this page / quit"),
)
_REPLAY = (
    ("Space", "play, or pause; at the end: again from the beginning"),
    ("← →", "a second back or on; with Shift ten, with Ctrl a minute"),
    (",  .", "a frame (what the kernel told at a time) back or on; it pauses there"),
    ("[ ]  - +", "slower, faster: 0.25x to 1000x and max, as fast as possible; Backspace: 1x"),
    ("", "above 10x less is looked at of each second: findings come up to 10 s later, curves are coarser"),
    ("n  N", "next mark, previous mark"),
    (":", "go to a time: 14:02:11, 2026-11-21 14:02, +30s, -1m30s, 40%; or click on the line"),
    ("<  >", "the beginning, the end; the end of a file that still grows is followed"),
    ("◆ ◇ •  ✕ ▲ ?", "a finding of high, medium, low harm / resets / many retransmits at once / events lost"),
    ("━ ─ ┄", "played / to come / before what this picture knows: facts since the time that is said; what"),
    ("", "happened earlier is –, or ≥ where a number could only be more, until there was time to read it"),
    ("", "Times of day are of your time zone; ages and the like are by the recording's clock"),
)
_COLUMNS = (
    ("RTT", "smoothed round-trip time; MIN RTT: the lowest the kernel remembers"),
    ("CWND", "congestion window, segments; SSTHR: slow-start threshold; MSS: bytes in a segment"),
    ("SENT RECV", "bytes over the whole life, retransmissions included; K M G are thousands"),
    ("RETR", "segments sent again; RETR% of all segments sent (a retransmit ratio, not a loss rate)"),
    ("SENDQ RECVQ", "bytes not acknowledged by the peer / not read by the process"),
    ("SIDE  NETNS", "who opened it: this side is client or server / network namespace, its name or inode number"),
    ("IDLE", "since data last went either way; IN STATE: since the present state began"),
    ("limits", "details: shares of its time; path: data is under way, and the congestion window and the round trip"),
    ("", "decide; receiver: its window is full; send buffer: ours is; application: it has nothing to send"),
    ("⢕ ┄ ╌", "details: under way; ssthresh, or our window; the peer's window, in segments where cwnd is"),
    ("in vain", "segments sent again that the peer had already (it says so with a DSACK)"),
    ("ACCEPT QUEUE", "connections that wait for accept(), of the most the listener allows, and over the last minutes"),
    ("SYN QUEUE", "half-open connections, likewise; when it is full SYNs are dropped or answered with cookies"),
    ("ACCEPTS/S", "handshakes completed per second"),
    ("DROPS", "SYNs and final ACKs turned away since it listens, ▲ while there are more; for any reason"),
    ("OVERFLOWS", "of these, as the accept queue was full; this and COOKIES only where one listener can be meant"),
    ("COOKIES", "SYN cookies sent/accepted/rejected; SYN-ACK RETR: SYN-ACKs sent again"),
    ("HINT", "slow accept: the process does not accept; flood: handshakes begun, not ended; load: they do end"),
    ("FREE  OF  LASTS", "local ports left to connect to one place, of those offered; until none is left at this rate"),
    ("", "(of the last 10 s, with the TIME_WAIT that end meanwhile; – within an hour it does not come to that)"),
    ("USED  TIME_WAIT", "ports in use to that place, all of them / only waiting (60 s each, whatever sysctls say)"),
    ("NEW/S  GROWTH/S", "connections opened / how much more ports are in use, per second, over the last 10 s"),
    ("FAILED", "connects that found no port (EADDRNOTAVAIL); under the table what would help"),
    ("BREAKS", "until a NAT forgets the idle connection (--nat-timeout), or unanswered keep-alive ends it"),
    ("KEEPALIVE  AGAIN", "silence before the first probe / between the next ones × how many until the end"),
    ("PROBE IN  PROBES", "until the next probe / probes without an answer; SILENT: since any segment, probes included"),
    ("SYN  closing", "SYN_SENT + SYN_RECV / FIN_WAIT1, FIN_WAIT2, CLOSING, LAST_ACK"),
    ("HARM  FOR  SINCE", "of a finding: how bad it is / for how long, ≥ if it was there before tcpwatch"),
    ("lost", "facts the kernel had and could not deliver; anything but 0 means numbers here are too low"),
    ("▁▃▇", "the last seconds, each line scaled to its own highest; the number is the last whole second"),
)
_SIGNS = (
    ("•  ×", "changed within two seconds / closed"),
    ("◆ ▲ ● ✕ ○", "state change / retransmit / congestion state / reset, drop by a listener / SYN cookie"),
    ("!", "in trouble, open or closed: see its verdict / runs out within a minute / breaks, or is broken"),
    ("–", "unknown; never a zero"),
)


_INDENT = 22


class Guide(Place):
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,question_mark,enter", "back", "back", show=False)]

    app: "TcpwatchApp"

    def __init__(self) -> None:
        super().__init__()
        self.lines = Lines()

    def compose_place(self) -> ComposeResult:
        yield self.lines
        yield Status((("Esc", "back"), ("j k", "scroll"), ("q", "quit")))

    def on_resize(self) -> None:
        probes = self.app.view.probes if self.app.view else ()
        self.lines.show(page(probes, max(40, self.size.width - 4), replay=self.app.player is not None))

    def action_back(self) -> None:
        self.app.pop_screen()


def page(probes: tuple[Probe, ...], width: int, replay: bool = False) -> list[Line]:
    """All lines of help, wrapped to `width`."""
    lines: list[Line] = []
    parts = (("REPLAY", _REPLAY if replay else ()), ("KEYS", _KEYS), ("NUMBERS", _COLUMNS), ("SIGNS", _SIGNS))
    for title, entries in parts:
        if not entries:
            continue
        lines += [[(title, "title")], *(line for key, text in entries for line in _entry(key, text, width)), ()]
    return [*lines, [("PROBES", "title")], *(line for probe in probes for line in _probe(probe, width))]


def _entry(key: str, text: str, width: int, role: Role = "plain") -> list[Line]:
    first, *more = wrap(text, max(20, width - _INDENT)) or [""]
    head: Line = [(f"  {key}".ljust(_INDENT), "info"), (first, role)]
    return [head, *([(" " * _INDENT + line, role)] for line in more)]


def _probe(probe: Probe, width: int) -> list[Line]:
    name, purpose = words.clean(probe.name), words.clean(probe.purpose)
    if probe.attached:
        return [[("  ✓ ", "good"), (f"{name:<30} ", "plain"), (purpose, "dim")]]
    lines: list[Line] = [
        [
            ("  ▲ ", "warn"),
            (f"{name:<30} ", "plain"),
            (f"{'refused' if probe.refused else 'missing'}: {purpose}", "warn"),
        ]
    ]
    for said in (probe.reason, probe.without and f"without it: {probe.without}"):
        lines += _entry("", words.clean(said), width) if said else []
    return lines
