"""What does tcpwatch say of all that is played? One live session of the real thing, whose views are looked at while a
trouble lasts, and which meanwhile writes down each finished connection as `tcpwatch life` does."""

import io
import json
import os
import time
from collections import Counter
from types import TracebackType
from typing import Self

from tcpwatch.frame import Frame
from tcpwatch.kernel.programs import Knobs
from tcpwatch.kernel.source import KernelSource, Pace
from tcpwatch.live import Session
from tcpwatch.scenarios.stage import End, Stage
from tcpwatch.text.writer import Writer
from tcpwatch.tracker.step import Step
from tcpwatch.tracker.tracker import Tracker
from tcpwatch.verdicts import CODES
from tests.kernel import unheard
from tests.kernel.watch import Record
from tests.kernel.witness import skipped

PATIENCE_S = 40.0  # a half-closed connection is something else after a minute, so looking must not take that long
# Not as sparing as on somebody's machine: many namespaces make a snapshot dear, and rare ones would not see what stands
# for seconds only
_EAGER = Pace(tick=0.1, snapshot=0.5, share=0.5)

Verdicts = dict[End, Counter[str | None]]


class _Scribe(Tracker):
    """Tells the lives that its frames bring."""

    def __init__(self) -> None:
        super().__init__()
        self.told = io.BytesIO()
        self._writer = Writer("life", "jsonl", self.told)

    def fold(self, frame: Frame) -> Step:
        step = super().fold(frame)
        self._writer.write(step)
        return step


class Watching:
    def __init__(self) -> None:
        self._scribe = _Scribe()
        self._source = KernelSource(32 << 20, Knobs(want_time_wait=True), _EAGER)
        self._session = Session(self._source, self._scribe)

    def __enter__(self) -> Self:
        self._session.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._session.stop()

    @property
    def missed(self) -> int:
        """Events that the kernel kept from the hooks, as they interrupted one. A timer's softirq may end all of a
        play's connections at once, so it can be all of them, and whoever watches can only say that they vanished. Of
        this very moment, which a frame learns of only later."""
        return skipped(os.getpid()) + unheard.count()

    def until_seen(self, stage: Stage, expected: Verdicts) -> Verdicts:
        """The verdicts of the stage's connections under judgement, as soon as they are those, or else at last."""
        give_up = time.monotonic() + PATIENCE_S
        while (found := self._verdicts(stage, expected)) != expected and time.monotonic() < give_up:
            assert self._session.error is None, self._session.error
            time.sleep(0.1)
        return found

    def finish(self) -> list[Record]:
        """The lives of all connections that have ended."""
        self._session.stop()
        assert self._session.error is None, self._session.error
        return [json.loads(line) for line in self._scribe.told.getvalue().splitlines()]

    def _verdicts(self, stage: Stage, ends: Verdicts) -> Verdicts:
        view, happened = self._session.latest(), stage.happened()
        rows = [] if view is None else view.connections[["netns", "lport", "rport", "verdict"]].tolist()
        found: Verdicts = {}
        for end in ends:
            wanted = {(one.netns, one.lport, one.rport) for one in getattr(happened, end)}
            found[end] = Counter(CODES[code] for netns, lport, rport, code in rows if (netns, lport, rport) in wanted)
        return found
