"""What if the OpenTelemetry collector is not there, refuses, or is not what it says?"""

import re
import socket
import time

import pytest

from tcpwatch.serve.otlp import Pusher
from tests.dashboards.daemons import free_port

from .receiving import SECOND, Collector, metrics_of, picture, pushing
from .running import Running
from .stand import until
from .test_command import DEMO


def test_a_collector_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    """Said once, with the reason and without the password; when it comes, that is said, and all totals are there."""
    port = free_port()
    counted = iter(range(10_000))
    url = f"http://user:secret@127.0.0.1:{port}"
    pusher = Pusher(url, 0.05, lambda: picture(1_700_000_000 + (n := next(counted)), 23.0 + n))
    pusher.start()
    said = ""

    def has_said(text: str) -> bool:
        nonlocal said
        said += capsys.readouterr().err
        return text in said

    until(lambda: has_said("\n"))
    assert said == (
        f"tcpwatch: cannot push to http://127.0.0.1:{port}/v1/metrics: Connection refused; "
        "trying again, ever more seldom\n"
    )
    with Collector(port) as collector:
        heard = collector.next()
        until(lambda: has_said("again\n"))
        pusher.stop()
    (point,) = metrics_of(heard)["tcpwatch_opened"]["sum"]["dataPoints"]
    assert point["asDouble"] > 23.0
    assert int(point["startTimeUnixNano"]) <= 1_700_000_000 * SECOND
    assert said.splitlines()[1:] == [f"tcpwatch: pushing to http://127.0.0.1:{port}/v1/metrics again"]


@pytest.mark.parametrize("status", [400, 401, 404, 500])
def test_a_collector_that_refuses(status: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Its status is the reason; the same numbers are offered again."""
    with Collector(0, status, status) as collector, pushing(collector.url, picture()):
        assert [collector.next()["status"] for _ in range(3)] == [status, status, 200]
        said = ""

        def over() -> bool:
            nonlocal said
            said += capsys.readouterr().err
            return "again\n" in said.partition("\n")[2]

        until(over)
    first, last = said.splitlines()
    assert str(status) in first
    assert last.endswith("/v1/metrics again")


@pytest.mark.usefixtures("undisturbed")
def test_a_collector_that_never_answers() -> None:
    """The end of the service does not wait for it."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        pusher = Pusher(f"http://127.0.0.1:{deaf.getsockname()[1]}", 0.05, picture)
        pusher.start()
        with deaf.accept()[0]:
            begin = time.monotonic()
            pusher.stop()
        assert time.monotonic() - begin < 9.0  # the library alone would wait ten seconds for an answer


def test_hostile_answers_stay_off_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """The reason comes from the network: no control characters, no novels."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        with pushing(f"http://127.0.0.1:{server.getsockname()[1]}", picture(), interval_s=3600.0):
            other, _ = server.accept()
            with other:
                other.recv(65536)
                other.sendall(b"HTTP/1.1 418 \x1b[2J\x9b" + b"a" * 5000 + b"\r\nContent-Length: 0\r\n\r\n")
            said = ""

            def complete() -> bool:
                nonlocal said
                said += capsys.readouterr().err
                return said.endswith("\n")

            until(complete)
    assert re.fullmatch(r"[ -~…?\ufffd]+\n", said), said
    assert len(said) < 400


def test_the_service_goes_on_without_a_collector() -> None:
    """One line on stderr; scrapes are answered as ever, and the end is an orderly one."""
    with Running("--from", str(DEMO), "--otlp", "http://127.0.0.1:9", "--otlp-interval", "1") as running:
        until(lambda: any("cannot push" in line for line in running.said))
        status, text = running.get()
        assert status == 200
        assert "tcpwatch_build_info" in text
        assert running.end() == 0
    assert "\n".join(running.said).count("push") == 1
