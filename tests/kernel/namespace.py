"""Where does a test's traffic happen? In network namespaces of its own, joined by a veth pair where packets have to
cross a wire; knows nothing of tcpwatch."""

import itertools
import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

DEADLINE_S = 30.0

_numbers = itertools.count(1)


def run(*command: str, text: str | None = None) -> str:
    """stdout of a command that has to succeed; text goes to its stdin."""
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=DEADLINE_S)
    assert done.returncode == 0, f"{' '.join(command)}: exit {done.returncode}: {done.stderr}"
    return done.stdout


class Namespace:
    """A network namespace under a name nobody else uses, with loopback up. Leaving it ends the processes inside and
    removes it."""

    def __init__(self) -> None:
        self.name = f"tw-{os.getpid()}-{next(_numbers)}"
        self.address = "127.0.0.1"

    def __enter__(self) -> Self:
        run("ip", "netns", "add", self.name)
        self.run("ip", "link", "set", "lo", "up")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for pid in run("ip", "netns", "pids", self.name).split():
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        run("ip", "netns", "delete", self.name)

    @property
    def inode(self) -> int:
        """What the kernel calls this namespace."""
        return Path("/run/netns", self.name).stat().st_ino

    def inside(self, *command: str) -> list[str]:
        """The command line that runs `command` in here, under the pid it is started with."""
        return ["ip", "netns", "exec", self.name, *command]

    def run(self, *command: str, text: str | None = None) -> str:
        return run(*self.inside(*command), text=text)

    def nft(self, hook: str, rule: str) -> None:
        """One rule in a chain of its own (hook: input, output), in place of whatever was there before."""
        chain = f"chain c {{\ntype filter hook {hook} priority 0\n{rule}\n}}" if rule else ""
        self.run("nft", "-f", "-", text=f"table inet tw\ndelete table inet tw\ntable inet tw {{\n{chain}\n}}\n")

    def dropped(self) -> int:
        """Packets the rule's `counter` has counted."""
        words = self.run("nft", "list", "table", "inet", "tw").split()
        return int(words[words.index("packets") + 1])


def join(left: Namespace, right: Namespace) -> None:
    """A veth pair between the two, as 10.23.0.1 and 10.23.0.2; their `address` becomes that."""
    peer = ("peer", "name", "wire", "netns", right.name)
    run("ip", "link", "add", "wire", "netns", left.name, "type", "veth", *peer)
    for host, (room, address) in enumerate(((left, "10.23.0.1"), (right, "10.23.0.2")), 1):
        # a fixed link address and a fixed neighbour: no ARP that a rule or a full queue could get in the way of
        room.run("ip", "link", "set", "wire", "address", f"02:00:00:00:00:0{host}", "up")
        room.run("ip", "address", "add", f"{address}/24", "dev", "wire")
        other = f"10.23.0.{3 - host}"
        room.run("ip", "neighbour", "add", other, "lladdr", f"02:00:00:00:00:0{3 - host}", "dev", "wire")
        room.address = address
