"""`tcpwatch serve`: what is watched, as metrics for Prometheus."""

import threading
from argparse import Namespace
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy.ma  # noqa: F401 - np.unique() would load it later, when clients may have taken all descriptors

from tcpwatch import __version__, words
from tcpwatch.commands import sources
from tcpwatch.commands.ending import Ending
from tcpwatch.frame import Frame
from tcpwatch.live import Session
from tcpwatch.metrics.meters import Meters
from tcpwatch.narration import say
from tcpwatch.serve.exporter import Exporter
from tcpwatch.serve.orders import Orders, orders
from tcpwatch.serve.pacing import Paced
from tcpwatch.sieve import Sieve, Sieved
from tcpwatch.source import Source
from tcpwatch.tracker.tracker import Tracker

if TYPE_CHECKING:
    from tcpwatch.commands.sources import Origin
    from tcpwatch.filter import Filter

_RENEWED = ("CAP_DAC_READ_SEARCH",)  # a certificate's key may be another user's


def run(options: Namespace, _expression: str, wanted: "Filter | None") -> int:
    service = _Service(options, orders(options), wanted)
    try:
        return service.run()
    finally:
        service.stop()


class _Service:
    """Listens from the beginning: what cannot work is to be said before anything is attached."""

    def __init__(self, options: Namespace, wishes: Orders, wanted: "Filter | None") -> None:
        self._options, self._wishes, self._wanted = options, wishes, wanted
        self._sieve = Sieve(wanted) if wanted else None
        self._session: Session | None = None
        self._exporter = Exporter(wishes, self._facts, _tell)

    def run(self) -> int:
        """Until somebody ends it, or the source fails."""
        ending = Ending(stdout=False)
        origin = self._origin()
        kept: Source = Sieved(origin, self._sieve) if self._sieve else origin
        paced = Paced(kept, self._ended) if self._options.recording else None
        source = _Lasting(paced or kept)
        ending.governs(source)
        tracker = Tracker(history_bytes=1, nat_timeout_s=self._options.nat_timeout)  # listeners and ports need some
        session = self._session = self._follow(source, tracker, _loader(origin))
        session.start()
        if not self._options.recording:
            from tcpwatch.kernel import privileges

            # of this thread and those that answer; the session's keeps what watching needs
            privileges.keep_only({*privileges.reading(), *(_RENEWED if self._wishes.config else ())})
        self._exporter.start()
        for url in self._exporter.urls:
            _tell(f"serving {url}")
        sources.announce(origin)
        source.over.wait(self._options.duration)
        self.stop()
        if session.error is not None:
            raise session.error
        _tell(f"scrapes answered: {self._exporter.scrapes}")
        delivered = self._sieve.delivered if self._sieve else origin.delivered
        return sources.account(origin, paced.given if paced else tracker.frame, self._options.netns, delivered)

    def stop(self) -> None:
        """May be called twice."""
        if self._session is not None:
            self._session.stop()  # first: its last picture should still be had
        self._exporter.stop()

    def _origin(self) -> "Origin":
        if self._options.recording:
            return sources.recorded(self._options.recording)
        from tcpwatch.kernel.source import Pace

        return sources.watched(self._options, self._wanted, Pace(tick=0.2), time_wait=True)

    def _follow(self, source: Source, tracker: Tracker, loader: str) -> Session:
        wishes = self._wishes
        meters = Meters(wishes.labels, wishes.networks, wishes.max_series, version=__version__, loader=loader)
        session = Session(source, tracker, follow=meters.fold, timed=meters.took)

        def publish() -> None:
            view = session.latest()
            if session.error is None and view is not None:
                self._exporter.shelf.put(meters.picture(view))

        session.set_listener(publish)
        return session

    def _facts(self) -> tuple[tuple[str, str], ...]:
        """For the landing page."""
        view = self._session.latest() if self._session else None
        netns, recording = self._options.netns, self._options.recording
        where = "every network namespace" if netns == "all" else f"network namespace {netns}"
        watched = ("Watched", f"the recording {recording}" if recording else where)
        kept = (("Kept", self._wanted.expression),) if self._wanted else ()
        if view is None:
            return (watched, *kept)
        attached = sum(probe.attached for probe in view.probes)
        return (
            ("Machine", view.host.name),
            ("Kernel", view.host.kernel),
            watched,
            *kept,
            ("Probes", f"{attached} of {len(view.probes)} attached"),
            ("Connections", f"{len(view.connections)}, listeners included"),
        )

    def _ended(self) -> None:
        _tell("the recording ends here; its last numbers are served until Ctrl-C")


class _Lasting:
    """A source, and whether it is over: for good, as the session closes it then."""

    def __init__(self, source: Source) -> None:
        self.over = threading.Event()
        self._source = source

    def frames(self) -> Iterator[Frame]:
        return self._source.frames()

    def stop(self) -> None:
        self._source.stop()

    def close(self) -> None:
        self._source.close()
        self.over.set()


def _loader(origin: "Origin") -> str:
    programs = getattr(origin, "programs", None)
    return programs.loader if programs is not None else ""


def _tell(said: str) -> None:
    say(f"tcpwatch: {words.clean(said)}")
