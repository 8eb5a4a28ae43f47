"""What frames does a block hold? The mirror of the encoder: blocks in, frames out, each as it was written. Believes
nothing: what no frame could hold is BadInput, with the byte of the file where the block begins."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import zstandard

from tcpwatch import wire
from tcpwatch.frame import Frame, Host, Probe, Snapshot
from tcpwatch.recording import format as layout
from tcpwatch.recording.notes import Note, unpack_notes
from tcpwatch.recording.tables import Unpacker, project

# What others index or calculate with: the least value that nothing has
_BOUNDS: Mapping[str, Mapping[str, int]] = {
    "events": {
        "kind": len(wire.KINDS),
        "old_state": len(wire.STATES),
        "new_state": len(wire.STATES),
        "cause": len(wire.CAUSES),
        "time_ns": layout.MOST_TIME_NS,
        "since_ns": layout.MOST_TIME_NS,
    },
    "sockets": {"state": len(wire.STATES), "sort": wire.TIME_WAIT_SORT + 1, "since_ns": layout.MOST_TIME_NS},
    "owners": {"start_ns": layout.MOST_TIME_NS},
}
_FULL = 2.0  # a ring that fills while it is looked at


class Decoder:
    """Of one file's blocks in their order, and from a state on again where one was left out."""

    def __init__(self, schema: layout.Schema) -> None:
        self._schema = schema
        self._decompressor = zstandard.ZstdDecompressor()
        self._forget()

    def _forget(self) -> None:
        self._host: Host | None = None
        self._probes: tuple[Probe, ...] = ()
        self._before: dict[str, np.ndarray] = {}  # the newest arrays that others may be told by

    def state(self, header: layout.Header, payload: bytes, where: int) -> Frame:
        """All that was told before this segment, as one frame that joins; of a first segment it says nothing but the
        host."""
        self._forget()
        if header.frames != 1:
            raise layout.damaged(where, "what was told before is no one frame")
        (frame,) = self._frames(header, payload, where)
        if header.flags & layout.FIRST:
            self._forget()
        return replace(frame, joins=True)

    def frames(self, header: layout.Header, payload: bytes, where: int) -> list[Frame]:
        return self._frames(header, payload, where)

    def _frames(self, header: layout.Header, payload: bytes, where: int) -> list[Frame]:
        unpacker = Unpacker(inflate(self._decompressor, header, payload, where), where)
        notes = unpack_notes(bytes(unpacker.bytes(unpacker.number())), header.frames, where)
        arrays = _Arrays(unpacker, self._schema, self._before)
        lines = arrays.table("frames")
        arrays.shared()
        if not 0 < len(lines) == header.frames <= layout.MOST_FRAMES:
            raise unpacker.fault("it does not hold as many frames as it says")
        snapshots = [arrays.successor("sockets") for _ in range(_count(lines, layout.HAS_SNAPSHOT))]
        owners = [arrays.successor("owners") for _ in range(_count(lines, layout.HAS_OWNERS))]
        unpacker.end()
        frames = []
        for number, line in enumerate(lines.tolist()):
            values = dict(zip(layout.FRAME.names or (), line))
            frames.append(self._frame(values, notes.get(number, {}), arrays, snapshots, owners))
        arrays.end(header.events)
        return frames

    def _frame(
        self, line: Note, note: Note, arrays: "_Arrays", snapshots: list[np.ndarray], owners: list[np.ndarray]
    ) -> Frame:
        self._host, self._probes = note.pop("host", self._host), note.pop("probes", self._probes)
        if self._host is None:
            raise arrays.unpacker.fault("it does not say of which host it is")
        if max(line[name] for name in layout.TIMES) >= layout.MOST_TIME_NS:
            raise arrays.unpacker.fault("a time is beyond all times")
        if not 0 <= line["ring_fill"] <= _FULL:
            raise arrays.unpacker.fault("a ring is fuller than full")
        marks = line["marks"]
        snapshot = None
        if marks & layout.HAS_SNAPSHOT:
            read = frozenset(arrays.take("namespaces", line["namespaces"])["netns"].tolist())
            counts = arrays.take("counts", line["counts"])
            begin_ns, end_ns = line["snapshot_begin_ns"], line["snapshot_end_ns"]
            snapshot = Snapshot(begin_ns, end_ns, snapshots.pop(0), read, counts)
        return Frame(
            line["begin_ns"],
            line["end_ns"],
            self._host,
            arrays.take("events", line["events"]),
            snapshot,
            owners.pop(0) if marks & layout.HAS_OWNERS else None,
            tally=self._tally(arrays.take("tally", len(self._schema.kinds))),
            probes=self._probes,
            final=bool(marks & layout.IS_FINAL),
            shows_time_wait=bool(marks & layout.SHOWS_TIME_WAIT),
            ring_fill=line["ring_fill"],
            **note,
        )

    def _tally(self, theirs: np.ndarray) -> np.ndarray:
        """By our kinds."""
        if self._schema.kinds == wire.KINDS:
            return theirs
        ours = np.zeros(len(wire.KINDS), wire.TALLY)
        for number, kind in enumerate(self._schema.kinds):
            if kind in wire.KINDS:
                ours[wire.KINDS.index(kind)] = theirs[number]
        return ours


