"""How does a careful client behave? A process of its own in a namespace, with nothing but the standard library, that
holds connections to nginx, redis and postgres and ends each in good order. Arguments: what to do, the address, how
often. It says `held` once its connections are open and idle, and lets go of them when its stdin ends."""

import http.client
import socket
import ssl
import struct
import sys
from collections.abc import Callable
from contextlib import suppress

READY = b"Z\0\0\0\5I"  # ends each answer of postgres outside a transaction
REQUEST = b"GET /page HTTP/1.1\r\nHost: healthy\r\n\r\n"
TIMEOUT_S = 60.0
PIPELINED = 5  # nginx closes after as many, so nothing of ours is left unread


def hold() -> None:
    """Others watch what is open meanwhile."""
    print("held", flush=True)
    sys.stdin.read()


def fetch(connection: http.client.HTTPConnection, path: str) -> bool:
    """Whether the connection may be used again."""
    connection.request("GET", path)
    answer = connection.getresponse()
    assert answer.status == 200, answer.status
    assert len(answer.read()) == int(answer.headers["Content-Length"])
    return not answer.will_close


def keep(address: str, count: int) -> None:
    """A pool of kept connections: used, left alone while others work, used again, closed by us."""
    pool = [http.client.HTTPConnection(address, timeout=TIMEOUT_S) for _ in range(count)]
    for connection in pool:
        assert fetch(connection, "/pool/page")
    hold()
    for connection in pool:
        assert fetch(connection, "/pool/page")
        connection.close()


def abandon(address: str, count: int) -> None:
    """Kept connections that the server's time limit ends; the client notices and closes, too."""
    pool = [http.client.HTTPConnection(address, timeout=TIMEOUT_S) for _ in range(count)]
    for connection in pool:
        assert fetch(connection, "/page")
    for connection in pool:
        assert connection.sock.recv(1) == b""
        connection.close()


def pipeline(address: str, count: int) -> None:
    """Several questions at once, then all answers, until the server says goodbye."""
    for _ in range(count):
        with socket.create_connection((address, http.client.HTTP_PORT), TIMEOUT_S) as sock:
            sock.sendall(REQUEST * PIPELINED)
            came = b""
            while some := sock.recv(1 << 16):
                came += some
            assert came.count(b"HTTP/1.1 200 OK") == PIPELINED, came


def encrypt(address: str, count: int) -> None:
    """TLS, ended by our goodbye and then, after the server's end of file, our close. Whoever closes at once is likely
    to be reset: the other's goodbye is data, and comes too late."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    for _ in range(count):
        connection = http.client.HTTPSConnection(address, timeout=TIMEOUT_S, context=context)
        assert fetch(connection, "/pool/page")
        assert isinstance(connection.sock, ssl.SSLSocket)
        with suppress(ssl.SSLEOFError):  # nginx answers with the end of file alone
            connection.sock.unwrap()
        connection.close()


def redis(address: str, count: int) -> None:
    """A pool of idle redis clients."""
    pool = join_redis(address, count)
    hold()
    for sock in pool:
        ask(sock, b"PING\r\n", b"+PONG\r\n")
        sock.close()


def postgres(address: str, count: int) -> None:
    """A pool of idle sessions, each ended by the message for it."""
    pool = join_postgres(address, count)
    hold()
    for sock in pool:
        ask(sock, b"Q" + struct.pack("!I", 13) + b"select 1\0", READY)
        sock.sendall(b"X" + struct.pack("!I", 4))
        sock.close()


def outlive(address: str, count: int) -> None:
    """Idle clients of servers that are stopped, in this order: they read to the end of file and close, too."""
    pool = [sock for join in (join_postgres, join_redis, join_nginx) for sock in join(address, count)]
    print("held", flush=True)
    for sock in pool:
        sock.settimeout(None)  # the servers live for as long as the whole day takes
        while sock.recv(1 << 16):  # postgres says why it leaves
            pass
        sock.close()


def join_nginx(address: str, count: int) -> list[socket.socket]:
    pool = [socket.create_connection((address, 80), TIMEOUT_S) for _ in range(count)]
    for sock in pool:
        ask(sock, REQUEST.replace(b"/page", b"/pool/page"), b"p" * 64)
    return pool


def join_redis(address: str, count: int) -> list[socket.socket]:
    pool = [socket.create_connection((address, 6379), TIMEOUT_S) for _ in range(count)]
    for sock in pool:
        ask(sock, b"PING\r\n", b"+PONG\r\n")
    return pool


def join_postgres(address: str, count: int) -> list[socket.socket]:
    words = struct.pack("!I", 3 << 16) + b"user\0postgres\0database\0postgres\0\0"
    pool = [socket.create_connection((address, 5432), TIMEOUT_S) for _ in range(count)]
    for sock in pool:
        ask(sock, struct.pack("!I", len(words) + 4) + words, READY)
    return pool


def ask(sock: socket.socket, question: bytes, end: bytes) -> None:
    """Reads until the answer ends so."""
    sock.sendall(question)
    came = b""
    while not came.endswith(end):
        some = sock.recv(1 << 16)
        assert some, came
        came += some


DEEDS: dict[str, Callable[[str, int], None]] = {
    deed.__name__: deed for deed in (keep, abandon, pipeline, encrypt, redis, postgres, outlive)
}

if __name__ == "__main__":
    DEEDS[sys.argv[1]](sys.argv[2], int(sys.argv[3]))
