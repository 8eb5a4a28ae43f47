"""`python -m tests.recording.recorder JSON`: records the story in a tenth of its time until Ctrl-C, with the options of
`tcpwatch record`."""

import json
import signal
import sys
import time
from argparse import Namespace
from collections.abc import Iterator
from itertools import count

from tcpwatch.frame import Frame
from tcpwatch.record.recorder import Recorder

from .story import frame


class Endless:
    def __init__(self) -> None:
        self._stopped = False

    def frames(self) -> Iterator[Frame]:
        for number in count():
            if self._stopped:
                return
            yield frame(number)
            time.sleep(0.01)

    def stop(self) -> None:
        self._stopped = True

    def close(self) -> None:
        pass


def main() -> None:
    source = Endless()
    signal.signal(signal.SIGINT, lambda number, at: source.stop())
    Recorder(Namespace(**json.loads(sys.argv[1]))).run(source)


if __name__ == "__main__":
    main()
