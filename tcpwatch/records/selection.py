"""Which records does a step bring for one face, and which of them are wanted? Picks by filter and by number; knows no
key and no format."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from tcpwatch import wire
from tcpwatch.records import contract, fields
from tcpwatch.records.parts import Array, Codes, Pick, Records
from tcpwatch.tracker.step import Step

if TYPE_CHECKING:
    from tcpwatch.filter import Filter  # 20 ms to import, which a start without a filter does not need

FaceName = Literal["events", "life", "snapshot"]


@dataclass(frozen=True, slots=True)
class _Face:
    has: Callable[[Step], bool]  # the step brought something to tell
    fields: Callable[[Step], Mapping[str, Array]]
    records: Callable[[Step, Pick], Records]


_FACES: Mapping[str, _Face] = {
    "events": _Face(lambda step: len(step.frame.events) > 0, fields.of_events, contract.events),
    "life": _Face(lambda step: len(step.lives) > 0, fields.of_lives, contract.lives),
    "snapshot": _Face(lambda step: step.frame.snapshot is not None, fields.of_sockets, contract.sockets),
}


class Selection:
    """wanted: the filter, None = everything. limit: no more records than this in all."""

    def __init__(self, face: FaceName, wanted: "Filter | None" = None, limit: int | None = None) -> None:
        self._face, self._wanted, self._left = _FACES[face], wanted, limit
        self._tells_losses = face == "events"

    @property
    def done(self) -> bool:
        """As many records as the limit allows were picked."""
        return self._left == 0

    def of(self, step: Step) -> list[Records]:
        """What the step brought, up to the limit. Losses are told whatever the filter says: they may have been
        anything."""
        batches = []
        if self._face.has(step):
            batches.append(self._face.records(step, self._pick(step)))
        if self._tells_losses and step.lost[wire.SHOWN_KINDS].any():
            told = sum(batch.size for batch in batches)
            batches.append(contract.losses(step, None if self._left is None else self._left - told))
        if self._left is not None:
            self._left -= sum(batch.size for batch in batches)
        return batches

    def _pick(self, step: Step) -> Pick:
        if self._wanted is None:
            return slice(self._left)
        from tcpwatch.filter import Names

        mask = self._wanted.mask(self._face.fields(step), Names(step.cgroups, step.namespaces))
        picked: Codes = np.flatnonzero(mask)[: self._left]
        return picked
