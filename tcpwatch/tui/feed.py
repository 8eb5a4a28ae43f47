"""What the terminal asks of a session: the newest view, and news of the next one. Knows nothing of Textual, so that a
session can be built against it without loading a terminal; and how it has a session recorded."""

from collections.abc import Callable
from typing import Protocol

from tcpwatch.tracker.view import Key, View


class Feed(Protocol):
    """A session on a thread of its own. All methods may be called from the UI's thread and return at once."""

    error: BaseException | None
    """Set when the source died, before the listener is called for the last time."""

    def latest(self) -> View | None:
        """The newest view; None before the first."""

    def look_at(self, key: Key | None) -> None:
        """Which connection `View.focus` should describe from now on; None: none."""

    def set_listener(self, callback: Callable[[], None]) -> None:
        """callback: called, from the session's thread, whenever `latest` or `error` has changed."""

    def stop(self) -> None:
        """End the session; no view comes after this."""


class Recorder(Protocol):
    """Writes what the feed brings to a file, while the user wants it. All methods may be called on the UI's thread."""

    def toggle(self) -> str:
        """Start or stop; what to tell the user. Raises TcpwatchError or OSError where it cannot start."""

    def progress(self) -> tuple[int, int] | None:
        """(how long it has recorded, ns; bytes written); None: it does not record."""

    def fault(self) -> str:
        """Why it stopped by itself, told once; "" otherwise."""
