"""The one door to the headless faces: takes steps, and writes the records that are wanted as text for people or for
machines. Knows no key itself."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, BinaryIO, Literal

from tcpwatch.records.formats import FORMATS, Format
from tcpwatch.records.selection import FaceName, Selection
from tcpwatch.text.columns import EventColumns, LifeColumns
from tcpwatch.text.ss import SocketColumns
from tcpwatch.tracker.step import Step

if TYPE_CHECKING:
    from tcpwatch.filter import Filter

FormatName = Literal["text", "jsonl", "csv"]
_TEXT: Mapping[str, Callable[[], Format]] = {"events": EventColumns, "life": LifeColumns, "snapshot": SocketColumns}


class Writer:
    """Writes one face's records in one format, one write() to `out` per step. Errors of `out` (BrokenPipeError, a full
    disk's OSError) pass through."""

    def __init__(
        self, face: FaceName, form: FormatName, out: BinaryIO, wanted: "Filter | None" = None, limit: int | None = None
    ) -> None:
        self._selection, self._out = Selection(face, wanted, limit), out
        self._format: Format = _TEXT[face]() if form == "text" else FORMATS[form](face)

    @property
    def done(self) -> bool:
        """As many records as the limit allows were written."""
        return self._selection.done

    def header(self) -> None:
        """To be called once, before the first step."""
        self._put(self._format.header())

    def write(self, step: Step) -> int:
        """Writes what the step brought, up to the limit; how many records that was."""
        batches = self._selection.of(step)
        texts = [self._format.lines(batch) for batch in batches]
        self._put(texts[0] if len(texts) == 1 else b"".join(texts))  # most steps are one, and it may be large
        return sum(batch.size for batch in batches)

    def _put(self, text: bytes | memoryview) -> None:
        left = memoryview(text)
        while left:  # an unbuffered stdout (PYTHONUNBUFFERED) may take less than it is given
            left = left[self._out.write(left) :]
        self._out.flush()
