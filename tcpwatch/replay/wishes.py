"""What the user wants of a player, until it is done: said on one thread, taken by another. Does nothing itself."""

import threading
from dataclasses import dataclass, replace
from typing import Any

from tcpwatch.tracker.view import Key

_BACK, _ON = 2, 50  # frames that wait to be stepped: a key held down must not go on after it is let go


@dataclass(frozen=True, slots=True)
class Wish:
    """plays, speed, key: how things should be. target: the moment to go to, CLOCK_MONOTONIC; None: stay. steps: frames
    to go on, or back."""

    plays: bool = True
    speed: float = 1.0
    key: Key | None = None
    target: int | None = None
    steps: int = 0
    mark: str = ""
    over: bool = False


class Wishes:
    """Reads need no lock: a Wish is replaced, never changed."""

    def __init__(self) -> None:
        self.now = Wish()
        self._news = threading.Condition()  # around an RLock

    def play(self, plays: bool) -> None:
        self._change(plays=plays)

    def look_at(self, key: Key | None) -> None:
        self._change(key=key)

    def set_speed(self, speed: float) -> None:
        self._change(speed=speed)

    def go(self, target: int, mark: str = "", plays: bool | None = None) -> None:
        self._change(target=target, steps=0, mark=mark, plays=self.now.plays if plays is None else plays)

    def step(self, frames: int) -> None:
        """And pause there."""
        with self._news:
            self._change(plays=False, steps=max(-_BACK, min(self.now.steps + frames, _ON)), mark="")

    def end(self) -> None:
        self._change(over=True)

    def arrived(self, target: int) -> None:
        with self._news:
            if self.now.target == target:
                self._change(target=None)

    def take_steps(self) -> int:
        with self._news:
            steps = self.now.steps
            if steps:
                self._change(steps=0)
        return steps

    def wait(self, seen: Wish, timeout_s: float) -> None:
        """Until there is another wish than the one seen, or time has passed."""
        with self._news:
            self._news.wait_for(lambda: self.now is not seen, timeout_s)

    def _change(self, **what: Any) -> None:
        with self._news:
            self.now = replace(self.now, **what)
            self._news.notify()
