"""Does everybody get an answer, and nobody hold up the others? Real sockets throughout."""

import gzip
import http.client
import random
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from bench.pictures import picture
from tcpwatch import __version__
from tcpwatch.serve.limits import Limits

from .scraped import openmetrics, text, value, values
from .stand import DEADLINE_S, HOST, Stand, rest, until

GET = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = b"GET /-/healthy HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


def test_metrics() -> None:
    """Ours and the process's own, as text that Prometheus' library reads; and no `_created` series."""
    with Stand() as stand:
        got = stand.get()
    assert (got.status, got.headers["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    found = text(got.body)
    assert len(values(found, "tcpwatch_connections")) == 23
    for name in ("process_cpu_seconds_total", "process_resident_memory_bytes", "tcpwatch_view_age_seconds"):
        assert value(found, name) >= 0
    assert b"_created" not in got.body


def test_openmetrics_and_gzip() -> None:
    """As a scraper asks for them."""
    with Stand() as stand:
        got = stand.get(Accept=f"{OPENMETRICS};q=0.5,*/*;q=0.1", Accept_Encoding="gzip")
        plain = stand.get(Accept=OPENMETRICS)
    assert got.headers["Content-Type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert got.headers["Content-Encoding"] == "gzip"
    assert got.headers["Content-Length"] == str(len(got.body))
    unpacked = gzip.decompress(got.body)
    assert len(unpacked) > 5 * len(got.body)
    assert openmetrics(unpacked).keys() == openmetrics(plain.body).keys()
    assert plain.headers["Content-Encoding"] is None


def test_scrapes_are_counted() -> None:
    """Each sees how long those before it took."""
    with Stand() as stand:
        for count in range(3):
            got = openmetrics(stand.get(Accept=OPENMETRICS).body)
            assert value(got, "tcpwatch_scrape_duration_seconds_count") == count
            while stand.exporter.scrapes == count:  # it is counted once it was sent
                stand.get("/-/healthy")


def test_a_new_picture_is_seen() -> None:
    """And an old one is not encoded again."""
    with Stand() as stand:
        one = stand.get().body
        stand.exporter.shelf.put(picture(23, turn=5))
        other = stand.get().body
    assert b'tcpwatch_findings_active{severity="severity-000022"} 8.14' in one
    assert b'tcpwatch_findings_active{severity="severity-000022"} 13.14' in other


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/", 200, b'<a href="/metrics">'),
        ("/-/healthy", 200, b"healthy"),
        ("/-/ready", 200, b"ready"),
        ("/metrics?name[]=x", 200, b"# HELP"),
        ("http://elsewhere/metrics", 200, b"# HELP"),
        ("/metric", 404, b"Not Found"),
        ("/metrics/", 404, b"Not Found"),
        ("//[x", 400, b"Bad Request"),
    ],
)
def test_pages(path: str, status: int, said: bytes) -> None:
    """What is there, and what is not."""
    with Stand() as stand:
        got = stand.get(path)
    assert got.status == status
    assert said in got.body


def test_the_landing_page_is_clean() -> None:
    """What came from outside is neither markup nor control characters."""
    with Stand() as stand:
        page = stand.get("/").body.decode()
    assert "&lt;b&gt;h?" in page
    assert __version__ in page
    assert "\x1b" not in page


def test_another_path() -> None:
    """`--web.telemetry-path`, the front page included."""
    with Stand("--web.telemetry-path", "/tcp") as stand:
        assert stand.get("/tcp").status == 200
        assert stand.get("/metrics").status == 404
        assert b'<a href="/tcp">' in stand.get("/").body
    with Stand("--web.telemetry-path", "/") as stand:
        assert b"tcpwatch_connections" in stand.get("/").body


def test_head_has_no_body() -> None:
    """Only its length."""
    with Stand() as stand:
        for path in ("/metrics", "/", "/-/healthy"):
            got = stand.ask("HEAD", path)
            assert (got.status, got.body) == (200, b"")
            assert int(got.headers["Content-Length"]) > 0


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PROPFIND"])
def test_other_methods(method: str) -> None:
    """Are not allowed, and the answer says which are."""
    with Stand() as stand:
        got = stand.ask(method, "/metrics")
    assert (got.status, got.headers["Allow"]) == (405, "GET, HEAD")


def test_a_connection_is_kept() -> None:
    """For one request after the other, also of a client that does not wait for the answer."""
    with Stand() as stand:
        client = http.client.HTTPConnection(HOST, stand.port, timeout=DEADLINE_S)
        for _ in range(23):
            client.request("GET", "/metrics")
            assert client.getresponse().read()
        assert stand.clients == 1
        client.close()
        assert stand.raw(22 * LAST.replace(b"Connection: close\r\n", b"") + LAST).count(b"HTTP/1.1 200") == 23


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET /metrics\r\n\r\n", b"400"),
        (b"GET /metrics HTTP/1.1\r\n\r\n", b"400"),  # no Host
        (b"\0\xff" * 50 + b"\r\n\r\n", b"400"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200) + b"\r\n\r\n", b"400"),  # TLS
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"505"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 100_000, b"431"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 50_000, b"431"),
        (b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", b"413"),
        (b"GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n", b"413"),
        (b"GET /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n", b"413"),
        (b"GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", b"400"),
        (b"GET /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", b"501"),
        (b"GET /metrics HTTP/1.1\r\nHost : x\r\n\r\n", b"400"),
    ],
)
def test_broken_requests(request_: bytes, status: bytes) -> None:
    """Are answered as such, and the connection ends; the service goes on."""
    with Stand() as stand:
        assert stand.raw(request_).startswith(b"HTTP/1.1 " + status)
        assert stand.get().status == 200
        assert stand.said == []


