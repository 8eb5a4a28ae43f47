"""Programs, maps and links made one by one, where there is no object for libbpf to take them from."""

import ctypes as C
import mmap

from tcpwatch.kernel.libbpf import call, os_error
from tcpwatch.kernel.loaders import kprobes

# enum bpf_prog_type and bpf_attach_type of each kind of program
_KINDS = {
    "kprobe": (2, 0),
    "kretprobe": (2, 0),
    "raw_tp": (17, 0),
    "tp_btf": (26, 23),
    "fentry": (26, 24),
    "fexit": (26, 25),
    "iter": (26, 28),
}
_INSTRUCTION_BYTES = 8
_LOG_BYTES = 16 << 20  # where it does not fit, a kernel before 6.4 says no more than that


class Refused(Exception):
    """The verifier would not have a program. said: all that it has to say."""

    def __init__(self, error: OSError, said: str) -> None:
        super().__init__(str(error))
        self.error, self.said = error, said


class _MapOptions(C.Structure):
    """struct bpf_map_create_opts"""

    _fields_ = (("size", C.c_size_t), ("btf", C.c_uint32 * 4), ("inner", C.c_uint32), ("flags", C.c_uint32))


class _ProgramOptions(C.Structure):
    """struct bpf_prog_load_opts"""

    _fields_ = (
        ("size", C.c_size_t),
        ("attempts", C.c_int),
        ("attach_type", C.c_uint32),
        ("unused", C.c_uint32 * 4),  # BTF of its own, flags, interface, kernel version
        ("attach_point", C.c_uint32),
        ("attach_to", C.c_uint32 * 2),  # another program, or a module
        ("descriptors", C.c_void_p),
        ("functions", C.c_void_p),
        ("functions_size", C.c_uint32 * 2),
        ("lines", C.c_void_p),
        ("lines_size", C.c_uint32 * 2),
        ("log_level", C.c_uint32),
        ("log_size", C.c_uint32),
        ("log", C.c_void_p),
    )


def load_program(name: str, kind: str, point: int, code: bytes, terms: str) -> int:
    """The descriptor of a program. kind: as Btf.attach_point has it, which says what its point is, or one of those that
    have none. terms: its licence. Raises Refused."""
    program_type, attach_type = _KINDS[kind]
    options = _ProgramOptions(size=C.sizeof(_ProgramOptions), attach_type=attach_type, attach_point=point)

    def load() -> int:
        length = len(code) // _INSTRUCTION_BYTES
        return call("bpf_prog_load", program_type, name.encode(), terms.encode(), code, length, C.byref(options))

    if (descriptor := load()) >= 0:
        return descriptor
    refusal = os_error("the kernel refuses it")
    log = mmap.mmap(-1, _LOG_BYTES)  # costs what is written into it
    begin = C.addressof(C.c_char.from_buffer(log))
    options.log_level, options.log_size, options.log = 1, len(log), begin
    if (descriptor := load()) >= 0:
        return descriptor
    raise Refused(refusal, C.string_at(begin).decode(errors="replace"))


def attach_program(program: int, kind: str, target: str) -> int:
    """The descriptor with which the attachment goes. target: what a program attaches to that was loaded without knowing
    (raw_tp, kprobe, kretprobe)."""
    if kind in ("kprobe", "kretprobe"):
        return kprobes.attach(program, target, kind == "kretprobe")
    if kind == "iter":
        descriptor = call("bpf_link_create", program, 0, _KINDS[kind][1], None)
    else:
        descriptor = call("bpf_raw_tracepoint_open", target.encode() if kind == "raw_tp" else None, program)
    if descriptor < 0:
        raise os_error("the program cannot be attached")
    return descriptor


def make_map(kind: int, name: str, key_bytes: int, value_bytes: int, entries: int, inner: int | None) -> int:
    """The descriptor of a new map; kind: enum bpf_map_type. inner: a map like those that it holds."""
    options = _MapOptions(size=C.sizeof(_MapOptions), inner=inner or 0)
    pointer = C.byref(options) if inner is not None else None
    descriptor = call("bpf_map_create", kind, name.encode(), key_bytes, value_bytes, entries, pointer)
    if descriptor < 0:
        raise os_error(f"map {name} cannot be made")
    return descriptor
