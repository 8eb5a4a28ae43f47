"""The line a filter is typed into, with its fault marked under it. Says when the filter has changed; what is filtered
is not its matter."""

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import Input

from tcpwatch import words
from tcpwatch.errors import FilterError
from tcpwatch.tui.entry import Entry
from tcpwatch.tui.lines import Line, strip

if TYPE_CHECKING:
    from tcpwatch.tui.app import TcpwatchApp

PROMPT = " / "


class Fault(Widget):
    """A caret under the fault, then what is wrong with it, and what would be right."""

    DEFAULT_CSS = "Fault { background: $surface; display: none; }"

    app: "TcpwatchApp"

    def __init__(self) -> None:
        super().__init__()
        self.error: FilterError | None = None
        self.scrolled = 0

    def show(self, error: FilterError | None, scrolled: int) -> None:
        self.error, self.scrolled = error, scrolled
        self.display = error is not None
        self.styles.height = 3 if error is not None and error.cure else 2
        self.refresh()

    def render_line(self, y: int) -> Strip:
        return strip(self._line(y), self.size.width, self.app.palette).apply_style(self.rich_style)

    def _line(self, y: int) -> Line:
        error = self.error
        if error is None:
            return ()
        shown = words.clean(error.expression)
        at = max(0, min(words.width(shown[: error.column]) - self.scrolled, self.size.width - len(PROMPT) - 1))
        if y == 0:
            marked = max(1, words.width(shown[error.column :][: error.length]))
            return [(" " * (len(PROMPT) + at) + "^" * marked, "bad")]
        text = words.clean(error.what if y == 1 else error.cure)
        indent = max(1, min(len(PROMPT) + at, self.size.width - len(text) - 1))
        return [(" " * indent, "plain"), (text, "warn" if y == 1 else "dim")]


class Expression(Entry):
    """The input itself: Enter keeps what is there, Escape drops it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "drop", "clear", show=False),
        Binding("tab", "ignore", show=False),
    ]

    def action_drop(self) -> None:
        self.post_message(FilterBar.Dropped())

    def action_ignore(self) -> None:
        """Tab would move on to another view in the middle of a word."""


class FilterBar(Vertical):
    """Hidden until `open`."""

    DEFAULT_CSS = """
    FilterBar { height: auto; display: none; background: $surface; }
    FilterBar Horizontal { height: 1; }
    FilterBar Prompt { width: 3; height: 1; }
    FilterBar Expression, FilterBar Expression:focus {
        height: 1; border: none; padding: 0; background: $surface; background-tint: transparent;
    }
    """

    class Changed(Message):
        def __init__(self, expression: str) -> None:
            super().__init__()
            self.expression = expression

    class Kept(Message):
        """Enter."""

    class Dropped(Message):
        """Escape."""

    def compose(self) -> ComposeResult:
        with Horizontal():
            yield Prompt()
            yield Expression(compact=True, select_on_focus=False)
        yield Fault()

    def open(self, expression: str) -> None:
        self.display = True
        box = self.query_one(Expression)
        with box.prevent(Input.Changed):
            box.value = expression
        box.cursor_position = len(expression)
        box.focus()

    def close(self) -> None:
        self.display = False
        self.fault(None)

    def fault(self, error: FilterError | None) -> None:
        box = self.query_one(Expression)
        self.query_one(Fault).show(error, round(box.scroll_x))

    @property
    def faulty(self) -> bool:
        """True while the expression cannot be understood."""
        return self.query_one(Fault).error is not None

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Changed(event.value))

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        event.stop()
        self.post_message(self.Kept())


class Prompt(Widget):
    app: "TcpwatchApp"

    def render_line(self, y: int) -> Strip:
        return strip([(PROMPT, "info")], self.size.width, self.app.palette).apply_style(self.rich_style)
