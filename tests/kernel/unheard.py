"""Did the kernel pass a tracepoint without running the programs on it, and count that nowhere? Some do: where a softirq
interrupts a process that such a kernel keeps from being looked at (the first one of a sandbox's machine), nobody is
told of what its timers and segments do. perf counts every passage; a program of ours counts where a program was run."""

import ctypes as C
import os
import struct
import subprocess
from contextlib import ExitStack
from functools import cache

from tcpwatch.errors import TcpwatchError
from tcpwatch.kernel import libbpf
from tcpwatch.kernel.loaders import descriptors, perf
from tcpwatch.kernel.programs import HOOKS

_SYSTEMS = {"inet_sock_set_state": "sock"}  # the others are in tcp
_TRACEPOINT = 2  # PERF_TYPE_TRACEPOINT
_ARRAY = 2  # BPF_MAP_TYPE_ARRAY
_READINGS = 23  # of which one should be undisturbed, where fewer than some thousands pass in a second
_NUMBERS = """
[ -d /sys/kernel/tracing/events ] || mount -t tracefs none /sys/kernel/tracing || exit 1
for name; do cat "/sys/kernel/tracing/events/$name/id" || echo 0; done
"""


class Passages:
    """Counts on every CPU from its making on. Raises OSError and TcpwatchError where it may not or cannot."""

    def __init__(self) -> None:
        names = [hook.target for hook in HOOKS if hook.kind == "tp_btf"]
        with ExitStack() as undo:
            self._slots = descriptors.make_map(_ARRAY, "heard", 4, 8, 1, None)
            undo.callback(os.close, self._slots)
            self._program = descriptors.load_program("heard", "raw_tp", 0, _adds_one_to(self._slots), "GPL")
            undo.callback(os.close, self._program)
            self._counters: list[int] = []
            self._links = undo.enter_context(ExitStack())
            for name, number in zip(names, _numbers(names), strict=True):
                if not number:
                    continue
                for cpu in range(os.cpu_count() or 1):
                    self._counters.append(perf.open_event("count of passages", _TRACEPOINT, number, cpu))
                    undo.callback(os.close, self._counters[-1])
                self._links.callback(os.close, descriptors.attach_program(self._program, "raw_tp", name))
            self._unheard = 0
            self._held = undo.pop_all()

    def passed(self) -> int:
        """How often the kernel came by one of tcpwatch's tracepoints."""
        return sum(struct.unpack("=Q", os.read(counter, 8))[0] for counter in self._counters)

    def heard(self) -> int:
        """How often it ran the program on it, or counted that it could not as that was running already."""
        key, value = C.c_uint32(0), C.c_uint64()
        if libbpf.call("bpf_map_lookup_elem", self._slots, C.addressof(key), C.addressof(value)):
            raise libbpf.os_error("the count cannot be read")
        return value.value + libbpf.recursion_misses(self._program)

    def unheard(self) -> int:
        """How many passages nobody heard of so far, by the calmest of a few readings: what comes by while the counters
        are read counts as heard and not as passed."""
        for _ in range(_READINGS):
            before, passed, heard = self.heard(), self.passed(), self.heard()
            self._unheard = max(self._unheard, passed - heard)
            if heard == before:
                break
        return self._unheard

    def fall_deaf(self) -> None:
        """From here on no program is run."""
        self._links.close()

    def close(self) -> None:
        self._held.close()


def count() -> int:
    """Passages since the first call that no program heard of; always 0 where that cannot be found out."""
    passages = _for_all_tests()
    return passages.unheard() if passages else 0


@cache
def _for_all_tests() -> Passages | None:
    try:
        return Passages()
    except (OSError, TcpwatchError, descriptors.Refused, subprocess.CalledProcessError):
        return None


def _numbers(names: list[str]) -> list[int]:
    """The kernel's numbers of the tracepoints that it has, from a tracefs that goes with the process that looks."""
    paths = [f"{_SYSTEMS.get(name, 'tcp')}/{name}" for name in names]
    command = ["unshare", "--mount", "sh", "-c", _NUMBERS, "sh", *paths]
    return list(map(int, subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()))


def _adds_one_to(slots: int) -> bytes:
    """A program that counts in the first slot; each line is one struct bpf_insn: code, registers, offset, number."""
    return b"".join(
        struct.pack("=BBhi", *instruction)
        for instruction in (
            (0x62, 0x0A, -4, 0),  # *(u32 *)(fp - 4) = 0
            (0xBF, 0xA2, 0, 0),  # r2 = fp
            (0x07, 0x02, 0, -4),  # r2 += -4
            (0x18, 0x11, 0, slots),  # r1 = the map
            (0x00, 0x00, 0, 0),
            (0x85, 0x00, 0, 1),  # r0 = bpf_map_lookup_elem(r1, r2)
            (0x15, 0x00, 2, 0),  # if r0 == 0 skip two
            (0xB7, 0x01, 0, 1),  # r1 = 1
            (0xDB, 0x10, 0, 0),  # lock *(u64 *)r0 += r1
            (0xB7, 0x00, 0, 0),  # r0 = 0
            (0x95, 0x00, 0, 0),  # exit
        )
    )
