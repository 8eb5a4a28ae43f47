"""Does tcpwatch see what bcc's own tcpstates sees of the same traffic? For guests alone, as tcpstates takes the
kernel's headers: pytest is given this file by name."""

import os
import signal
import socket
import subprocess
import threading
import time
from collections import Counter
from itertools import pairwise
from types import TracebackType
from typing import Self

from tcpwatch.scenarios.namespace import DEADLINE_S, Namespace
from tcpwatch.scenarios.talk import CONNECTIONS, Talk
from tests.kernel.conftest import client, machine, room, server, talk
from tests.kernel.test_events import CLIENT_STEPS, SERVER_STEPS, STEPS, is_step
from tests.kernel.watch import Watch

__all__ = ["client", "machine", "room", "server", "talk"]

TOOL = "tcpstates-bpfcc"  # Debian's name for it
Step = tuple[str, str]


class Tcpstates:
    """Entered once it tells of something. rows: the fields of each line, by name."""

    def __init__(self) -> None:
        self.rows: list[dict[str, str]] = []
        self._said = ""  # what is no row
        self._changed = threading.Condition()
        self._process = subprocess.Popen(
            [TOOL, "--csv"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def __enter__(self) -> Self:
        try:
            with socket.create_server(("127.0.0.1", 0)) as listener:
                give_up = time.monotonic() + DEADLINE_S
                while not self._wait(1, 0.5):  # what it is too early for is not told later
                    assert time.monotonic() < give_up, f"{TOOL} says nothing"
                    assert self._reader.is_alive(), f"{TOOL} ended: {self._said}"
                    socket.create_connection(listener.getsockname()).close()
                    listener.accept()[0].close()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._end()

    def until(self, count: int, port: int) -> list[Step]:
        """The steps of connections to that port, once there are so many."""
        assert self._wait(count, DEADLINE_S, port), self._steps(port)
        return self._steps(port)

    def _wait(self, count: int, seconds: float, port: int | None = None) -> bool:
        def came() -> bool:
            return len(self.rows if port is None else self._steps(port)) >= count

        with self._changed:
            return self._changed.wait_for(came, seconds)

    def _steps(self, port: int) -> list[Step]:
        """Without the listener's, without the copy of it that each connection is at first, and without changes of a
        state to itself: tcpwatch tells of none of these."""
        mine = [row for row in self.rows if str(port) in (row["LPORT"], row["RPORT"])]
        steps = [(row["OLDSTATE"], row["NEWSTATE"]) for row in mine]
        return [(old, new) for old, new in steps if "LISTEN" not in (old, new) and old != new]

    def _read(self) -> None:
        assert self._process.stdout
        names: list[str] = []
        for line in self._process.stdout:
            fields = line.strip().split(",")
            with self._changed:
                if not names and fields[0] == "SKADDR":
                    names = fields
                elif len(fields) == len(names):
                    self.rows.append(dict(zip(names, fields)))
                else:
                    self._said += line
                self._changed.notify_all()

    def _end(self) -> None:
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(DEADLINE_S)
        finally:
            self._process.kill()
            self._process.wait()
            self._reader.join()
            assert self._process.stdout
            self._process.stdout.close()


def test_the_same_steps(room: Namespace, talk: Talk) -> None:
    """Of each connection, both ends: as many of each kind."""
    with Tcpstates() as theirs, Watch("events", "--netns", room.name) as watch:
        talk.open()
        talk.exchange()
        talk.hang_up(talk.client)
        watch.until(STEPS, is_step)
        told = theirs.until(STEPS, talk.port)
        events = watch.finish()
    ours = Counter((event["old_state"], event["new_state"]) for event in events if is_step(event))
    pairs = [*pairwise(CLIENT_STEPS), *pairwise(SERVER_STEPS)]
    assert ours == dict.fromkeys(pairs, CONNECTIONS)
    assert Counter(told) == ours
