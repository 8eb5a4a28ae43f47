"""An exporter with a picture on its shelf, on a port of its own, and clients that speak to it byte by byte."""

import http.client
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from bench.pictures import picture
from tcpwatch import flags
from tcpwatch.metrics.picture import Picture
from tcpwatch.serve.exporter import Exporter
from tcpwatch.serve.limits import Limits
from tcpwatch.serve.orders import orders

DEADLINE_S = 120.0
HOST = "127.0.0.1"


class Stand:
    """arguments: as `tcpwatch serve` has them. said: what it told on stderr."""

    def __init__(self, *arguments: str, limits: Limits | None = None, shown: Picture | None = None) -> None:
        self.said: list[str] = []
        options = flags.parse(["serve", "--web.listen-address", f"{HOST}:0", *arguments])
        self.exporter = Exporter(orders(options), lambda: (("Host", "<b>h\x1b"),), self.said.append, limits)
        self.exporter.shelf.put(shown or picture(23))
        match = re.search(r":(\d+)/", self.exporter.urls[0])
        assert match
        self.port = int(match[1])
        self.before = set(threading.enumerate())

    def __enter__(self) -> Self:
        self.exporter.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.exporter.stop()

    def connect(self, **options: int) -> socket.socket:
        """options: socket options by name, set before it connects."""
        sock = socket.socket()
        for name, value in options.items():
            sock.setsockopt(socket.SOL_SOCKET, getattr(socket, name), value)
        sock.settimeout(DEADLINE_S)
        try:
            sock.connect((HOST, self.port))
        except OSError:
            sock.close()
            raise
        return sock

    def get(self, path: str = "/metrics", tls: ssl.SSLContext | None = None, **headers: str) -> "Got":
        """Over a connection of its own."""
        return self.ask("GET", path, tls, {name.replace("_", "-"): value for name, value in headers.items()})

    def ask(
        self, method: str, path: str, tls: ssl.SSLContext | None = None, headers: dict[str, str] | None = None
    ) -> "Got":
        client = (
            http.client.HTTPSConnection(HOST, self.port, timeout=DEADLINE_S, context=tls)
            if tls
            else http.client.HTTPConnection(HOST, self.port, timeout=DEADLINE_S)
        )
        try:
            client.request(method, path, headers=headers or {})
            answer = client.getresponse()
            return Got(answer.status, answer.headers, answer.read())
        finally:
            client.close()

    def raw(self, request: bytes, *, shut: bool = False) -> bytes:
        """Everything that comes back until the server hangs up. shut: we hang up our half first."""
        with self.connect() as sock:
            sock.sendall(request)
            if shut:
                sock.shutdown(socket.SHUT_WR)
            return rest(sock)

    @property
    def clients(self) -> int:
        """How many threads serve one."""
        return len([one for one in threading.enumerate() if one.name == "client" and one not in self.before])


@dataclass(frozen=True)
class Got:
    status: int
    headers: http.client.HTTPMessage
    body: bytes


def rest(sock: socket.socket) -> bytes:
    got = b""
    while part := sock.recv(1 << 16):
        got += part
    return got


def until(condition: Callable[[], object]) -> None:
    give_up = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.01)
