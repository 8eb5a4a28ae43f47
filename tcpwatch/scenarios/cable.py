"""What if packets have to cross, or to wait? A wire in user space between two namespaces (two TUN devices) that carries
every packet in order, after a delay if asked, and holds them all until told to let go."""

import os
import select
import struct
import threading
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from fcntl import ioctl
from types import TracebackType
from typing import Self

from tcpwatch.errors import TcpwatchError
from tcpwatch.scenarios.namespace import DEADLINE_S, Namespace, run

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 1, 0x1000
TCP = 6
FIN, SYN, RST, ACK = 1, 2, 4, 16


@dataclass(frozen=True, slots=True)
class Segment:
    """A TCP segment that entered the cable. side: whose (0 left, 1 right). time_ns: Unix."""

    time_ns: int
    side: int
    flags: int
    source_port: int
    destination_port: int


class Cable:
    """Joins two namespaces as .1 and .2 of a network; their `address` becomes that. segments: all TCP so far."""

    def __init__(
        self,
        left: Namespace,
        right: Namespace,
        delay_s: float = 0.0,
        network: str = "10.23.1",
    ) -> None:
        self.segments: list[Segment] = []
        self._delay_s = delay_s
        self._network = network
        self._holding = False
        self._changed = threading.Condition()
        self._waiting: deque[tuple[float, int, bytes]] = deque()
        self._wake_read, self._wake_write = os.pipe()
        self._ends = [self._end(room, host) for host, room in enumerate((left, right), 1)]
        self._thread = threading.Thread(target=self._carry)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        os.close(self._wake_write)
        self._thread.join()
        for fd in (*self._ends, self._wake_read):
            os.close(fd)

    def hold(self) -> None:
        """From now on nothing arrives."""
        with self._changed:
            self._holding = True

    def release(self) -> None:
        """What was held arrives, in the order it was sent and before anything that is sent in answer to it."""
        with self._changed:
            self._holding = False
        os.write(self._wake_write, b"!")

    def wait_for(self, count: int, flag: int) -> None:
        """Until that many segments with this flag have entered from either side."""
        with self._changed:
            if not self._changed.wait_for(lambda: self.count(flag, 0) >= count <= self.count(flag, 1), DEADLINE_S):
                raise TcpwatchError(f"fewer than {count} such segments entered the cable")

    def count(self, flag: int, side: int) -> int:
        return sum(1 for segment in self.segments if segment.flags & flag and segment.side == side)

    def repeats(self, flag: int, side: int, ports: Sequence[int]) -> list[int]:
        """How often each of the ports of this side sent its segment with that flag again."""
        sent = Counter(s.source_port for s in self.segments if s.flags & flag and s.side == side)
        return [sent[port] - 1 for port in ports]

    @staticmethod
    def interface(room: Namespace) -> str:
        """What the cable's end is called in there."""
        return f"{room.name[3:]}t"

    def _end(self, room: Namespace, host: int) -> int:
        name = self.interface(room)
        fd = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
        ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
        run("ip", "link", "set", name, "netns", room.name)
        room.run("sysctl", "-q", f"net.ipv6.conf.{name}.disable_ipv6=1")
        room.address = f"{self._network}.{host}"
        run("ip", "-netns", room.name, "address", "add", f"{room.address}/24", "dev", name)
        run("ip", "-netns", room.name, "link", "set", name, "txqueuelen", "10000", "up")
        return fd

    def _carry(self) -> None:
        while True:
            readable, _, _ = select.select([*self._ends, self._wake_read], [], [], self._patience_s())
            if self._wake_read in readable and not os.read(self._wake_read, 1):
                return
            with self._changed:
                for side, fd in enumerate(self._ends):
                    if fd in readable:
                        self._take(side, os.read(fd, 1 << 16))
                self._deliver()
                self._changed.notify_all()

    def _patience_s(self) -> float | None:
        with self._changed:
            if self._holding or not self._waiting:
                return None
            return max(0.0, self._waiting[0][0] - time.monotonic())

    def _take(self, side: int, packet: bytes) -> None:
        if packet[0] >> 4 == 4 and packet[9] == TCP:
            header = packet[(packet[0] & 15) * 4 :]
            source, destination = struct.unpack_from("!HH", header)
            self.segments.append(Segment(time.time_ns(), side, header[13], source, destination))
        self._waiting.append((time.monotonic() + self._delay_s, side, packet))

    def _deliver(self) -> None:
        while self._waiting and not self._holding and self._waiting[0][0] <= time.monotonic():
            _, side, packet = self._waiting.popleft()
            os.write(self._ends[1 - side], packet)
