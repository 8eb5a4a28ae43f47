"""A program that runs the app over a moving synthetic feed: `python -m tests.tui.demo [connections] [filter]`. With
`--die` the source fails after the first picture, with `--die-early` before it; with `--raise` asking for it fails."""

import sys
import threading

import numpy as np

from tcpwatch.errors import KernelLacks, TcpwatchError
from tcpwatch.tracker.view import View
from tcpwatch.tui.app import run

from . import picture


class Moving(picture.Still):
    """A new view each second: measures move, connections come and go."""

    def __init__(self, count: int, died: str) -> None:
        super().__init__(picture.connections(count + 2000))
        self._count, self._died, self._over = count, died, threading.Event()
        self._all = self._rows
        self._rows = self._all[:count]
        self._view = None if died == "--die-early" else picture.view(self._rows)
        self._shown = 0
        threading.Thread(target=self._move, daemon=True).start()

    def _move(self) -> None:
        chance = np.random.default_rng(1)
        while not self._over.wait(1.0):
            if self._died == "--die-early" or (self._died == "--die" and self._shown > 1):
                self.die(KernelLacks("the ring is gone", "start again"))
                return
            newer = self._all[self.seconds % 1000 :][: self._count].copy()
            newer["rtt_us"] *= chance.uniform(0.9, 1.1, len(newer))
            newer["age_ms"] += 1000 * self.seconds
            self.next(newer)

    def latest(self) -> View | None:
        if self._died == "--raise" and self.seconds:
            raise RuntimeError("a fault in the feed")
        self._shown += 1  # the one before is on the screen by now
        return super().latest()

    def stop(self) -> None:
        self._over.set()


def main() -> None:
    words = [word for word in sys.argv[1:] if not word.startswith("--")]
    died = next((word for word in sys.argv[1:] if word.startswith("--")), "")
    feed = Moving(int(words[0]) if words else 500, died)
    try:
        run(feed, " ".join(words[1:]), loader="core", export=lambda *_: "exported")
    except TcpwatchError as error:
        print(f"{error.what}: {error.cure}", file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
