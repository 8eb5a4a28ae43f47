"""Did the machine stand still meanwhile? A virtual machine may be stopped for seconds, and a process on a busy one not
be let near a CPU. Then timers ran out that a play relies on, and what it showed is not what it says."""

import threading
import time
from types import TracebackType
from typing import Self

_NAP_S = 0.05
# The kernel sends again what was not acknowledged for 0.2 s, of which a delayed ACK may have taken 0.04. Only tail-loss
# probes have a shorter fuse, of a few round-trip times
_STILL_S = 0.12


class Standstill:
    """Takes naps while it is entered, and notes which of them were much too long."""

    def __init__(self) -> None:
        self._over = threading.Event()
        self._woken: list[float] = []
        self._thread = threading.Thread(target=self._watch, name="standstill", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()

    def since(self, begin: float) -> bool:
        """Whether there was one that ended after `begin` (time.monotonic())."""
        time.sleep(2 * _NAP_S)  # the present nap may be such
        return any(woken > begin for woken in self._woken)

    def _watch(self) -> None:
        begin = time.monotonic()
        while not self._over.wait(_NAP_S):
            end = time.monotonic()
            if end - begin > _STILL_S:
                self._woken.append(end)
            begin = end
