"""The terminal program: what the user wants to see, held in one place, and the keys that change it. Draws the feed's
newest view once; asks nothing else of the world."""

import asyncio
import signal
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.screen import Screen

from tcpwatch.errors import FilterError, TcpwatchError
from tcpwatch.tracker.view import Focus, Key, View
from tcpwatch.tui.feed import Feed
from tcpwatch.tui.palette import DARK, LIGHT, Palette, default_theme

if TYPE_CHECKING:
    from tcpwatch.filter import Filter
    from tcpwatch.tui.desk import Desk

Export = Callable[[View, np.ndarray, str], str]
Record = Callable[[], tuple[bool, str]]


class NewView(Message):
    """The feed has something new. Only the last one of several waiting counts."""

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, NewView)


class TcpwatchApp(App[None]):
    """feed: where views come from. expression: the filter to begin with; raises FilterError where it has a fault.
    loader: which way the probes came in. export: (view, indices into its connections, expression) -> what to tell the
    user. record: starts or stops -> (whether it records now, what to tell the user)."""

    TITLE = "tcpwatch"
    ENABLE_COMMAND_PALETTE = True
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c", "quit", "quit", show=False, priority=True),
        Binding("q", "quit", "quit", show=False),
        Binding("question_mark", "guide", "help", show=False),
        Binding("space", "pause", "pause", show=False),
    ]

    def __init__(
        self,
        feed: Feed,
        expression: str = "",
        *,
        loader: str = "",
        theme: str | None = None,
        export: Export | None = None,
        record: Record | None = None,
    ) -> None:
        colour = not _colour_unwanted()
        super().__init__(ansi_color=None if colour else True)
        self.feed, self.loader, self.export, self.record = feed, loader, export, record
        self.view: View | None = None
        self.paused = self.with_closed = self.recording = False
        self.ended = ""
        self.expression, self.filter = "", None
        self.set_filter(expression)
        self._looked_at: Focus | None = None
        self._recording_since = 0.0
        self.animation_level = "none"
        for known in (DARK, LIGHT):
            self.register_theme(known)
        self.theme = theme or default_theme(self.console.color_system, colour)
        self.palette = self._palette()
        self.theme_changed_signal.subscribe(self, lambda _: self._repaint())
