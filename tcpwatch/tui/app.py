"""The terminal program: what the user wants to see, held in one place, and the keys that change it. Draws the feed's
newest view once; asks nothing else of the world."""

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from textual import events
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.screen import Screen

from tcpwatch.errors import TcpwatchError, UsageError
from tcpwatch.tracker.view import Focus, Key, View
from tcpwatch.tui.columns import Role
from tcpwatch.tui.desk import Desk
from tcpwatch.tui.feed import Feed, Recorder
from tcpwatch.tui.palette import DARK, LIGHT, SIXTEEN_DARK, SIXTEEN_LIGHT, Palette, default_theme
from tcpwatch.tui.place import Place
from tcpwatch.tui.sheet import Kind
from tcpwatch.tui.status import MESSAGE_SECONDS

if TYPE_CHECKING:
    from tcpwatch.filter import Filter
    from tcpwatch.replay.player import Player

Export = Callable[[View, Kind, np.ndarray], str]
Companion = Callable[[Callable[[str], object]], None]


class NewView(Message):
    """The feed has something new. Only the last one of several waiting counts."""

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, NewView)


class Announcement(Message):
    """Somebody outside has something to tell the user."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text


class TcpwatchApp(App[None]):
    """feed: where views come from. expression: the filter to begin with; raises FilterError where it has a fault.
    loader: which way the probes came in. theme: dark, light, or a name of Textual's; raises UsageError where there is
    none of that name. export: (view, which of its lists, indices into that) -> what to tell the user. recorder:
    of what the feed brings. player: the feed, where it plays a recording. companion: called once the screen is there,
    with a function that tells the user something, on any thread. seconds: how long it runs; None: until the user
    quits."""

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
        recorder: Recorder | None = None,
        player: "Player | None" = None,
        companion: Companion | None = None,
        seconds: float | None = None,
    ) -> None:
        colour = "NO_COLOR" not in os.environ
        super().__init__(ansi_color=None if colour else True)
        self.feed, self.loader, self.export, self.recorder, self.player = feed, loader, export, recorder, player
        self.view: View | None = None
        self.paused = self.with_closed = False
        self.ended = ""
        self.expression = ""
        self.filter: Filter | None = None
        self.set_filter(expression)
        self._looked_at: Focus | None = None
        self._companion = companion
        self._seconds = seconds
        self.animation_level = "none"
        for known in (DARK, LIGHT):
            self.register_theme(known)
        self.theme = self._known(theme) if theme else default_theme(self.console.color_system, colour)
        self.palette = self._palette()

    def _known(self, theme: str) -> str:
        """`dark` and `light` are ours; other names are Textual's."""
        name = {"dark": DARK.name, "light": LIGHT.name}.get(theme, theme)
        if name not in self.available_themes:
            raise UsageError(
                f"no theme is called {theme!r}", f"there are dark, light, {', '.join(self.available_themes)}"
            )
        return name

    def get_default_screen(self) -> Screen[None]:
        self.desk = Desk("Connections") if self.expression else Desk()  # a filter asks for those it picks
        return self.desk

    def on_mount(self) -> None:
        self.theme_changed_signal.subscribe(self, lambda _: self._repaint())
        self._end_on_signals()
        self.feed.set_listener(self._told)
        self._told()  # it may have had a view before it had a listener
        self.set_timer(1, self._warm_up)
        if self._companion is not None:
            self._companion(lambda text: self.post_message(Announcement(text)))
        if self._seconds is not None:
            self.set_timer(self._seconds, self.exit)

    def _warm_up(self) -> None:
        """The first filter loads the grammar, which takes longer than a key may: do that before anybody types."""
        threading.Thread(target=parse_once, daemon=True).start()

    def _told(self) -> None:
        """On any thread."""
        self.post_message(NewView())

    async def on_event(self, event: events.Event) -> None:
        if self.player is not None and isinstance(event, events.InputEvent):
            self.player.give_way()
        await super().on_event(event)

    def _end_on_signals(self) -> None:
        """Textual gives the terminal back only when the app ends, not when the process is killed."""
        loop = asyncio.get_running_loop()
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                loop.add_signal_handler(number, self.exit)

    def on_announcement(self, announcement: Announcement) -> None:
        self.tell(announcement.text, "info", seconds=30.0)

    def tell(self, text: str, role: Role = "bright", seconds: float = MESSAGE_SECONDS) -> None:
        """Something the user should read, wherever he is."""
        for place in {self.desk, self.screen}:
            if isinstance(place, Place):
                place.tell(text, role, seconds)

    @property
    def still(self) -> bool:
        """Time stands on the screen, because the user wants it to, or because there is no more."""
        return self.paused if self.player is None else self.player.transport().still

    def on_new_view(self) -> None:
        if self.recorder is not None and (fault := self.recorder.fault()):
            self.tell(fault, "bad", seconds=30.0)
        view = self.feed.latest()
        if self.feed.error is not None:
            self._end_of_source(self.feed.error)
        if view is None or view is self.view:
            return
        if not self.paused or self.view is None:
            self.view = view
            self.draw()
        elif view.focus is not None and self._looked_at is None:
            self._looked_at = view.focus  # the picture stands still, but a connection opened now deserves its history
            self.draw()

    def _end_of_source(self, error: BaseException) -> None:
        """With something on the screen, let it be read; without, end at once: `run` raises the error either way."""
        if self.view is None:
            self.exit()
        else:
            self.ended = error.what if isinstance(error, TcpwatchError) else f"{type(error).__name__}: {error}"
            self.draw()

    def draw(self) -> None:
        """The screen on top shows the present view; those under it do when they are on top again."""
        if isinstance(self.screen, Place):
            self.screen.update()
            self.screen.update_transport()

    def set_filter(self, expression: str) -> None:
        """From now on only what the expression picks is shown; "": everything. Raises FilterError, and changes
        nothing then."""
        if expression.strip():
            from tcpwatch.filter import parse

            self.filter = parse(expression)
        else:
            self.filter = None
        self.expression = expression.strip()

    def look_at(self, key: Key) -> None:
        """Open the details of one connection."""
        from tcpwatch.tui.detail import Detail

        self._looked_at = None
        self.feed.look_at(key)
        self.push_screen(Detail(key))

    def look_away(self) -> None:
        """Back from the details."""
        self.feed.look_at(None)
        self.pop_screen()
        self.draw()

    def focus_on(self, key: Key) -> Focus | None:
        """What is known of that connection: from the picture on the screen, or the newest when that has nothing."""
        for focus in (self.view.focus if self.view else None, self._looked_at):
            if focus is not None and focus.key == key:
                return focus
        return None

    def action_pause(self) -> None:
        if self.player is not None:
            self.player.toggle()
            return
        self.paused = not self.paused
        if not self.paused and (newest := self.feed.latest()) is not None:
            self.view = newest
        self.draw()

    def action_guide(self) -> None:
        from tcpwatch.tui.guide import Guide

        if not isinstance(self.screen, Guide):
            self.push_screen(Guide())

    def toggle_recording(self) -> str:
        """Start or stop; what to tell the user."""
        if self.recorder is None:
            return "this is a recording already" if self.player else "recording is not available here"
        return self.recorder.toggle()

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        yield SystemCommand("Theme", "Choose the colours", self.action_change_theme)
        yield SystemCommand("Light or dark", "Turn the light on or off", self._turn_light)
        yield SystemCommand("Help", "Keys, numbers and signs", self.action_guide)
        yield SystemCommand("Quit", "Leave tcpwatch", self.action_quit)

    def _turn_light(self) -> None:
        pairs = {DARK.name: LIGHT.name, SIXTEEN_DARK: SIXTEEN_LIGHT, SIXTEEN_LIGHT: SIXTEEN_DARK}
        self.theme = pairs.get(self.theme, DARK.name)

    def _palette(self) -> Palette:
        return Palette(self.current_theme.to_color_system().generate(), self.native_ansi_color, not self.no_color)

    def _repaint(self) -> None:
        self.palette = self._palette()
        for screen in self.screen_stack:
            for widget in screen.query("*"):
                widget.refresh()


def parse_once() -> None:
    from tcpwatch.filter import parse

    parse("state established")


def run(
    feed: Feed,
    expression: str = "",
    *,
    loader: str = "",
    theme: str | None = None,
    export: Export | None = None,
    recorder: Recorder | None = None,
    player: "Player | None" = None,
    companion: Companion | None = None,
    seconds: float | None = None,
) -> None:
    """Show the feed until the user quits, or for so many seconds; see TcpwatchApp. The terminal is given back and the
    feed is stopped whatever happens.

    Raises: FilterError before anything is drawn; the feed's error after the screen is gone."""
    try:
        app = TcpwatchApp(
            feed,
            expression,
            loader=loader,
            theme=theme,
            export=export,
            recorder=recorder,
            player=player,
            companion=companion,
            seconds=seconds,
        )
        app.run()
    finally:
        feed.stop()
    if feed.error is not None:
        raise feed.error
    if app.return_code:
        raise TcpwatchError("the screen could not be drawn any more", "the trace above says where; please report it")
