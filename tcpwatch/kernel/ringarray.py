"""The event rings as the kernel has them, and the array of maps in which each program finds that of its CPU. Knows
nothing of who fills them, nor of who drains them."""

import os
import threading

from tcpwatch.kernel import libbpf
from tcpwatch.kernel.loaders import descriptors

_ARRAY_OF_MAPS = 12  # BPF_MAP_TYPE_ARRAY_OF_MAPS


class RingArray:
    """`count` rings of `size` bytes, which are being made while the programs are loaded: before the kernel says that a
    map is in an array, it waits until no program can see the one that was there before (synchronize_rcu(), some 25 ms).
    So each is put there by a thread of its own, and all wait at once. Raises OSError where there can be no array."""

    def __init__(self, count: int, size: int) -> None:
        pattern = libbpf.make_ring(os.sysconf("SC_PAGE_SIZE"))  # the size of what comes in is not compared with it
        try:
            self.descriptor = descriptors.make_map(_ARRAY_OF_MAPS, "rings", 4, 4, count, pattern)
        finally:
            os.close(pattern)
        self._size = size
        self._rings = [-1] * count
        self._errors: list[Exception] = []
        self._threads: list[threading.Thread] = []
        for place in range(count):
            thread = threading.Thread(target=self._make, args=(place,), name="ring")
            try:
                thread.start()
            except RuntimeError:  # no room for another thread (pids.max): one after the other, then
                self._make(place)
            else:
                self._threads.append(thread)

    def take(self) -> list[int]:
        """The rings' descriptors, which are the caller's from now on. Raises OSError where one could not be made."""
        self._wait()
        if self._errors:
            raise self._errors[0]
        taken, self._rings = self._rings, []
        return taken

    def close(self) -> None:
        """What was not taken goes, too. The array stays while a program holds it."""
        self._wait()
        for descriptor in (self.descriptor, *self._rings):
            if descriptor >= 0:
                os.close(descriptor)
        self.descriptor, self._rings = -1, []

    def _make(self, place: int) -> None:
        try:
            self._rings[place] = libbpf.make_ring(self._size)
            libbpf.put(self.descriptor, place, self._rings[place])
        except Exception as error:  # noqa: BLE001 - raised again by take(), where somebody can hear it
            self._errors.append(error)

    def _wait(self) -> None:
        for thread in self._threads:
            thread.join()
