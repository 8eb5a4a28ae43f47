"""The ring emptied as bcc's tools do it: bcc's own ring_buffer_consume() and a Python callback per record."""

import ctypes as C
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.event import Event

# Where Debian and Ubuntu put python3-bpfcc. It is pure Python over ctypes, so any Python 3 can import it from there.
_DISTRIBUTION = "/usr/lib/python3/dist-packages"

# bcc wants a kernel tree before it compiles anything. This program names no kernel type, so a few empty files will do
# and the headers of the running kernel need not be installed.
_INTEGERS = "".join(
    f"typedef unsigned {kind} __u{bits}, u{bits}, uint{bits}_t; typedef signed {kind} __s{bits}, s{bits};\n"
    for kind, bits in (("char", 8), ("short", 16), ("int", 32), ("long long", 64))
)
_STUBS = {
    "linux/types.h": "#pragma once\n"
    + _INTEGERS
    + "typedef __u16 __be16, __le16, __sum16; typedef __u32 __be32, __le32, __wsum; typedef __u64 __be64, __le64;\n"
    + "typedef __u64 __aligned_u64 __attribute__((aligned(8)));\n#define __aligned_u64 __aligned_u64\n"
    + "typedef unsigned long size_t, uintptr_t; typedef long ssize_t; typedef _Bool bool; typedef int pid_t;\n"
    + "enum { false = 0, true = 1 };\n#define NULL ((void *)0)\n",
    "linux/kconfig.h": "#define CONFIG_BPF_SYSCALL 1\n#define CONFIG_64BIT 1\n",
    "linux/version.h": "#define KERNEL_VERSION(a, b, c) 0\n#define LINUX_VERSION_CODE 0\n",
    "asm/page.h": "#define PAGE_SIZE 4096ul\n",
    **dict.fromkeys(("linux/log2.h", "linux/bpf_common.h", "uapi/linux/if_packet.h", "uapi/linux/bpf.h"), ""),
}


class BccRing:
    """A ring that bcc made; `descriptor` is its map's."""

    def __init__(self, ring_bytes: int) -> None:
        pages = ring_bytes // os.sysconf("SC_PAGE_SIZE")
        with tempfile.TemporaryDirectory(prefix="tcpwatch-bench-") as tree:
            for name, text in _STUBS.items():
                path = Path(tree, "include", name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="ascii")
            os.environ["BCC_KERNEL_SOURCE"] = tree
            self._program = _bcc().BPF(
                text=f"BPF_RINGBUF_OUTPUT(ring, {pages});", cflags=["-nostdinc", f"-I{tree}/include"]
            )
        self.descriptor = int(self._program["ring"].map_fd)
        self._taken = 0

    def consumer(self) -> Callable[[], int]:
        """What takes out everything there is into a dict, and says how many records that was."""
        connections: dict[int, tuple[int, int]] = {}

        def note(_context: int, data: int, _size: int) -> None:
            event = C.cast(data, C.POINTER(Event)).contents
            connections[event.cookie] = (event.new_state, event.time_ns)
            self._taken += 1

        self._program["ring"].open_ring_buffer(note)

        def consume() -> int:
            before = self._taken
            self._program.ring_buffer_consume()
            return self._taken - before

        return consume


def _bcc() -> Any:
    if _DISTRIBUTION not in sys.path:
        sys.path.append(_DISTRIBUTION)
    import bcc  # type: ignore[import-not-found,unused-ignore] # the distribution's, where it is installed

    return bcc
