"""The transport of a replay: the keys that move through a recording, the line that says where in it one is, and the
prompt for a time to go to. How it is played is the player's matter."""

from collections.abc import Callable
from math import isinf
from typing import TYPE_CHECKING, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import Input

from tcpwatch import words
from tcpwatch.errors import UsageError
from tcpwatch.replay import marks, when
from tcpwatch.replay.transport import Transport, faster, slower
from tcpwatch.tui.columns import Cell, Role
from tcpwatch.tui.entry import Entry
from tcpwatch.tui.lines import Line, length, strip

if TYPE_CHECKING:
    from tcpwatch.replay.player import Player
    from tcpwatch.tui.app import TcpwatchApp

_SECOND_NS = 1_000_000_000
_REFRESH_S = 0.2
PROMPT = " go to: "

KEYS = (
    ("left", "play('skip', -1)", "a second back"),
    ("right", "play('skip', 1)", "a second on"),
    ("shift+left", "play('skip', -10)", "ten seconds back"),
    ("shift+right", "play('skip', 10)", "ten seconds on"),
    ("ctrl+left", "play('skip', -60)", "a minute back"),
    ("ctrl+right", "play('skip', 60)", "a minute on"),
    ("comma", "play('step', -1)", "a frame back"),
    ("full_stop", "play('step', 1)", "a frame on"),
    ("right_square_bracket,plus,equals_sign", "play('faster')", "faster"),
    ("left_square_bracket,minus", "play('slower')", "slower"),
    ("backspace", "play('real')", "as fast as it was"),
    ("less_than_sign", "play('begin')", "to the beginning"),
    ("greater_than_sign", "play('end')", "to the end"),
    ("n", "play('mark', 1)", "next mark"),
    ("N", "play('mark', -1)", "previous mark"),
    ("colon", "play('go_to')", "go to a time"),
)
BINDINGS: list[BindingType] = [Binding(keys, action, said, show=False) for keys, action, said in KEYS]

SIGNS: dict[int, Cell] = {
    marks.REMARK: ("•", "info"),
    marks.RETRANSMITS: ("▲", "warn"),
    marks.FINDING: ("◇", "warn"),
    marks.RESETS: ("✕", "bad"),
    marks.LOST: ("?", "bad"),
    marks.ALARM: ("◆", "bad"),
}
_STATES: dict[str, Cell] = {
    "playing": ("▶ ", "good"),
    "paused": ("❚❚", "warn"),
    "ended": ("■ ", "info"),
    "following": ("⇥ ", "good"),
}


class TransportBar(Vertical):
    """On every screen, the last line."""

    DEFAULT_CSS = """
    TransportBar { height: auto; background: $surface; }
    TransportBar TimeLine { height: 1; padding: 0 1; }
    TransportBar Horizontal { height: 1; display: none; }
    TransportBar GoTo { width: 8; height: 1; }
    TransportBar Moment, TransportBar Moment:focus {
        height: 1; border: none; padding: 0; background: $surface; background-tint: transparent;
    }
    """

    app: "TcpwatchApp"

    def __init__(self, player: "Player", say: Callable[[str, Role], None]) -> None:
        """say: where a sentence is told to the user."""
        super().__init__()
        self.player = player
        self.line = TimeLine(player, say)
        self.prompt = Horizontal(GoTo(), Moment(compact=True, select_on_focus=False))
        self._before: Widget | None = None

    def compose(self) -> ComposeResult:
        yield self.line
        yield self.prompt

    def obey(self, wish: str, amount: int = 0) -> None:
        """One of KEYS."""
        player, speed = self.player, self.player.transport().speed
        if wish == "skip":
            player.skip(amount * _SECOND_NS)
        elif wish == "step":
            player.step(amount)
        elif wish in ("faster", "slower", "real"):
            player.set_speed({"faster": faster(speed), "slower": slower(speed), "real": 1.0}[wish])
        elif wish == "mark":
            self._to_mark(amount)
        elif wish == "go_to":
            self.open()
        else:
            (player.to_begin if wish == "begin" else player.to_end)()
        self.line.look()

    def _to_mark(self, by: int) -> None:
        if not (self.player.next_mark() if by > 0 else self.player.previous_mark()):
            scanned = self.player.transport().scanned
            so_far = "" if scanned == 1 else f" so far: {scanned:.0%} searched for findings"
            self.line.say(f"no mark {'after' if by > 0 else 'before'} this{so_far}", "bright")

    def open(self) -> None:
        self._before = self.screen.focused
        self.line.display, self.prompt.display = False, True
        box = self.query_one(Moment)
        box.value = ""
        box.focus()

    def _close(self) -> None:
        self.line.display, self.prompt.display = True, False
        if self._before is not None:
            self._before.focus()

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        event.stop()
        if event.value.strip():
            now = self.player.transport()
            try:
                self.player.seek(when.moment(event.value, when.Span(now.begin_ns, now.end_ns, now.now_ns)))
            except UsageError as error:
                self.line.say(error.what, "warn")
                return
        self._close()

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()

    def on_moment_dropped(self) -> None:
        self._close()


