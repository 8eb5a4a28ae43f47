"""The one door to the headless faces: takes steps, picks the records that are wanted and writes them. Knows no key and
no format itself."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Literal, Protocol

import numpy as np

from tcpwatch import wire
from tcpwatch.text import fields, records
from tcpwatch.text.columns import EventColumns, LifeColumns
from tcpwatch.text.csv import Csv
from tcpwatch.text.jsonl import JsonLines
from tcpwatch.text.parts import Array, Codes, Pick, Records
from tcpwatch.text.ss import SocketColumns
from tcpwatch.tracker.step import Step

if TYPE_CHECKING:
    from tcpwatch.filter import Filter  # 20 ms to import, which a start without a filter does not need

FaceName = Literal["events", "life", "snapshot"]
FormatName = Literal["text", "jsonl", "csv"]


class Format(Protocol):
    def header(self) -> bytes:
        """What stands before the first record."""

    def lines(self, batch: Records) -> bytes | memoryview: ...


@dataclass(frozen=True, slots=True)
class _Face:
    has: Callable[[Step], bool]  # the step brought something to tell
    fields: Callable[[Step], Mapping[str, Array]]
    records: Callable[[Step, Pick], Records]
    text: Callable[[], Format]


_FACES: Mapping[str, _Face] = {
    "events": _Face(lambda step: len(step.frame.events) > 0, fields.of_events, records.events, EventColumns),
    "life": _Face(lambda step: len(step.lives) > 0, fields.of_lives, records.lives, LifeColumns),
    "snapshot": _Face(lambda step: step.frame.snapshot is not None, fields.of_sockets, records.sockets, SocketColumns),
}


class Writer:
    """Writes one face's records in one format, one write() to `out` per step. Errors of `out` (BrokenPipeError, a full
    disk's OSError) pass through."""

    def __init__(
        self, face: FaceName, form: FormatName, out: BinaryIO, wanted: "Filter | None" = None, limit: int | None = None
    ) -> None:
        self._face, self._out, self._wanted, self._left = _FACES[face], out, wanted, limit
        self._tells_losses = face == "events"
        self._format: Format = (
            JsonLines() if form == "jsonl" else Csv(records.KEYS[face]) if form == "csv" else self._face.text()
        )

    @property
    def done(self) -> bool:
        """As many records as the limit allows were written."""
        return self._left == 0

    def header(self) -> None:
        """To be called once, before the first step."""
        self._put(self._format.header())

    def write(self, step: Step) -> int:
        """Writes what the step brought, up to the limit; how many records that was. Losses are told whatever the filter
        says: they may have been anything."""
        batches = []
        if self._face.has(step):
            batches.append(self._face.records(step, self._pick(step)))
        if self._tells_losses and step.lost[wire.SHOWN_KINDS].any():
            told = sum(batch.size for batch in batches)
            batches.append(records.losses(step, None if self._left is None else self._left - told))
        return self._write(batches)

    def _write(self, batches: list[Records]) -> int:
        written = sum(batch.size for batch in batches)
        if self._left is not None:
            self._left -= written
        texts = [self._format.lines(batch) for batch in batches]
        self._put(texts[0] if len(texts) == 1 else b"".join(texts))  # most steps are one, and it may be large
        return written

    def _put(self, text: bytes | memoryview) -> None:
        left = memoryview(text)
        while left:  # an unbuffered stdout (PYTHONUNBUFFERED) may take less than it is given
            left = left[self._out.write(left) :]
        self._out.flush()

    def _pick(self, step: Step) -> Pick:
        if self._wanted is None:
            return slice(self._left)
        from tcpwatch.filter import Names

        mask = self._wanted.mask(self._face.fields(step), Names(step.cgroups, step.namespaces))
        picked: Codes = np.flatnonzero(mask)[: self._left]
        return picked
