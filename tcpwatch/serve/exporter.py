"""What does `tcpwatch serve` do? Opens the door before anything is watched, and shows whatever picture lies on the
shelf. Who puts it there, and when it should end, is for others to say."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from tcpwatch.serve import address, finding, landing
from tcpwatch.serve.door import Door
from tcpwatch.serve.guests import Guests, Places
from tcpwatch.serve.limits import Limits, limits
from tcpwatch.serve.orders import Orders
from tcpwatch.serve.press import Press
from tcpwatch.serve.server import Server
from tcpwatch.serve.shelf import Shelf
from tcpwatch.serve.site import CONNECTIONS, HEALTHY, READY, Site

if TYPE_CHECKING:
    from tcpwatch.serve.otlp import Pusher


class Exporter:
    """Made before the source is: what cannot work is said at once. It listens then, and answers from start() to stop().
    facts: for the landing page, asked for each time. tell: given lines for stderr, on any thread. bounds: None: as
    usual. Raises TcpwatchError."""

    def __init__(
        self,
        orders: Orders,
        facts: Callable[[], tuple[tuple[str, str], ...]],
        tell: Callable[[str], None],
        bounds: Limits | None = None,
    ) -> None:
        bounds = bounds or limits(orders.max_requests)
        self.shelf = Shelf()
        self._press = Press(self.shelf)
        self._pusher = _pusher(orders, self.shelf)
        self._pushes = False
        door = Door(orders.config, () if orders.open_to_all else orders.addresses, tell)
        guests = Guests(bounds.connections)
        places = Places(bounds, guests)
        links = (
            *((orders.path, "Metrics"), (CONNECTIONS, "From a number to its connections")),
            *((HEALTHY, "Healthy?"), (READY, "Ready?")),
        )
        site = Site(
            *(self.shelf, self._press, places, orders.path, lambda: landing.welcome(links, facts())),
            lambda shown, labels: finding.page(shown, labels, orders.networks),
        )
        listening = address.listen(orders.addresses)
        self.urls = [address.url(one, door.scheme, orders.path) for one in listening]
        self._server = Server(listening, door, site, guests, bounds, tell)

    @property
    def scrapes(self) -> int:
        """How many were answered."""
        return self._press.scrapes

    def start(self) -> None:
        self._server.start()
        if self._pusher is not None:
            self._pusher.start()
            self._pushes = True

    def stop(self) -> None:
        """Also where it was not started, or was stopped before."""
        self._server.stop()
        if self._pusher is not None and self._pushes:
            self._pushes = False
            self._pusher.stop()


def _pusher(orders: Orders, shelf: Shelf) -> "Pusher | None":
    if not orders.push_to:
        return None
    from tcpwatch.serve.otlp import Pusher  # an extra, and half a second of imports

    return Pusher(orders.push_to, orders.push_interval_s, lambda: shelf.wait(0))