@pytest.mark.parametrize(
    "request_",
    [
        b"CONNECT x:443 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade, close\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\nConnection: close\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        b"GET * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /metrics HTTP/1.1\nHost: x\nConnection: close\n\n",
        b"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: \xff\r\nConnection: close\r\n\r\n",
    ],
)
def test_unusual_requests(request_: bytes) -> None:
    """Are answered, and nothing is switched to another protocol."""
    with Stand() as stand:
        status = stand.raw(request_)[:12]
        assert status in (b"HTTP/1.1 200", b"HTTP/1.1 404")
        assert stand.said == []


def test_requests_with_wrong_bytes() -> None:
    """Whatever a byte is replaced by, the connection ends and the service goes on."""
    chance = random.Random(23)
    with Stand() as stand:
        for _ in range(100):
            broken = bytearray(LAST)
            for _ in range(chance.randrange(1, 4)):
                broken[chance.randrange(len(broken))] = chance.randrange(256)
            assert stand.raw(bytes(broken), shut=True)[:9] in (b"HTTP/1.1 ", b"")
        assert stand.get().status == 200
        assert stand.said == []
        until(lambda: stand.clients == 0)


@pytest.mark.parametrize("cut", [1, 20, len(GET) - 1])
def test_a_request_that_breaks_off(cut: int) -> None:
    """The client is gone in the middle of it."""
    with Stand() as stand:
        stand.connect().close()
        assert stand.raw(GET[:cut], shut=True)[:12] in (b"HTTP/1.1 400", b"")
        assert stand.get().status == 200


def test_a_client_that_closed_its_half() -> None:
    """It still listens, and gets what it asked for."""
    with Stand() as stand:
        got = stand.raw(GET, shut=True)
    assert got.startswith(b"HTTP/1.1 200")
    assert b"process_open_fds" in got


def test_an_old_client() -> None:
    """HTTP/1.0 has neither Host nor a connection that is kept."""
    with Stand() as stand:
        assert stand.raw(b"GET /-/healthy HTTP/1.0\r\n\r\n").endswith(b"healthy\n")


def test_a_request_that_trickles() -> None:
    """Bytes that keep coming do not extend the deadline of the whole."""
    with Stand(limits=Limits(request_s=0.5)) as stand, stand.connect() as slow:
        got, ticks = b"", threading.Event()
        slow.settimeout(0.05)
        for byte in 40 * GET.strip():
            try:
                slow.sendall(bytes([byte]))
                got += slow.recv(1 << 16)
            except TimeoutError:
                ticks.wait(0.01)
                continue
            except OSError:  # it hung up: what it said before that is still to be read
                with suppress(OSError):
                    got += slow.recv(1 << 16)
                break
            if b"408" in got:
                break
        assert b"HTTP/1.1 408" in got
        until(lambda: stand.clients == 0)


def test_a_silent_client() -> None:
    """Its first request is not waited for without end."""
    with Stand(limits=Limits(request_s=0.3)) as stand, stand.connect() as silent:
        assert rest(silent).startswith(b"HTTP/1.1 408")
        until(lambda: stand.clients == 0)


def test_a_client_that_rests() -> None:
    """Nor is its next one."""
    with Stand(limits=Limits(rest_s=0.3)) as stand, stand.connect() as resting:
        resting.sendall(LAST.replace(b"Connection: close\r\n", b""))
        assert rest(resting).endswith(b"healthy\n")
        until(lambda: stand.clients == 0)


