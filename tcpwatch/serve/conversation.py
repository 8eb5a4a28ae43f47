"""What is said on one connection? Requests in, answers out, by h11, which takes nothing that is not HTTP. Each step has
a deadline of its own."""

import time
from collections.abc import Callable
from contextlib import suppress
from email.utils import formatdate
from http import HTTPStatus

import h11

from tcpwatch.serve.door import Policy
from tcpwatch.serve.guests import Guest, Phase
from tcpwatch.serve.limits import Limits
from tcpwatch.serve.site import Answer, Request, plain

_MOST_HEAD_BYTES = 1 << 14
_VERSIONS = (b"1.0", b"1.1")
_FAREWELL_S = 1.0


class Conversation:
    """until: when the first request has to be there, time.monotonic(). answer: may take its time. tell: given what went
    wrong and is nobody's fault but ours."""

    def __init__(
        self,
        guest: Guest,
        until: float,
        answer: Callable[[Request, Policy], Answer],
        policy: Callable[[], Policy],
        tell: Callable[[str], None],
        limits: Limits,
    ) -> None:
        self._guest, self._channel = guest, guest.channel
        self._until = until
        self._answer, self._policy, self._tell, self._limits = answer, policy, tell, limits
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=_MOST_HEAD_BYTES)

    def run(self) -> None:
        """Until either side ends it. What is wrong with the connection raises OSError."""
        try:
            while (request := self._request()) is not None:
                self._guest.enter(Phase.ANSWERING)
                self._send(*self._answered(request))
                if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
                    break
                self._http.start_next_cycle()
                if not self._rest():
                    break
        except h11.RemoteProtocolError as error:
            self._refuse(plain(_status(error.error_status_hint)))
        except TimeoutError:
            self._refuse(plain(HTTPStatus.REQUEST_TIMEOUT))

    def _request(self) -> Request | None:
        """None: there will be no more. Raises what run() catches."""
        head: h11.Request | None = None
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                if head is not None:
                    break  # a body is announced
                self._http.receive_data(self._channel.receive(self._until))
            elif isinstance(event, h11.Request):
                head = event
                if head.http_version not in _VERSIONS:
                    self._refuse(plain(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED))
                    return None
            elif isinstance(event, h11.EndOfMessage) and head is not None:
                return _told(head)
            else:
                break
        if head is not None:
            self._refuse(plain(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "requests have no body here"))
        return None

    def _rest(self) -> bool:
        """Until the next request begins; False: it took too long."""
        if not self._http.trailing_data[0]:
            self._guest.enter(Phase.RESTING)
            try:
                self._http.receive_data(self._channel.receive(time.monotonic() + self._limits.rest_s))
            except TimeoutError:
                return False
        self._guest.enter(Phase.ARRIVING)
        self._until = time.monotonic() + self._limits.request_s
        return True

    def _answered(self, request: Request) -> tuple[Request, Answer]:
        try:
            return request, self._answer(request, self._policy())
        except Exception as error:  # noqa: BLE001 - one request that we cannot answer ends neither the others nor the service
            self._tell(f"a request could not be answered: {type(error).__name__}: {error}")
            return request, plain(HTTPStatus.INTERNAL_SERVER_ERROR)

    def _send(self, request: Request, answer: Answer) -> None:
        try:
            self._guest.enter(Phase.SENDING)
            self._write(answer, request.method != "HEAD", time.monotonic() + self._limits.send_s)
        finally:
            answer.done()

    def _write(self, answer: Answer, body: bool, until: float, *more: tuple[str, str]) -> None:
        length = ("Content-Length", str(sum(map(len, answer.body))))
        everywhere = self._policy().said.headers
        headers = [("Date", formatdate(usegmt=True)), *answer.headers, *everywhere, length, *more]
        head = h11.Response(status_code=answer.status, reason=answer.status.phrase.encode(), headers=headers)
        self._channel.send(self._http.send(head) or b"", until)
        for part in answer.body if body else ():
            for piece in self._http.send_with_data_passthrough(h11.Data(data=part)) or ():
                self._channel.send(piece, until)
        self._channel.send(self._http.send(h11.EndOfMessage()) or b"", until)

    def _refuse(self, answer: Answer) -> None:
        """And end it."""
        if self._http.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return
        with suppress(OSError, h11.LocalProtocolError):
            self._write(answer, True, time.monotonic() + _FAREWELL_S, ("Connection", "close"))
            self._channel.linger()


def _told(head: h11.Request) -> Request:
    headers: dict[str, str] = {}
    for raw_name, raw_value in head.headers:
        name, value = raw_name.decode("ascii"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    return Request(head.method.decode("ascii"), head.target.decode("latin-1"), headers)


def _status(hint: int) -> HTTPStatus:
    try:
        return HTTPStatus(hint)
    except ValueError:
        return HTTPStatus.BAD_REQUEST
