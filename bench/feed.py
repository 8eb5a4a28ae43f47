"""Fills rings with tcpwatch's records without a network (feed.bpf.c), so that its consumers can be measured alone. Uses
the project's own libbpf binding."""

import ctypes as C
import time
from collections.abc import Sequence
from pathlib import Path

from tcpwatch.kernel import libbpf


class _Order(C.Structure):
    """struct order of feed.bpf.c"""

    _fields_ = tuple((name, C.c_uint64) for name in ("first", "count", "begin_ns", "step_ns", "ring_mask"))


class _TestRun(C.Structure):
    """struct bpf_test_run_opts of libbpf's bpf.h"""

    _fields_ = (
        ("sz", C.c_size_t),
        ("data_in", C.c_void_p),
        ("data_out", C.c_void_p),
        ("data_size_in", C.c_uint32),
        ("data_size_out", C.c_uint32),
        ("ctx_in", C.c_void_p),
        ("ctx_out", C.c_void_p),
        ("ctx_size_in", C.c_uint32),
        ("ctx_size_out", C.c_uint32),
        ("retval", C.c_uint32),
        ("repeat", C.c_int),
        ("duration", C.c_uint32),
        ("flags", C.c_uint32),
        ("cpu", C.c_uint32),
        ("batch_size", C.c_uint32),
    )


class Feed:
    """rings: descriptors of the rings to fill in turn, a power of two of them. step_ns: the time in the records goes on
    by so much from each to the next."""

    def __init__(self, image: Path, rings: Sequence[int], step_ns: int) -> None:
        library = libbpf.library()
        library.bpf_program__fd.argtypes = (C.c_void_p,)
        self._object = libbpf.Object(image.read_bytes())
        self._object.load()
        for place, ring in enumerate(rings):
            libbpf.put(self._object.descriptor("rings"), place, ring)
        self._program = library.bpf_program__fd(self._object.programs["feed"])
        self._order = _Order(0, 0, time.monotonic_ns(), step_ns, len(rings) - 1)

    @property
    def made(self) -> int:
        """Records put into the rings so far."""
        return int(self._order.first)

    @property
    def now_ns(self) -> int:
        """The story's time after the newest record."""
        return int(self._order.begin_ns + self._order.first * self._order.step_ns)

    def fill(self, count: int) -> int:
        """Put `count` more records into the rings, fewer where the next one is full; how many went in."""
        before, self._order.count = self.made, count
        run = _TestRun(sz=C.sizeof(_TestRun), ctx_in=C.addressof(self._order), ctx_size_in=C.sizeof(_Order))
        if libbpf.library().bpf_prog_test_run_opts(self._program, C.byref(run)):
            raise libbpf.os_error("the feed cannot be run")
        return self.made - before

    def close(self) -> None:
        self._object.close()