def test_a_client_that_takes_nothing() -> None:
    """It has so long for the whole answer."""
    limits = Limits(send_s=0.5)
    with Stand(limits=limits, shown=picture(1000)) as stand, stand.connect(SO_RCVBUF=4096) as greedy:
        greedy.sendall(GET)
        until(lambda: stand.exporter.scrapes == 1)
        until(lambda: stand.clients == 0)


def test_slow_clients_make_room() -> None:
    """Connections without a request take no place from those who have one."""
    with Stand(limits=Limits(connections=23)) as stand:
        slow = [stand.connect() for _ in range(100)]
        for one in slow[:50]:
            with suppress(OSError):  # it was sent away already
                one.sendall(GET[:20])
        until(lambda: stand.clients == 23)  # who was sent away is gone
        with ThreadPoolExecutor(10) as pool:
            assert [got.status for got in pool.map(lambda _: stand.get(), range(30))] == [200] * 30
        assert stand.clients <= 46
        for one in slow:
            one.close()


def test_slow_readers_make_room() -> None:
    """All places are taken by clients that do not read: the next scrape gets one of them."""
    limits = Limits(scrapes=2, patience_s=0.2, turn_s=DEADLINE_S)
    with Stand(limits=limits, shown=picture(1000)) as stand:
        greedy = [stand.connect(SO_RCVBUF=4096) for _ in range(2)]
        for one in greedy:
            one.sendall(GET)
        assert stand.get(Accept_Encoding="gzip").status == 200
        for one in greedy:
            one.close()


def test_too_many_scrapes() -> None:
    """Beyond --web.max-requests it is said, and everything else is answered."""
    limits = Limits(scrapes=1, patience_s=DEADLINE_S, turn_s=0.1)
    with Stand(limits=limits, shown=picture(1000)) as stand, stand.connect(SO_RCVBUF=4096) as greedy:
        greedy.sendall(GET)
        assert greedy.recv(8) == b"HTTP/1.1"
        got = stand.get()
        assert (got.status, got.headers["Retry-After"]) == (503, "1")
        assert b"--web.max-requests" in got.body
        assert stand.get("/-/healthy").status == 200
        greedy.close()
        until(lambda: stand.get().status == 200)


def test_a_hundred_scrapes_at_once() -> None:
    """With the default of 40 each gets its turn, and they cost no more threads than they are."""
    gate = threading.Barrier(100)
    with Stand(limits=Limits(turn_s=DEADLINE_S, patience_s=DEADLINE_S)) as stand:

        def scrape(_: int) -> tuple[int, bytes]:
            gate.wait(DEADLINE_S)
            got = stand.get(Accept_Encoding="gzip")
            return got.status, gzip.decompress(got.body).partition(b"# HELP process_")[0]

        with ThreadPoolExecutor(100) as pool:
            answers = set(pool.map(scrape, range(100)))
        assert len(answers) == 1
        assert answers.pop()[0] == 200
        until(lambda: stand.clients == 0)
        assert stand.exporter.scrapes == 100


@pytest.mark.usefixtures("undisturbed")
def test_the_first_picture_is_waited_for() -> None:
    """Who asks right after the start gets it a moment later, and until then it is not ready."""
    stand = Stand()
    stand.exporter.shelf.__init__()  # type: ignore[misc] # as it was before the first picture
    with stand, ThreadPoolExecutor(1) as pool:
        early = pool.submit(stand.get)
        until(lambda: stand.clients == 1)
        assert stand.get("/-/ready").status == 503
        stand.exporter.shelf.put(picture(1))
        assert early.result(DEADLINE_S).status == 200


def test_nothing_is_left() -> None:
    """Neither threads nor sockets, whatever clients are doing; and the port is free at once."""
    threads = set(threading.enumerate())
    stand = Stand(shown=picture(1000), limits=Limits(grace_s=0.2))
    with stand:
        clients = [stand.connect(SO_RCVBUF=4096) for _ in range(5)]
        clients[1].sendall(GET[:9])
        clients[2].sendall(GET)
        clients[3].sendall(LAST.replace(b"Connection: close\r\n", b""))
        assert clients[2].recv(8) == clients[3].recv(8) == b"HTTP/1.1"
    until(lambda: set(threading.enumerate()) <= threads)
    with pytest.raises(ConnectionRefusedError):
        stand.connect()
    with socket.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind((HOST, stand.port))
    for one in clients:
        one.close()


def test_a_server_that_never_started() -> None:
    """It listened, and lets go of the port."""
    stand = Stand()
    stand.exporter.stop()
    with pytest.raises(ConnectionRefusedError):
        stand.connect()
