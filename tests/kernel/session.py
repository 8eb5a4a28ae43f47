"""How does a test look at what a screen would show? A session on the live kernel, without a terminal, whose views it
waits for."""

import os
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from tcpwatch.kernel.programs import Knobs
from tcpwatch.kernel.source import KernelSource, Pace
from tcpwatch.live import Session
from tcpwatch.scenarios.namespace import DEADLINE_S, Namespace
from tcpwatch.tracker.tracker import Tracker
from tcpwatch.tracker.view import View
from tests import again

from . import watch
from .witness import skipped


class Screen:
    """Entered once it has a view."""

    def __init__(self, room: Namespace, nat_timeout_s: float = 350.0) -> None:
        knobs = Knobs(want_netns=room.inode, want_time_wait=1)
        source = KernelSource(8 << 20, knobs, Pace(tick=0.05, snapshot=0.2, share=1.0), loader=watch.LOADER)
        tracker = Tracker(keep_closed=5000, history_bytes=1 << 20, keep_events=1000, nat_timeout_s=nat_timeout_s)
        self._session = Session(source, tracker)
        self._skipped = skipped(os.getpid())

    def __enter__(self) -> Self:
        self._session.start()
        try:
            self.until(lambda view: True)
        except BaseException:
            self._session.stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        again.note_skipped(skipped(os.getpid()) - self._skipped)
        self._session.stop()

    def until(self, wanted: Callable[[View], bool], what: str = "") -> View:
        """The first view like that."""
        give_up = time.monotonic() + DEADLINE_S
        while True:
            assert self._session.error is None, self._session.error
            view = self._session.latest()
            if view is not None and wanted(view):
                return view
            assert time.monotonic() < give_up, f"never seen: {what}\n{view and view.ports}\n{view and view.idle}"
            time.sleep(0.02)
