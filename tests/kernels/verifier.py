"""How much work has the kernel's verifier with each program? As it says itself: its log, reduced to its sums."""

import ctypes as C
import re

from tcpwatch.kernel import libbpf
from tcpwatch.kernel.programs import Knobs, Programs

_SUMS = 4  # BPF_LOG_STATS
_LOG_BYTES = 4096


class _Counted(libbpf.Object):
    """Keeps the verifier's sums of each program that was loaded."""

    newest: "_Counted | None" = None

    def load(self) -> None:
        self.logs = {name: C.create_string_buffer(_LOG_BYTES) for name in self.programs}
        library = libbpf.library()
        for name, program in self.programs.items():
            library.bpf_program__set_log_buf(C.c_void_p(program), self.logs[name], C.c_size_t(_LOG_BYTES))
            library.bpf_program__set_log_level(C.c_void_p(program), C.c_uint32(_SUMS))
        type(self).newest = self
        super().load()


def instructions() -> dict[str, int]:
    """By program, of those that this kernel takes."""
    ordinary = libbpf.Object
    libbpf.Object = _Counted  # type: ignore[misc]
    try:
        Programs(1 << 20, Knobs()).close()
    finally:
        libbpf.Object = ordinary  # type: ignore[misc]
    assert _Counted.newest is not None
    found = {name: re.search(rb"processed (\d+) insns", log.value) for name, log in _Counted.newest.logs.items()}
    return {name: int(match[1]) for name, match in found.items() if match}
