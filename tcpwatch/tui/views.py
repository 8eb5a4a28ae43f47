"""The table of views: what keys 1 to 9 and Tab lead to, in this order. A new view is one line here."""

from collections.abc import Callable
from typing import Protocol

from textual.widget import Widget

from tcpwatch.tui.connections import CONNECTIONS
from tcpwatch.tui.happenings import EVENTS
from tcpwatch.tui.health import HealthPage
from tcpwatch.tui.idle import IDLE
from tcpwatch.tui.listeners import LISTENERS
from tcpwatch.tui.page import TablePage
from tcpwatch.tui.ports import PortsPage


class Page(Protocol):
    """What a view must be able to do, besides being a widget."""

    def update(self) -> None:
        """Draw the app's present view; called once per new view, while this page is on the screen."""

    def count(self) -> str:
        """What the last line says at its right."""

    def focus_here(self) -> None:
        """Take the keys."""


VIEWS: tuple[tuple[str, Callable[[], Widget]], ...] = (
    ("Health", HealthPage),
    ("Connections", lambda: TablePage(CONNECTIONS)),
    ("Listeners", lambda: TablePage(LISTENERS)),
    ("Ports", PortsPage),
    ("Idle", lambda: TablePage(IDLE)),
    ("Events", lambda: TablePage(EVENTS)),
)
