"""How is a perf event opened? glibc has no function for it; the kernel takes a description and gives a descriptor."""

import ctypes as C
import errno
import platform

from tcpwatch.kernel.libbpf import os_error

_NUMBERS = {"x86_64": 298, "aarch64": 241}  # of perf_event_open: asm/unistd.h
_CLOSE_ON_EXEC = C.c_ulong(8)  # PERF_FLAG_FD_CLOEXEC
_EVERY_PROCESS = _NO_GROUP = -1


class _Attributes(C.Structure):
    """struct perf_event_attr, as far as a kernel must know it (PERF_ATTR_SIZE_VER1): include/uapi/linux/perf_event.h"""

    _fields_ = (
        ("type", C.c_uint32),
        ("size", C.c_uint32),
        ("config", C.c_uint64),
        ("unused", C.c_uint64 * 5),  # what to sample: nothing; bits, none of them; when to wake somebody
        ("function", C.c_char_p),  # config1
        ("offset", C.c_uint64),  # config2
    )


def open_event(what: str, kind: int, config: int, cpu: int, function: bytes | None = None) -> int:
    """A descriptor, closed on exec, of an event on one CPU, whichever process runs there. what: for the error's text;
    kind: perf_event_attr.type; config, function: what that type makes of them. Raises OSError."""
    if platform.machine() not in _NUMBERS:
        raise OSError(errno.ENOSYS, f"no {what}: perf events are opened on {' and '.join(_NUMBERS)} only")
    attributes = _Attributes(type=kind, size=C.sizeof(_Attributes), config=config, function=function)
    call = C.CDLL(None, use_errno=True).syscall
    number = _NUMBERS[platform.machine()]
    event = call(number, C.byref(attributes), _EVERY_PROCESS, cpu, _NO_GROUP, _CLOSE_ON_EXEC)
    if event < 0:
        raise os_error(f"no {what}")
    return int(event)
