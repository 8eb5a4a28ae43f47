"""Folds the tracker's steps into metrics and draws them as pictures: the one door to this room."""

from collections.abc import Sequence

from tcpwatch.metrics import standing
from tcpwatch.metrics.book import Book
from tcpwatch.metrics.catalogue import METRICS
from tcpwatch.metrics.happenings import Happenings
from tcpwatch.metrics.itself import Itself
from tcpwatch.metrics.kernel import Kernel
from tcpwatch.metrics.lives import Lives
from tcpwatch.metrics.metric import SERVICE
from tcpwatch.metrics.networks import Network
from tcpwatch.metrics.picture import Picture
from tcpwatch.metrics.places import Places
from tcpwatch.tracker.step import Step
from tcpwatch.tracker.view import View

MAX_SERIES = 1000


class Meters:
    """labels: of metric.SERVICE, which to tell services apart by. networks: networks.parse() makes them. max_series:
    of each metric; a histogram's buckets count. version, loader: for build_info.

    Counted numbers never go down while their series is there, and all series of a counter add up to what happened,
    whatever the cap; only when label sets disappear (space.Space says when) do the sums lose what those had. Fold and
    draw on one thread; pictures may go anywhere.

    The view must be of a tracker that keeps some history (history_bytes=1 is enough): without it listeners are not
    described."""

    def __init__(
        self,
        labels: Sequence[str] = SERVICE,
        networks: Sequence[Network] = (),
        max_series: int = MAX_SERIES,
        *,
        version: str = "",
        loader: str = "",
    ) -> None:
        self._places = Places()
        self._book = Book(labels, networks, max_series, self._places)
        self._lives = Lives(self._book)
        self._happenings = Happenings(self._book)
        self._kernel = Kernel(self._book)
        self._itself = Itself(version, loader)
        self._now_ns = 0

    def fold(self, step: Step) -> None:
        """Every step, in order."""
        self._now_ns = step.frame.end_ns
        self._places.follow(step)
        self._book.begin(self._now_ns)
        self._happenings.follow(step)
        self._lives.follow(step)
        self._kernel.follow(step)
        self._itself.follow(step)

    def took(self, seconds: float) -> None:
        """How long a frame took to be folded, by whoever has a clock."""
        self._itself.took(seconds)

    def picture(self, view: View) -> Picture:
        """view: drawn after the last step that was folded."""
        self._book.begin(self._now_ns)
        self._lives.settle()
        standing.show(self._book, view)
        self._book.expire()
        families = self._book.families()
        families |= self._itself.families(view, families, self._book.overflows())
        drawn = tuple(families[metric.name] for metric in METRICS if metric.maker == "meters")
        return Picture(view.time_ns, drawn)
