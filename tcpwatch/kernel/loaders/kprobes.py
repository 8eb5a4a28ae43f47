"""How does a program stand at one of the kernel's functions where nothing describes them? At a kprobe that a perf event
holds: it has no name in the system (tracefs is not needed either) and goes with its descriptor."""

import fcntl
import os
import platform
import re
from pathlib import Path

from tcpwatch.kernel.loaders import perf

_DEVICE = Path("/sys/bus/event_source/devices/kprobe")  # since e12f03d7031a (4.17)
_SYMBOLS = Path("/proc/kallsyms")
# of which dialect.h knows where the stack begins once a function has ended (RISC-V's trampoline does not keep it)
_MACHINES = ("x86_64", "aarch64")
_ENABLE, _SET_BPF = 0x2400, 0x40042408  # PERF_EVENT_IOC_*: include/uapi/linux/perf_event.h


class Functions:
    """The functions at which this kernel takes programs. lacking: why at none, "" where it does.

    A name is refused that the kernel gives to several: it would choose one, or since b022f0c7e404 (6.7) none."""

    def __init__(self, symbols: Path = _SYMBOLS, device: Path = _DEVICE) -> None:
        self.lacking, self._symbols = _lacking(device), b""
        if not self.lacking:
            try:
                self._symbols = symbols.read_bytes()  # the names are told to everyone, if not the addresses
            except OSError as error:
                self.lacking = f"this kernel does not tell which functions it has: {symbols}: {error.strerror}"

    def __contains__(self, name: str) -> bool:
        return len(re.findall(rb"^\w+ [tT] %s(?=[\t\n])" % re.escape(name.encode()), self._symbols, re.MULTILINE)) == 1


def attach(program: int, function: str, at_return: bool) -> int:
    """The descriptor with which the attachment goes; the program, of type kprobe, runs on all CPUs. Raises OSError."""
    kind = int((_DEVICE / "type").read_text())
    config = 1 << _bit((_DEVICE / "format/retprobe").read_text()) if at_return else 0
    # an event is some CPU's, one that is there; its program is run before anybody asks whose it is
    cpu = min(os.sched_getaffinity(0))
    event = perf.open_event(f"probe at {function}", kind, config, cpu, function.encode())
    try:
        fcntl.ioctl(event, _SET_BPF, program)
        fcntl.ioctl(event, _ENABLE, 0)
    except BaseException:
        os.close(event)
        raise
    return event


def _lacking(device: Path) -> str:
    if platform.machine() not in _MACHINES:
        return f"without BTF tcpwatch hooks functions on {' and '.join(_MACHINES)} only"
    if not (device / "type").exists():
        return "this kernel has no probes at functions (CONFIG_KPROBE_EVENTS), and without BTF nothing else serves"
    return ""


def _bit(said: str) -> int:
    """Of the event's configuration: "config:0"."""
    return int(said.strip().removeprefix("config:"))
