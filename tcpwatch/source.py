"""What a source of frames is: the kernel, a script, a recording. Whoever folds frames cannot tell which it has."""

from collections.abc import Iterator
from typing import Protocol

from tcpwatch.frame import Frame


class Source(Protocol):
    def frames(self) -> Iterator[Frame]:
        """Frames, oldest first, until the story ends or stop() was called; the last ones bring what was still under
        way. To be iterated once, on one thread."""

    def stop(self) -> None:
        """Ask frames() to come to its end. May be called from any thread, or a signal handler."""

    def close(self) -> None:
        """Give everything back, after frames() has ended."""