def inflate(decompressor: zstandard.ZstdDecompressor, header: layout.Header, payload: bytes, where: int) -> bytes:
    """The contents of a block. Raises BadInput before it makes room for more than the header says."""
    try:
        if zstandard.frame_content_size(payload) != header.raw:
            raise layout.damaged(where, "its size is not what its header says")
        return decompressor.decompress(payload, max_output_size=header.raw, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise layout.damaged(where, "it cannot be unpacked") from error


def _count(lines: np.ndarray, mark: int) -> int:
    return int(np.count_nonzero(lines["marks"] & np.uint8(mark)))


class _Arrays:
    """The tables of a block, each checked as it comes."""

    def __init__(self, unpacker: Unpacker, schema: layout.Schema, before: dict[str, np.ndarray]) -> None:
        self.unpacker = unpacker
        self._schema = schema
        self._before = before
        self._shared: dict[str, np.ndarray] = {}
        self._taken: dict[str, int] = {}

    def table(self, name: str) -> np.ndarray:
        return self._checked(name, self.unpacker.array(self._schema.tables[name]))

    def shared(self) -> None:
        """Read those of which each frame has a part."""
        for name in layout.SHARED:
            self._shared[name], self._taken[name] = self.table(name), 0

    def successor(self, name: str) -> np.ndarray:
        """One that may be told by the one before it."""
        found = self.unpacker.array(self._schema.tables[name], self._before.get(name))
        self._before[name] = found
        return self._checked(name, found)

    def take(self, name: str, count: int) -> np.ndarray:
        """The next lines of a shared table."""
        at = self._taken[name]
        taken = self._shared[name][at : at + count]
        if len(taken) != count:
            raise self.unpacker.fault("a frame has more lines than there are")
        self._taken[name] = at + count
        return taken

    def end(self, events: int) -> None:
        if any(self._taken[name] != len(table) for name, table in self._shared.items()):
            raise self.unpacker.fault("there are more lines than frames have")
        if len(self._shared["events"]) != events:
            raise self.unpacker.fault("it does not hold as many events as it says")

    def _checked(self, name: str, found: np.ndarray) -> np.ndarray:
        try:
            table = project(found, layout.TABLES[name])
        except ValueError as error:
            raise self.unpacker.fault(str(error)) from error
        for field, bound in _BOUNDS.get(name, {}).items():
            if len(table) and int(table[field].max()) >= bound:
                raise self.unpacker.fault(f"a {field} of its {name} is none that there is")
        return table
