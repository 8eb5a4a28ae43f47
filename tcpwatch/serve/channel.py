"""Bytes to and from one client, in plain or over TLS, each way by a deadline: however slowly they trickle, a total is a
total. Knows nothing of HTTP."""

import socket
import ssl
import threading
import time
from contextlib import suppress

_PART_BYTES = 1 << 16
_REQUEST_BYTES = 1 << 14
_HANDSHAKE = b"\x16"  # every TLS connection begins with it, and no HTTP request
_LINGER_S, _LINGER_BYTES = 1.0, 1 << 18


class Channel:
    """Owns the socket. Moments are time.monotonic()'s. What reads and writes raises OSError, TimeoutError being one; to
    be used by one thread, but for cut()."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # an answer's last part waits for no ACK
        self._sock = sock
        self._lock = threading.Lock()  # around what changes which descriptor this is
        self._closed = False

    def speaks_tls(self, until: float) -> bool:
        """Waits for its first byte."""
        self._sock.settimeout(_left(until))
        return self._sock.recv(1, socket.MSG_PEEK) == _HANDSHAKE

    def secure(self, context: ssl.SSLContext, until: float) -> None:
        """The handshake."""
        with self._lock:
            secured = self._sock = context.wrap_socket(self._sock, server_side=True, do_handshake_on_connect=False)
        secured.settimeout(_left(until))
        secured.do_handshake()

    def names(self) -> set[str]:
        """The alternative names in the client's certificate; none without one."""
        certificate = self._sock.getpeercert() if isinstance(self._sock, ssl.SSLSocket) else None
        return {str(name[1]) for name in (certificate or {}).get("subjectAltName", ())}

    def receive(self, until: float) -> bytes:
        """b"": there will be no more."""
        self._sock.settimeout(_left(until))
        return self._sock.recv(_REQUEST_BYTES)

    def send(self, data: bytes, until: float) -> None:
        view = memoryview(data)
        while view:
            self._sock.settimeout(_left(until))
            view = view[self._sock.send(view[:_PART_BYTES]) :]

    def linger(self) -> None:
        """What the client still sends is taken: closing a socket with something unread would reset the connection, and
        with it goes the answer that says why."""
        until, taken = time.monotonic() + _LINGER_S, 0
        with suppress(OSError):
            self._say_goodbye()
            self._sock.shutdown(socket.SHUT_WR)
            while taken < _LINGER_BYTES and (part := self.receive(until)):
                taken += len(part)

    def cut(self) -> None:
        """Whoever waits for the client waits no longer. From any thread."""
        with self._lock:
            if not self._closed:
                with suppress(OSError):  # it is gone already
                    socket.socket.shutdown(self._sock, socket.SHUT_RDWR)

    def close(self) -> None:
        with suppress(OSError):
            self._say_goodbye()
        with self._lock:
            self._closed = True
            self._sock.close()

    def _say_goodbye(self) -> None:
        """TLS says that nothing was cut off. What is answered to that is nobody's concern."""
        if isinstance(self._sock, ssl.SSLSocket):
            self._sock.settimeout(0)
            with suppress(OSError, ValueError):
                self._sock.unwrap()


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
