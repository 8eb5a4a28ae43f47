"""What do other tools say about the same thing? Readers of ss, of /proc/net/netstat and snmp, and of tcpdump; they
parse text and judge nothing."""

import re
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from tcpwatch.scenarios.namespace import DEADLINE_S, Namespace

NUMBER = re.compile(r"^(?!sk:)([a-z_]+):([0-9][0-9.e+]*)(?:/([0-9][0-9.e+]*))?(?:,([0-9]+))?(?:ms|us)?$")
RATE = re.compile(r"\b(pacing_rate|delivery_rate) ([0-9.]+)bps")
STATES = {
    "ESTAB": "ESTABLISHED",
    "SYN-SENT": "SYN_SENT",
    "SYN-RECV": "SYN_RECV",
    "FIN-WAIT-1": "FIN_WAIT1",
    "FIN-WAIT-2": "FIN_WAIT2",
    "TIME-WAIT": "TIME_WAIT",
    "UNCONN": "CLOSE",
    "CLOSE-WAIT": "CLOSE_WAIT",
    "LAST-ACK": "LAST_ACK",
    "LISTEN": "LISTEN",
    "CLOSING": "CLOSING",
}

End = tuple[str, int]


@dataclass(frozen=True)
class Line:
    """One socket as `ss -tinaeOH` prints it. numbers: `name:value`, and the second of `name:a/b` or `name:a,b` under
    name_2. words: all of the details."""

    state: str
    recv_queue: int
    send_queue: int
    local: End
    remote: End
    numbers: dict[str, float]
    words: frozenset[str]

    def number(self, name: str, otherwise: float | None = None) -> float | None:
        return self.numbers.get(name, otherwise)


def _end(text: str) -> End:
    address, _, port = text.rpartition(":")
    address = re.sub(r"%\w+$", "", address).strip("[]")
    return address.removeprefix("::ffff:"), 0 if port == "*" else int(port)


def _line(text: str) -> Line:
    state, recv_queue, send_queue, local, remote, *words = text.split()
    numbers = {name.replace(" ", ""): float(value) for name, value in RATE.findall(text)}
    for word in words:
        if found := NUMBER.match(word):
            name, first, second, third = found.groups()
            numbers[name] = float(first)
            if second or third:
                numbers[f"{name}_2"] = float(second or third)
    ends = (_end(local), _end(remote))
    return Line(STATES[state], int(recv_queue), int(send_queue), *ends, numbers, frozenset(words))


def ss(room: Namespace) -> dict[tuple[End, End], Line]:
    """Every socket of the namespace by its two ends."""
    lines = map(_line, room.run("ss", "-tinaeOH").splitlines())
    return {(line.local, line.remote): line for line in lines}


def ss_until(room: Namespace, enough: Callable[[dict[tuple[End, End], Line]], bool]) -> dict[tuple[End, End], Line]:
    """Asks ss again and again until it shows what is expected."""
    give_up = time.monotonic() + DEADLINE_S
    while not enough(seen := ss(room)):
        assert time.monotonic() < give_up, "\n".join(map(str, seen.values()))
    return seen


def count_state(state: str, count: int) -> Callable[[dict[tuple[End, End], Line]], bool]:
    """For `ss_until`: exactly that many sockets in that state."""
    return lambda seen: sum(line.state == state for line in seen.values()) == count


def settled(seen: dict[tuple[End, End], Line]) -> bool:
    """For `ss_until`: everything that was sent has been acknowledged, delayed ACKs too."""
    return not any(line.send_queue for line in seen.values() if line.state == "ESTABLISHED")


def counters(room: Namespace) -> dict[str, int]:
    """/proc/net/snmp and netstat of the namespace: `TcpRetransSegs`, `TcpExtTCPSynRetrans`, ..."""
    lines = room.run("cat", "/proc/net/snmp", "/proc/net/netstat").splitlines()
    found: dict[str, int] = {}
    for names, values in zip(lines[::2], lines[1::2], strict=True):
        prefix, *keys = names.split()
        found.update((prefix[:-1] + key, int(value)) for key, value in zip(keys, values.split()[1:], strict=True))
    return found


@dataclass(frozen=True)
class Packet:
    """One line of tcpdump. time_ns: Unix. flags: as tcpdump writes them (`S`, `S.`, `.`, `R`, ...)."""

    time_ns: int
    source: End
    destination: End
    flags: str


PACKET = re.compile(r"^(\d+)\.(\d{9}) IP6? (\S+)\.(\d+) > (\S+)\.(\d+): Flags \[([^\]]*)\]")


class Tcpdump:
    """Writes down every TCP packet on an interface of the namespace, from entering until `stop`."""

    def __init__(self, room: Namespace, interface: str) -> None:
        options = ("-i", interface, "-n", "-tt", "--nano", "-l", "--immediate-mode", "-s", "128", "-B", "8192", "tcp")
        self._process = subprocess.Popen(
            room.inside("tcpdump", *options), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Self:
        assert self._process.stderr
        for line in self._process.stderr:
            if line.startswith("listening on"):
                return self
        raise AssertionError("tcpdump did not start")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()

    def stop(self) -> list[Packet]:
        """Ends the capture; all of it."""
        self._process.send_signal(signal.SIGINT)
        out, _ = self._process.communicate(timeout=DEADLINE_S)
        packets = []
        for found in filter(None, map(PACKET.match, out.splitlines())):
            seconds, nanos, source, source_port, destination, destination_port, flags = found.groups()
            ends = ((source, int(source_port)), (destination, int(destination_port)))
            packets.append(Packet(int(seconds) * 10**9 + int(nanos), *ends, flags))
        return packets


def skipped(pid: int) -> int:
    """How often the kernel left out one of that process's BPF programs, because it was running already: a softirq that
    comes upon a CPU in the middle of a program changes states that the same program is not told of (kernel/trace/
    bpf_trace.c, __bpf_trace_run). A few in 100,000 calls."""
    found = 0
    for entry in Path(f"/proc/{pid}/fdinfo").iterdir():
        with suppress(FileNotFoundError):
            words = entry.read_text().split()
            found += int(words[words.index("recursion_misses:") + 1]) if "recursion_misses:" in words else 0
    return found
