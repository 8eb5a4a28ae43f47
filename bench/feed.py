"""Fills a ring of tcpwatch's records without a network (feed.bpf.c), so that its consumers can be measured alone. Uses
the project's own libbpf binding."""

import ctypes as C
import time
from pathlib import Path

from tcpwatch.kernel import libbpf


class _Order(C.Structure):
    """struct order of feed.bpf.c"""

    _fields_ = (("first", C.c_uint64), ("count", C.c_uint64), ("begin_ns", C.c_uint64), ("step_ns", C.c_uint64))


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
    """ring_bytes: a power of two. step_ns: the time in the records goes on by so much from each to the next. ring: the
    descriptor of a ring that is there already, in place of one of its own."""

    def __init__(self, image: Path, ring_bytes: int, step_ns: int, ring: int | None = None) -> None:
        library = libbpf.library()
        library.bpf_map__reuse_fd.argtypes = (C.c_void_p, C.c_int)
        library.bpf_program__fd.argtypes = (C.c_void_p,)
        self._object = libbpf.Object(image.read_bytes())
        if ring is None:
            self._object.resize("ring", ring_bytes)
        elif library.bpf_map__reuse_fd(self._object.maps["ring"], ring):
            raise libbpf.os_error("the ring cannot be shared")
        self._object.load()
        self.ring = self._object.descriptor("ring") if ring is None else ring
        self._program = library.bpf_program__fd(self._object.programs["feed"])
        self._order = _Order(0, 0, time.monotonic_ns(), step_ns)

    @property
    def made(self) -> int:
        """Records put into the ring so far."""
        return int(self._order.first)

    @property
    def now_ns(self) -> int:
        """The story's time after the newest record."""
        return int(self._order.begin_ns + self._order.first * self._order.step_ns)

    def fill(self, count: int) -> int:
        """Put `count` more records into the ring, fewer where it is full; how many went in."""
        before, self._order.count = self.made, count
        run = _TestRun(sz=C.sizeof(_TestRun), ctx_in=C.addressof(self._order), ctx_size_in=C.sizeof(_Order))
        if libbpf.library().bpf_prog_test_run_opts(self._program, C.byref(run)):
            raise libbpf.os_error("the feed cannot be run")
        return self.made - before

    def close(self) -> None:
        self._object.close()
