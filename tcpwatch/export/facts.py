"""What is true of a whole stream: whose it is, when it was, and what was lost on the way. Goes into the files that have
room for it."""

import json

import numpy as np

from tcpwatch import __version__, wire
from tcpwatch.frame import Frame
from tcpwatch.records.contract import SCHEMA
from tcpwatch.tracker.step import Step
from tcpwatch.words import clean


class Facts:
    """expression: the filter, "" = everything."""

    def __init__(self, expression: str) -> None:
        self._expression = expression
        self._first: Frame | None = None
        self._last: Frame | None = None
        self._frames = self._snapshots = 0
        self._lost = np.zeros(len(wire.KINDS), np.uint64)

    @property
    def lost(self) -> int:
        return int(self._lost[wire.SHOWN_KINDS].sum())

    def note(self, step: Step) -> None:
        self._first = self._first or step.frame
        self._last = step.frame
        self._frames += 1
        self._snapshots += step.frame.snapshot is not None
        self._lost += step.lost

    def of(self, table: str) -> dict[str, str]:
        """By name; times in ns since 1970. Without a frame, nothing is known of the host."""
        told = {"table": table, "schema": str(SCHEMA), "version": __version__, "filter": self._expression}
        return told | self._seen() | self._amounts()

    def _seen(self) -> dict[str, str]:
        if self._first is None or self._last is None:
            return {}
        host = self._last.host
        return {
            "host": clean(host.name),
            "kernel": clean(host.kernel),
            "boot_id": clean(host.boot_id),
            "begin_ns": str(self._first.begin_ns + self._first.host.realtime_offset_ns),
            "end_ns": str(self._last.end_ns + host.realtime_offset_ns),
        }

    def _amounts(self) -> dict[str, str]:
        lost = {wire.KINDS[kind]: int(self._lost[kind]) for kind in wire.SHOWN_KINDS.tolist() if self._lost[kind]}
        return {"frames": str(self._frames), "snapshots": str(self._snapshots), "lost": json.dumps(lost)}
