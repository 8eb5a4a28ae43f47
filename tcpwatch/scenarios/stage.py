"""Where does a scenario play, and who takes part? Two namespaces joined by a wire, a client in one and a server in the
other, and the book that is kept of the connections under judgement; knows nothing of any particular scenario."""

import itertools
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Self

from tcpwatch.scenarios.actor import Actor
from tcpwatch.scenarios.cable import Cable
from tcpwatch.scenarios.namespace import Namespace, join

End = Literal["client", "server"]
ENDS: tuple[End, End] = ("client", "server")
Wire = Literal["veth", "cable", "firewall"]
Audience = Callable[[str, "Stage"], None]

PORT = 8080
_NEAR_S = 0.01
_GLANCE_S = 0.1

_networks = itertools.count(2)


@dataclass(frozen=True, slots=True)
class Connection:
    """One end of a connection as its own process knew it. netns: inode; room: the namespace's name. lport: 0 where it
    never got one. error: the name of the errno its process met, "" for none."""

    netns: int
    room: str
    laddr: str
    lport: int
    raddr: str
    rport: int
    pid: int
    comm: str
    error: str


@dataclass(frozen=True, slots=True)
class Happened:
    """What one run really did. client, server: the connections under judgement, by the end where they were had; a
    scenario that concerns one end leaves the other one empty. numbers: what only this scenario counts."""

    client: tuple[Connection, ...]
    server: tuple[Connection, ...]
    numbers: Mapping[str, int]


class Stage:
    """Use as a context. port: where the server listens. middle: the firewall's namespace, cable: the relay, where the
    wire is such. audience: shown each scene; glance: called ten times a second wherever time passes, so that whoever
    is no longer interested may raise."""

    def __init__(
        self,
        wire: Wire = "veth",
        delay_s: float = 0.0,
        names: tuple[str, str] = ("client", "server"),
        audience: Audience = lambda moment, stage: None,
        glance: Callable[[], None] = lambda: None,
    ) -> None:
        self.port = PORT
        self.numbers: dict[str, int] = {}
        self.middle: Namespace | None = None
        self.cable: Cable | None = None
        self._wire = wire
        self._delay_s = delay_s
        self._names = names
        self._audience = audience
        self._glance = glance
        self._ports: dict[End, list[tuple[int, int]]] = {"client": [], "server": []}
        self._errors: dict[End, list[str]] = {"client": [], "server": []}
        self._cleanup = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as cleanup:
            rooms = [cleanup.enter_context(Namespace()) for _ in range(2)]
            self._lay(cleanup, *rooms)
            self.client, self.server = (
                cleanup.enter_context(Actor(room, name.encode(), self._glance))
                for room, name in zip(rooms, self._names)
            )
            self._cleanup = cleanup.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._cleanup.__exit__(kind, error, at)

    def _lay(self, cleanup: ExitStack, left: Namespace, right: Namespace) -> None:
        number = next(_networks)
        # addresses that no other stage has, of this process or most others: they tell what belongs to which
        near, far = (f"10.{hundred + os.getpid() % 100}.{number % 250}" for hundred in (23, 123))
        if self._wire == "veth":
            join(left, right, near)
        elif self._wire == "cable":
            self.cable = cleanup.enter_context(Cable(left, right, self._delay_s, near))
        else:
            self.middle = cleanup.enter_context(Namespace())
            # over veth the answer would come within connect(), while the kernel heeds no ICMP for that socket
            self.cable = cleanup.enter_context(Cable(left, self.middle, self._delay_s or _NEAR_S, near))
            join(self.middle, right, far)
            self.middle.set(ip_forward=1)
            left.run("ip", "route", "add", "default", "via", f"{near}.2")
            right.run("ip", "route", "add", "default", "via", f"{far}.1")

    def scene(self, moment: str) -> None:
        """There is something to see, and it stays so until the audience has seen enough."""
        self._audience(moment, self)

    def wait(self, seconds: float) -> None:
        """Lets time pass."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._glance()
            time.sleep(min(left, _GLANCE_S))

    def listen(self, backlog: int = 128, **options: int) -> None:
        self.server.do("listen", address=self.server.room.address, port=self.port, backlog=backlog, options=options)

    @property
    def there(self) -> dict[str, Any]:
        """Where the client connects to, as its steps want it."""
        return {"address": self.server.room.address, "port": self.port}

    def dial(self, count: int, *ends: End, **options: int | str) -> None:
        """Opens so many connections, all at the same time. ends: where they are under judgement."""
        ports = self.client.do("begin", **self.there, count=count, options=options)
        accepted = self.server.do("accept", count=count)
        self.client.do("finish")
        for end, known in (("client", ports), ("server", accepted)):
            if end in ends:
                self.judge(end, known)

    def judge(self, end: End, ports: Sequence[int], errors: Sequence[str] = (), answering: Sequence[int] = ()) -> None:
        """These are under judgement. ports: the clients', whichever the end; 0 where none was given out. errors: what
        the end's process met, one for each; none as yet if left out. answering: the servers' ports, if not the usual
        one."""
        self._ports[end] = list(zip(ports, answering or [self.port] * len(ports), strict=True))
        self._errors[end] = list(errors or [""] * len(ports))

    def met(self, end: End, errors: Sequence[str]) -> None:
        """The errors that the end's process met with, connection for connection."""
        self._errors[end] = list(errors)

    def happened(self) -> Happened:
        return Happened(tuple(self._connections("client")), tuple(self._connections("server")), self.numbers)

    def _connections(self, end: End) -> list[Connection]:
        near, far = (self.client, self.server) if end == "client" else (self.server, self.client)
        room, found = near.room, []
        for ports, error in zip(self._ports[end], self._errors[end], strict=True):
            lport, rport = ports if end == "client" else reversed(ports)
            ends = (room.address, lport, far.room.address, rport)
            found.append(Connection(room.inode, room.name, *ends, near.pid, near.comm.decode(), error))
        return found
