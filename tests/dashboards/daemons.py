"""The programs that take part: a real Prometheus and real exporters, on loopback, in directories of their own, gone
when the test is. Knows nothing of what is asked of them."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

DEADLINE_S = 90.0  # for whatever a busy machine takes its time for
_LOOK_S = 0.2
_PORTS = iter(range(10_007 + os.getpid() % 10_007, 32_768))  # below ip_local_port_range, of each process its own
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def free_port() -> int:
    """Another one each time, and none that the kernel gives to whoever asks for any: it stays free until it is used."""
    for port in _PORTS:
        with socket.socket() as one, suppress(OSError):
            one.bind(("127.0.0.1", port))
            return port
    raise AssertionError("all ports are taken")


def until(ask: Callable[[], object], what: Callable[[], str] = lambda: "") -> None:
    """Waits for it to give something. what: the words for why it does not."""
    give_up = time.monotonic() + DEADLINE_S
    while not ask():
        assert time.monotonic() < give_up, what()
        time.sleep(_LOOK_S)


def get(url: str) -> bytes:
    with _OPENER.open(url, timeout=DEADLINE_S) as answer:
        body: bytes = answer.read()
        return body


class Daemon:
    """A process that is ready once a page of it can be read, and ends when told to."""

    def __init__(self, command: Sequence[str], ready: str, log: Path) -> None:
        self._command, self._ready, self._log = command, ready, log

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            until(self._answers, self._log.read_text)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._end()

    def _end(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(DEADLINE_S)
        finally:
            self._process.kill()
            self._process.wait()

    def _answers(self) -> bool:
        assert self._process.poll() is None, self._log.read_text()
        try:
            get(self._ready)
        except (OSError, urllib.error.URLError):
            return False
        return True


class Exporter(Daemon):
    """`tcpwatch serve` with these options."""

    def __init__(self, directory: Path, name: str, *options: str) -> None:
        self.address = f"127.0.0.1:{free_port()}"
        command = [sys.executable, "-m", "tcpwatch", "serve", "--web.listen-address", self.address, *options]
        super().__init__(command, f"http://{self.address}/-/healthy", directory / f"{name}.log")


class Prometheus(Daemon):
    """Scrapes these addresses once a second, each as the instance of that name, and evaluates these rules as often."""

    def __init__(self, directory: Path, instances: Mapping[str, str], rules: Sequence[Path] = ()) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        targets = [{"targets": [address], "labels": {"instance": name}} for name, address in instances.items()]
        often = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
        config = {
            "global": often,
            "rule_files": [str(path) for path in rules],
            "scrape_configs": [{"job_name": "tcpwatch", "static_configs": targets}],
        }
        path = directory / "prometheus.yml"
        path.write_text(json.dumps(config))  # which is YAML, too
        command = [
            "prometheus",
            f"--config.file={path}",
            f"--storage.tsdb.path={directory / 'data'}",
            f"--web.listen-address={self.url.removeprefix('http://')}",
            "--log.level=warn",
        ]
        super().__init__(command, f"{self.url}/-/ready", directory / "prometheus.log")

    def ask(self, page: str, **parameters: object) -> Any:
        """The data of an answer of its API. Raises AssertionError with its words where it refuses."""
        url = f"{self.url}/api/v1/{page}?{urllib.parse.urlencode(parameters)}"
        try:
            return json.loads(get(url))["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{parameters}: {error.read().decode()}") from error

    def now(self, expr: str) -> list[tuple[dict[str, str], float]]:
        """The labels and the value of each series of an expression, as of now."""
        found = self.ask("query", query=expr)["result"]
        return [(one["metric"], float(one["value"][1])) for one in found]

    def ever(self, expr: str, begin_s: float, end_s: float) -> list[tuple[dict[str, str], list[float]]]:
        """The labels of each series of an expression, and its values once a second."""
        found = self.ask("query_range", query=expr, start=begin_s, end=end_s, step=1)["result"]
        return [(one["metric"], [float(value) for _, value in one["values"]]) for one in found]
