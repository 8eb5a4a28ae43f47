"""Where does the latest picture lie? Put there by the session's thread, taken from there by whoever is scraped."""

import threading
import time
from collections.abc import Callable

from tcpwatch.metrics.picture import Picture


class Shelf:
    """heed: given each picture before anybody can have it, on the thread that puts it there."""

    def __init__(self) -> None:
        self.heed: Callable[[Picture], None] = lambda picture: None
        self._there = threading.Event()
        self._held: tuple[Picture, float] | None = None

    def put(self, picture: Picture) -> None:
        self.heed(picture)
        self._held = picture, time.monotonic()
        self._there.set()

    def wait(self, seconds: float) -> Picture | None:
        """The latest one; the first one is waited for, so long at most."""
        self._there.wait(seconds)
        return self._held[0] if self._held else None

    @property
    def age_s(self) -> float:
        """How long the latest one has been lying there; NaN: there is none."""
        return time.monotonic() - self._held[1] if self._held else float("nan")
