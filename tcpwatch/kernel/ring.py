"""One event ring, mapped: what is ready in it is an array, no call and no object per record. Knows the layout of
BPF_MAP_TYPE_RINGBUF (kernel/bpf/ringbuf.c, stable ABI) and nothing of what the records mean."""

import ctypes
import mmap
import platform
from contextlib import suppress

import numpy as np

from tcpwatch import wire
from tcpwatch.errors import KernelLacks, TcpwatchError

_BUSY, _DISCARD = 1 << 31, 1 << 30
_SLOT = np.dtype([("length", "<u4"), ("page", "<u4"), ("event", wire.EVENT)])

# x86 never reorders loads with loads; elsewhere membarrier(2) is the full barrier Python cannot express.
# syscall numbers: asm-generic/unistd.h, and the two that differ
_MEMBARRIER = {"x86_64": 0, "aarch64": 283, "riscv64": 283, "loongarch64": 283, "ppc64le": 365, "s390x": 356}
_REGISTER_PRIVATE_EXPEDITED, _PRIVATE_EXPEDITED = 1 << 4, 1 << 3


class Ring:
    """One consumer's end of the ring behind `descriptor`, `size` bytes (a power of two).

    Layout: page 0 our position (writable), page 1 the producers' position, then the data, then the data once more, so
    that a record that wraps is still contiguous. Of the second time its first page serves: all of it would count twice
    as memory of ours. Each record: an 8-byte header {u32 length | BUSY | DISCARD, u32 page offset}, then the payload
    rounded up to 8. All records have one size, so what is ready is a strided view, and two where it wraps."""

    def __init__(self, descriptor: int, size: int) -> None:
        page = mmap.PAGESIZE
        self.size = size
        self._own = mmap.mmap(descriptor, page, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
        self._shared = mmap.mmap(descriptor, page + size + page, mmap.MAP_SHARED, mmap.PROT_READ, offset=page)
        self._consumed = memoryview(self._own)[:8].cast("Q")
        self._produced = memoryview(self._shared)[:8].cast("Q")
        self._data = memoryview(self._shared)[page:]
        self._number = _membarrier_number()
        self.holds_back = False  # whether there was more at the last look than was ready

    def pending_bytes(self) -> int:
        return self._produced[0] - self._consumed[0]

    def produced(self) -> int:
        """A mark: everything written (or being written) until now lies before it."""
        return self._produced[0]

    def consumed(self) -> int:
        """Everything before this mark has been taken out."""
        return self._consumed[0]

    def ready(self, limit: int) -> list[np.ndarray]:
        """Up to `limit` records, oldest first, without the one still being written and those behind it: one or two
        arrays (n,) wire.EVENT, looked at in place. Valid until release()."""
        position = self._consumed[0]
        written = (self._produced[0] - position) // _SLOT.itemsize
        self._fence()
        parts = self._slots(position, min(written, limit))
        finished = [part[: _finished(part["length"].copy())] for part in parts]  # producers change the lengths under us
        if len(finished[0]) < len(parts[0]):
            del finished[1:]
        self._fence()
        self.holds_back = sum(map(len, finished)) < written
        return [part["event"] for part in finished]

    def _slots(self, position: int, count: int) -> list[np.ndarray]:
        """So many records as they lie: those that begin before the ring's end, and those that begin after it."""
        begin = position & (self.size - 1)
        before = min(count, -(-(self.size - begin) // _SLOT.itemsize))
        parts = [np.frombuffer(self._data, _SLOT, before, begin)]
        if before < count:
            parts.append(np.frombuffer(self._data, _SLOT, count - before, begin + before * _SLOT.itemsize - self.size))
        return parts

    def release(self, count: int) -> None:
        """Give the room of the oldest `count` records back to the kernel."""
        self._fence()
        self._consumed[0] += count * _SLOT.itemsize

    def close(self) -> None:
        for view in (self._consumed, self._produced, self._data):
            view.release()
        for mapping in (self._own, self._shared):
            with suppress(BufferError):  # an error on its way out still holds a view of it; it goes with the process
                mapping.close()

    def _fence(self) -> None:
        if self._number:
            ctypes.CDLL(None).syscall(self._number, _PRIVATE_EXPEDITED, 0, 0)


def _finished(lengths: np.ndarray) -> int:
    """How many records come before the first that is still being written."""
    unfinished = np.flatnonzero(lengths != wire.EVENT.itemsize)
    if not len(unfinished):
        return len(lengths)
    first = int(lengths[unfinished[0]])
    if not first & _BUSY:
        raise TcpwatchError(f"the event ring holds a record of {first & ~_DISCARD} bytes")
    return int(unfinished[0])


def _membarrier_number() -> int:
    """0 where none is needed."""
    machine = platform.machine()
    if machine not in _MEMBARRIER:
        raise KernelLacks(f"tcpwatch does not know how to order memory accesses on {machine}", "report it, please")
    number = _MEMBARRIER[machine]
    if number:
        ctypes.CDLL(None).syscall(number, _REGISTER_PRIVATE_EXPEDITED, 0, 0)
    return number
