"""`tcpwatch serve` as its users have it: a process of its own, from when it answers until a signal ends it."""

import http.client
import re
import signal
import ssl
import subprocess
import sys
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from .stand import DEADLINE_S, HOST, until

COMMAND = (sys.executable, "-m", "tcpwatch", "serve")


class Running:
    """arguments: more than the address, which is a port of its own. prefix: a command that runs it. said: its lines on
    stderr so far."""

    def __init__(self, *arguments: str, prefix: tuple[str, ...] = (), environment: Mapping[str, str] | None = None):
        self.said: list[str] = []
        command = [*prefix, *COMMAND, "--web.listen-address", f"{HOST}:0", *arguments]
        self.process = subprocess.Popen(
            command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self._ear = threading.Thread(target=self._hear)
        self._ear.start()

    def __enter__(self) -> Self:
        try:
            until(lambda: self.process.poll() is not None or any("serving" in line for line in self.said))
            assert self.process.poll() is None, self.said
        except BaseException:
            self._end(signal.SIGKILL)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._end(signal.SIGTERM if kind is None else signal.SIGKILL)

    def end(self, number: signal.Signals = signal.SIGINT) -> int:
        """The exit code."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        code = self.process.wait(DEADLINE_S)
        self._ear.join()
        return code

    @property
    def port(self) -> int:
        match = re.search(r"serving https?://[^/]*:(\d+)/", "\n".join(self.said))
        assert match, self.said
        return int(match[1])

    def get(self, path: str = "/metrics", tls: ssl.SSLContext | None = None, **headers: str) -> tuple[int, str]:
        client = (
            http.client.HTTPSConnection(HOST, self.port, timeout=DEADLINE_S, context=tls)
            if tls
            else http.client.HTTPConnection(HOST, self.port, timeout=DEADLINE_S)
        )
        try:
            client.request("GET", path, headers=headers)
            answer = client.getresponse()
            return answer.status, answer.read().decode()
        finally:
            client.close()

    def _hear(self) -> None:
        assert self.process.stderr
        for line in self.process.stderr:
            self.said.append(line.rstrip("\n"))

    def _end(self, number: signal.Signals) -> None:
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            self.process.wait(DEADLINE_S)
        finally:
            self.process.kill()
            self.process.wait()
            self._ear.join()
            for stream in (self.process.stdout, self.process.stderr):
                if stream is not None:
                    stream.close()
