"""Where does a scenario's traffic happen? In network namespaces of its own, joined by a veth pair where packets have to
cross a wire, and gone whatever happens to the process that made them; knows nothing of what runs inside."""

import itertools
import os
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

from tcpwatch.errors import TcpwatchError

DEADLINE_S = 120.0

# A namespace under a name outlives whoever made it. So a shell makes it, waits until it is let go of (its stdin ends,
# also when the other end is killed), then ends what runs inside and removes it. Signals of a terminal don't reach it.
# Sockets that nobody owns any more keep the kernel's namespace alive for as long as they try to reach their peer.
_KEEPER = """
trap '' HUP INT TERM PIPE
ip netns add "$1" && ip -netns "$1" link set lo up && echo made
read -r _
ip netns exec "$1" sysctl -q -w net.ipv4.tcp_orphan_retries=1
tries=0
while pids=$(ip netns pids "$1") && [ "$pids" ] && [ $tries -lt 500 ]; do
    kill -KILL $pids 2>/dev/null # one may have ended by itself
    tries=$((tries + 1))
    sleep 0.01
done
ip netns delete "$1"
"""

_numbers = itertools.count(1)


def run(*command: str, text: str | None = None) -> str:
    """stdout of a command that has to succeed; text goes to its stdin."""
    done = subprocess.run(
        command,
        input=text,
        stdin=None if text else subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
    )
    if done.returncode:
        raise TcpwatchError(f"{' '.join(command)}: exit {done.returncode}: {done.stderr.strip()}")
    return done.stdout


class Namespace:
    """A network namespace under a name nobody else uses, with loopback up. Leaving it, or dying, ends the processes
    inside and removes it."""

    def __init__(self) -> None:
        self.name = f"tw-{os.getpid()}-{next(_numbers)}"
        self.address = "127.0.0.1"

    def __enter__(self) -> Self:
        self._keeper = subprocess.Popen(
            ["sh", "-c", _KEEPER, "keeper", self.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        assert self._keeper.stdout
        if (said := self._keeper.stdout.readline()) != "made\n":
            self._let_go()
            raise TcpwatchError(f"no network namespace can be made here: {said.strip()}")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if said := self._let_go():
            raise TcpwatchError(f"the network namespace {self.name} stays behind: {said}")

    def _let_go(self) -> str:
        """What the keeper had to say while it tidied up."""
        said, _ = self._keeper.communicate(timeout=DEADLINE_S)
        return said.strip()

    @property
    def inode(self) -> int:
        """What the kernel calls this namespace."""
        return Path("/run/netns", self.name).stat().st_ino

    def inside(self, *command: str) -> list[str]:
        """The command line that runs `command` in here, under the pid it is started with."""
        return ["ip", "netns", "exec", self.name, *command]

    def run(self, *command: str, text: str | None = None) -> str:
        return run(*self.inside(*command), text=text)

    def set(self, **settings: object) -> None:
        """Sysctls under net.ipv4, of this namespace alone; what this kernel does not know is left out."""
        self.run("sysctl", "-e", "-q", "-w", *(f"net.ipv4.{name}={value}" for name, value in settings.items()))

    def nft(self, hook: str, rules: str, sets: str = "") -> None:
        """Rules, one a line, in a chain of its own (hook: input, output, forward), in place of whatever was there
        before. sets: those that they name."""
        chain = f"chain c {{\ntype filter hook {hook} priority 0\n{rules}\n}}" if rules else ""
        table = f"table inet tw {{\n{sets}\n{chain}\n}}"
        self.run("nft", "-f", "-", text=f"table inet tw\ndelete table inet tw\n{table}\n")

    def counted(self, name: str) -> int:
        """What the kernel counts in here, by its name in /proc/net/netstat under TcpExt."""
        names, values = (line.split() for line in self.run("grep", "^TcpExt:", "/proc/net/netstat").splitlines())
        return int(values[names.index(name)])

    def dropped(self) -> int:
        """Packets the rule's `counter` has counted."""
        words = self.run("nft", "list", "table", "inet", "tw").split()
        return int(words[words.index("packets") + 1])


def join(left: Namespace, right: Namespace, network: str = "10.23.0") -> None:
    """A veth pair between the two, as .1 and .2 of a network; their `address` becomes that."""
    name = "wire" + network.removeprefix("10.").replace(".", "-")
    peer = ("peer", "name", name, "netns", right.name)
    run("ip", "link", "add", name, "netns", left.name, "type", "veth", *peer)
    for host, room in enumerate((left, right), 1):
        # a fixed link address and a fixed neighbour: no ARP that a rule or a full queue could get in the way of
        room.address = f"{network}.{host}"
        commands = (
            f"link set {name} address 02:00:00:00:00:0{host} up",
            f"address add {room.address}/24 dev {name}",
            f"neighbour add {network}.{3 - host} lladdr 02:00:00:00:00:0{3 - host} dev {name}",
        )
        run("ip", "-netns", room.name, "-batch", "-", text="\n".join(commands))
