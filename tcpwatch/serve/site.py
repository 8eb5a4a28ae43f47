"""What is at which address? Takes requests, gives answers; knows nothing of sockets and bytes."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import parse_qsl, urlsplit

from tcpwatch.metrics.picture import Picture
from tcpwatch.serve.door import Policy
from tcpwatch.serve.guests import Places
from tcpwatch.serve.negotiation import content_type, takes_gzip
from tcpwatch.serve.press import Press
from tcpwatch.serve.shelf import Shelf
from tcpwatch.serve.users import Users, Verdict

HEALTHY, READY, CONNECTIONS = "/-/healthy", "/-/ready", "/connections"
_MOST_LABELS = 64
_FIRST_S = 5.0  # until the first picture: who asks right after the start would else get nothing
_PLAIN = "text/plain; charset=utf-8"
_HTML = "text/html; charset=utf-8"

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Request:
    """headers: by their names in lower case; of several with one name all, joined by commas."""

    method: str
    target: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """body: parts, one after the other. done: to be called when it was sent, or could not be."""

    status: HTTPStatus
    headers: Headers
    body: tuple[bytes, ...]
    done: Callable[[], None] = field(default=lambda: None)


def plain(status: HTTPStatus, said: str = "", *headers: tuple[str, str]) -> Answer:
    return Answer(status, (("Content-Type", _PLAIN), *headers), (f"{said or status.phrase}\n".encode(),))


class Site:
    """path: of the metrics. landing: the page for people. finding: the one that leads from labels to connections."""

    def __init__(
        self,
        shelf: Shelf,
        press: Press,
        places: Places,
        path: str,
        landing: Callable[[], str],
        finding: Callable[[Picture | None, Mapping[str, str]], str],
    ) -> None:
        self._shelf, self._press, self._places = shelf, press, places
        self._landing, self._finding = landing, finding
        self._users = Users()
        self._pages: dict[str, Callable[[Request], Answer]] = {
            "/": self._welcome,
            HEALTHY: self._healthy,
            READY: self._ready,
            CONNECTIONS: self._connections,
            path: self._metrics,  # last, as it may be the front page
        }

    def answer(self, request: Request, policy: Policy) -> Answer:
        if policy.said.users:
            verdict = self._users.judge(request.headers.get("authorization", ""), policy.said.users)
            if verdict is Verdict.BUSY:
                return _busy("too many passwords are being checked")
            if verdict is Verdict.REFUSED:
                asked = ("WWW-Authenticate", 'Basic realm="tcpwatch", charset="UTF-8"')
                return plain(HTTPStatus.UNAUTHORIZED, "", asked)
        try:
            path = urlsplit(request.target).path or "/"
        except ValueError:
            return plain(HTTPStatus.BAD_REQUEST)
        page = self._pages.get(path)
        if page is None:
            return plain(HTTPStatus.NOT_FOUND)
        if request.method not in ("GET", "HEAD"):
            return plain(HTTPStatus.METHOD_NOT_ALLOWED, "", ("Allow", "GET, HEAD"))
        return page(request)

    def _metrics(self, request: Request) -> Answer:
        begin = time.monotonic()
        picture = self._shelf.wait(_FIRST_S)
        if picture is None:
            return _busy("nothing has been counted yet")
        if not self._places.take():
            return _busy("too many scrapes at once: --web.max-requests")
        try:
            form = content_type(request.headers.get("accept", ""))
            gzip = takes_gzip(request.headers.get("accept-encoding", ""))
            body = self._press.print(picture, form, gzip)
        except BaseException:
            self._places.give_back()
            raise
        packing = (("Content-Encoding", "gzip"),) if gzip else ()
        headers = (("Content-Type", form), ("Vary", "Accept, Accept-Encoding"), *packing)
        return Answer(HTTPStatus.OK, headers, body, lambda: self._scraped(begin))

    def _scraped(self, begin: float) -> None:
        self._places.give_back()
        self._press.observe(begin)

    def _welcome(self, _: Request) -> Answer:
        return _page(self._landing())

    def _connections(self, request: Request) -> Answer:
        try:
            labels = dict(parse_qsl(urlsplit(request.target).query, max_num_fields=_MOST_LABELS))
        except ValueError:
            return plain(HTTPStatus.BAD_REQUEST)
        return _page(self._finding(self._shelf.wait(0), labels))

    def _healthy(self, _: Request) -> Answer:
        return plain(HTTPStatus.OK, "healthy")

    def _ready(self, _: Request) -> Answer:
        return plain(HTTPStatus.OK, "ready") if self._shelf.wait(0) else _busy("nothing has been counted yet")


def _page(html: str) -> Answer:
    policy = ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
    return Answer(HTTPStatus.OK, (("Content-Type", _HTML), policy), (html.encode(),))


def _busy(why: str) -> Answer:
    return plain(HTTPStatus.SERVICE_UNAVAILABLE, why, ("Retry-After", "1"))
