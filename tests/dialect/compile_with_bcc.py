"""Compiles the BPF C with the distribution's bcc and has the kernel's verifier judge each program; attaches nothing.
Runs under the interpreter that has bcc. Arguments: the directory of the C, a directory of headers. Prints one line per
program."""

import ctypes as C
import os
import sys

SOURCE, HEADERS = sys.argv[1:]
os.environ["BCC_KERNEL_SOURCE"] = HEADERS
from bcc import BPF, lib  # type: ignore[import-not-found]  # noqa: E402 - reads the variable when imported

MAPS = {
    "tallies": (6, 4, 16, 12),
    "clock": (2, 4, 16, 1),
    "last_closed": (6, 4, 8, 1),
}  # type, key, value, entries
KNOBS = {"wake_at_bytes": 1 << 19, "want_lport_max": 65535, "want_rport_max": 65535, "want_time_wait": 1}
KNOBS |= dict.fromkeys(("own_pid", "ring_mask", "want_netns", "want_family", "want_lport_min", "want_rport_min"), 0)
KNOBS |= dict.fromkeys(("reset_has_reason", "retransmit_has_error"), 1)


class Unattached(BPF):  # type: ignore[misc]
    def _trace_autoload(self) -> None:
        """Loads and attaches everything in bcc; here the test says what is loaded."""


def descriptor(kind: int, key: int, value: int, entries: int) -> int:
    made: int = lib.bcc_create_map(kind, b"tcpwatch_test", key, value, entries, 0)
    if made < 0:
        sys.exit("a map cannot be created")
    return made


class Options(C.Structure):
    """struct bpf_map_create_opts of libbpf's bpf.h"""

    _fields_ = (("sz", C.c_size_t), ("btf", C.c_uint32 * 4), ("inner_map_fd", C.c_uint32), ("rest", C.c_uint32 * 3))


def rings() -> int:
    """An array of one ring."""
    inner = descriptor(27, 0, 0, 1 << 20)
    options = Options(sz=C.sizeof(Options), inner_map_fd=inner)
    outer: int = C.CDLL("libbpf.so.1").bpf_map_create(12, b"tcpwatch_test", 4, 4, 8, C.byref(options))
    if outer < 0:
        sys.exit("an array of maps cannot be created")
    return outer


flags = [f"-I{HEADERS}", f"-I{SOURCE}", "-Werror", "-Wno-error=unused-value"]
flags += [f"-D{name}_fd={descriptor(*shape)}" for name, shape in MAPS.items()]
flags += [f"-Drings_fd={rings()}"]
flags += [f"-D{name}={value}" for name, value in KNOBS.items()]
with open(f"{SOURCE}/tcpwatch.bpf.c", encoding="utf-8") as file:
    program = Unattached(text=file.read(), cflags=flags)
for line in sys.stdin:
    name = line.strip()
    kind = BPF.TRACING if name.startswith("bpf_iter__") else BPF.RAW_TRACEPOINT
    print(name, program.load_func(name.encode(), kind).fd > 0)
