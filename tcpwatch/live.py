"""One session on a thread of its own: folds a source's frames and publishes a fresh view now and then, so that a face
that draws never waits for the kernel. Hands the frames to a recorder, too, and what they brought to whoever follows.
Knows nothing of terminals or files."""

import threading
import time
from collections.abc import Callable

from tcpwatch.frame import Frame
from tcpwatch.source import Source
from tcpwatch.tape import Tape
from tcpwatch.tracker.step import Step
from tcpwatch.tracker.tracker import Tracker
from tcpwatch.tracker.view import Key, View

VIEW_INTERVAL_NS = 1_000_000_000


class Session:
    """Owns the source: stop() ends and closes it, and the tape with the last frame on it. All methods may be called
    from any thread and return at once, but for stop(), which waits for the thread. tape: given every frame, whether or
    not it records. follow: given every step on the session's thread, before a view of it is drawn; what it raises ends
    the session. timed: told there how many seconds folding and following each frame took."""

    def __init__(
        self,
        source: Source,
        tracker: Tracker,
        tape: Tape | None = None,
        follow: Callable[[Step], None] = lambda step: None,
        timed: Callable[[float], None] = lambda seconds: None,
    ) -> None:
        self.error: BaseException | None = None
        self._source = source
        self._tracker = tracker
        self._tape = tape
        self._follow = follow
        self._timed = timed
        self._view: View | None = None
        self._wanted: Key | None = None
        self._followed: Key | None = None
        self._listener: Callable[[], None] = lambda: None
        self._drawn_ns = 0
        self._thread = threading.Thread(target=self._run, name="session", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def latest(self) -> View | None:
        return self._view

    def look_at(self, key: Key | None) -> None:
        """Which connection the views' Focus describes from now on; answered with the next frame."""
        self._wanted = key

    def set_listener(self, callback: Callable[[], None]) -> None:
        """callback: called on the session's thread whenever `latest` or `error` has changed, before the next frame is
        folded."""
        self._listener = callback

    def stop(self) -> None:
        self._source.stop()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        try:
            for frame in self._source.frames():
                begin = time.perf_counter()
                self._follow(self._tracker.fold(frame))
                self._timed(time.perf_counter() - begin)
                self._record(frame)
                if self._due(frame):
                    self._publish(frame.end_ns)
        except Exception as error:  # noqa: BLE001 - the thread's last chance to be heard
            self.error = error
            self._listener()
        finally:
            self._source.close()
            if self._tape is not None:
                self._tape.end()

    def _record(self, frame: Frame) -> None:
        if self._tape is not None and not self._tape.take(frame, self._tracker):
            self._listener()  # it failed: that must be seen

    def _due(self, frame: Frame) -> bool:
        late = frame.end_ns - self._drawn_ns >= VIEW_INTERVAL_NS
        return late or self._wanted != self._followed or frame.final  # the last view lacks nothing

    def _publish(self, now_ns: int) -> None:
        self._followed = self._wanted
        self._tracker.look_at(self._followed)
        self._drawn_ns = now_ns
        self._view = self._tracker.view()
        self._listener()