class Moment(Entry):
    """The input itself."""

    class Dropped(Message):
        """Escape."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "drop", "close", show=False),
        Binding("tab", "ignore", show=False),
    ]

    def action_drop(self) -> None:
        self.post_message(self.Dropped())

    def action_ignore(self) -> None:
        """Tab would move on to another view in the middle of a time."""


class GoTo(Widget):
    app: "TcpwatchApp"

    def render_line(self, y: int) -> Strip:
        return strip([(PROMPT, "info")], self.size.width, self.app.palette).apply_style(self.rich_style)


class TimeLine(Widget):
    """Where it is, how fast it goes, and what happened when. A click goes there."""

    app: "TcpwatchApp"

    def __init__(self, player: "Player", say: Callable[[str, Role], None]) -> None:
        super().__init__()
        self.player, self.say = player, say
        self.drawn: Transport | None = None
        self._bar = (0, 0)

    def on_mount(self) -> None:
        self.set_interval(_REFRESH_S, self.look)

    def look(self) -> None:
        """Draw again if there is news, and say what should be read."""
        if not self.is_attached or not self.screen.is_current:
            return  # a view may be there before this is
        now, before = self.player.transport(), self.drawn
        if now == before:
            return
        self.drawn = now
        self.refresh()
        if before is None:
            return
        if now.still != before.still:
            self.app.draw()  # the header says so, too
        if now.mark and now.mark != before.mark:
            self.say(words.clean(now.mark), "bright")
        elif now.state == "ended" and before.state != "ended":
            self.say("; ".join(("the recording ends here", *map(words.clean, now.notes))), "bright")
        elif now.notes != before.notes and now.notes:
            self.say(words.clean(now.notes[0]), "warn")

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        line, self._bar = drawn(self.player.transport(), width)
        return strip(line, width, self.app.palette).apply_style(self.rich_style)

    def on_click(self, event: events.Click) -> None:
        begin, width = self._bar
        at = event.x - 1 - begin  # the padding
        if 0 <= at < width:
            now = self.player.transport()
            self.player.seek(now.begin_ns + (now.end_ns - now.begin_ns) * at // max(1, width - 1))


def drawn(now: Transport, width: int) -> tuple[Line, tuple[int, int]]:
    """The line, and where in it the bar is: (first cell, how many)."""
    left = _left(now, width)
    right: list[Cell] = [(f" {when.said(now.end_ns)[11:]}", "dim")]
    room = width - length(left) - length(right)
    right += _tags(now, room - max(16, room * 3 // 5))
    size = max(1, width - length(left) - length(right))
    return [*left, *_bar(now, size), *right], (length(left), size)


def _left(now: Transport, width: int) -> list[Cell]:
    clock = when.said(now.now_ns)
    if now.still or now.speed < 1:
        clock += f".{now.now_ns // 10**8 % 10}"
    return [
        ("⋯ ", "info") if now.busy else _STATES[now.state],
        (f" {speed_text(now.speed):<5} ", "bright" if now.state == "playing" else "dim"),
        (f"{clock} ", "bright"),
    ]


def speed_text(speed: float) -> str:
    """`0.25x`, `1000x`, `max`."""
    return "max" if isinf(speed) else f"{speed:g}x"


def _tags(now: Transport, room: int) -> list[Cell]:
    """As many words as fit, the most important first."""
    known = "" if now.known_from_ns is None else f"facts since {when.said(now.known_from_ns)[11:]}"
    words_: list[Cell] = [
        ("▲ damaged" if now.notes else "", "warn"),
        ("following" if now.state == "following" else "end" if now.state == "ended" else "", "info"),
        (known, "warn"),
        (f"searched {now.scanned:.0%}" if now.scanned < 1 else "", "dim"),
        ("n/N next mark" if len(now.marks.marks) else "", "dim"),
    ]
    out: list[Cell] = []
    for text, role in words_:
        if text and length(out) + len(text) + 2 <= room:
            out.append((f"  {text}", role))
    return out


def _bar(now: Transport, width: int) -> list[Cell]:
    """Marks over what is played, what is to come, and what is not known."""
    begin_ns, span_ns = now.begin_ns, max(1, now.end_ns - now.begin_ns)
    here = min(width - 1, (now.now_ns - begin_ns) * width // span_ns)
    known = 0 if now.known_from_ns is None else min(here, (now.known_from_ns - begin_ns) * width // span_ns)
    found = now.marks.cells(begin_ns - now.offset_ns, now.end_ns - now.offset_ns, width)
    cells: list[Cell] = []
    for i, kind in enumerate(found.tolist()):
        plain: Cell = ("┄", "dim") if i < known else ("━", "info") if i < here else ("─", "dim")
        cells.append(("┃", "bright") if i == here else SIGNS.get(kind, plain))
    return cells
