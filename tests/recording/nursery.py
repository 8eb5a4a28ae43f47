"""`python -m tests.recording.nursery`: for each line of JSON on stdin, options of `tcpwatch record`, forks a recorder
that records the story as fast as it can until somebody ends it, and answers with its pid.

The recorder counts the frames that were taken in the first 8 bytes of the file `taken`."""

import json
import mmap
import os
import signal
import sys
from argparse import Namespace
from collections.abc import Iterator

from tcpwatch.frame import Frame
from tcpwatch.record.recorder import Recorder

from .story import frames

EVENTS = 499
_FRAMES = 600


class Story:
    """Each frame counts as taken when the next one is asked for. At the end it waits."""

    def __init__(self, told: list[Frame], taken: mmap.mmap) -> None:
        self._told, self._taken = told, taken

    def frames(self) -> Iterator[Frame]:
        for number, one in enumerate(self._told, 1):
            yield one
            self._taken[:8] = number.to_bytes(8, "little")
        while True:
            signal.pause()

    def stop(self) -> None:
        pass

    def close(self) -> None:
        pass


def record(options: Namespace, told: list[Frame]) -> None:
    descriptor = os.open(options.taken, os.O_RDWR)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    Recorder(options).run(Story(told, mmap.mmap(descriptor, 8)))


def main() -> None:
    told = list(frames(_FRAMES, EVENTS))  # beforehand: so that it is writing that is interrupted
    for line in sys.stdin:
        child = os.fork()
        if not child:
            record(Namespace(**json.loads(line)), told)
        print(child, flush=True)
        os.waitpid(child, 0)
        print("over", flush=True)


if __name__ == "__main__":
    main()
