"""Can old recordings be read, and what becomes of new ones in old hands? A file of each version is kept."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tcpwatch import wire
from tcpwatch.errors import BadInput
from tcpwatch.frame import Frame
from tcpwatch.recording import format as layout
from tcpwatch.recording.reader import Recording
from tcpwatch.recording.tables import project

from .fuzz import pieces, put_together
from .session import ended, life, played, same, written

KEPT = Path(__file__).parent / "versions"
Words = dict[str, Any]


def told() -> list[Frame]:
    """What the files here hold that are not kept ones."""
    return ended(life(frames=17, sockets=11, seed=5))


def _declared(change: Callable[[Words], None]) -> bytes:
    """A file that says of its tables what `change` makes of what ours says."""
    found = list(pieces(written(told())))
    words = json.loads(found[0].raw)
    change(words)
    found[0].raw = json.dumps(words).encode()
    found[0].header = replace(found[0].header, raw=len(found[0].raw))
    return put_together(found)


def _called(table: str, **names: str) -> Callable[[Words], None]:
    def change(words: Words) -> None:
        for field in words["tables"][table]:
            field[0] = names.get(field[0], field[0])

    return change


def summary(frames: list[Frame], fields: Mapping[str, Iterable[str]]) -> Words:
    """All that is in them, as few numbers: of each field the sum of its bytes, each by its place."""
    tables = {
        "events": [frame.events for frame in frames],
        "sockets": [frame.snapshot.sockets for frame in frames if frame.snapshot is not None],
        "counts": [frame.snapshot.counts for frame in frames if frame.snapshot is not None],
        "owners": [frame.owners for frame in frames if frame.owners is not None],
        "tally": [frame.tally for frame in frames],
    }
    words = [
        {
            "times": [frame.begin_ns, frame.end_ns, frame.ring_fill],
            "marks": [frame.final, frame.shows_time_wait],
            "host": {name: value for name, value in asdict(frame.host).items() if value or name != "kept"},  # since
            "processes": [asdict(one) for one in frame.processes],
            "probes": [asdict(one) for one in frame.probes],
            "names": [frame.cgroups, frame.namespaces, frame.settings],
            "snapshot": [frame.snapshot.begin_ns, frame.snapshot.end_ns, sorted(frame.snapshot.namespaces)]
            if frame.snapshot is not None
            else None,
        }
        for frame in frames
    ]
    sums = {name: {field: _sum(parts, field) for field in fields[name]} for name, parts in tables.items()}
    return json.loads(json.dumps({"words": words, "sums": sums}))


def _sum(parts: list[np.ndarray], field: str) -> int:
    data = np.frombuffer(b"".join(part[field].tobytes() for part in parts), np.uint8).astype(np.uint64)
    return int((data * np.arange(1, len(data) + 1, dtype=np.uint64)).sum())


@pytest.mark.parametrize("version", range(1, layout.VERSION + 1))
def test_old_files_are_read(version: int) -> None:
    """Each was made with the release that wrote such files first; what it was made of is kept beside it. A field may
    be gone by now, or have another type: then this test says how it is read."""
    expected = json.loads((KEPT / f"{version}.json").read_text())
    with Recording(KEPT / f"{version}.tcpwatch") as recording:
        assert recording.version == version
        assert recording.complete
        assert recording.dropped is None
        assert len(recording.segments) == 3
        assert summary(list(recording.frames()), expected["sums"]) == expected


def test_a_newer_version_is_refused() -> None:
    """By its number, and with what to do."""
    data = bytearray(written(told()))
    data[len(layout.SIGNATURE) + 1] = layout.VERSION + 1
    with pytest.raises(BadInput, match=rf"version {layout.VERSION + 1} .*byte .*newer") as caught:
        played(bytes(data))
    assert caught.value.cure


def test_fields_are_known_by_their_names() -> None:
    """Whatever their order: those that we do not know are left out, those that lack are 0."""
    found, dropped = played(_declared(_called("events", cwnd="invented", srtt_us="rttvar_us", rttvar_us="srtt_us")))
    assert dropped is None
    for one, other in zip(told(), found, strict=True):
        expected = one.events.copy()
        expected["srtt_us"], expected["rttvar_us"], expected["cwnd"] = one.events["rttvar_us"], one.events["srtt_us"], 0
        assert same(expected, other.events)


def test_snapshots_are_known_by_their_names_too() -> None:
    """Though one is told by the one before it, in the file's own terms."""
    found, dropped = played(_declared(_called("sockets", segs_in="invented")))
    assert dropped is None
    for one, other in zip(told(), found, strict=True):
        if one.snapshot is not None and other.snapshot is not None:
            expected = one.snapshot.sockets.copy()
            expected["segs_in"] = 0
            assert same(expected, other.snapshot.sockets)


def test_kinds_are_known_by_their_names() -> None:
    """A newer tcpwatch counts kinds that we know nothing of: ours are still counted as ours."""
    found, _ = played(_declared(lambda words: words.update(kinds=["invented", *words["kinds"][1:]])))
    for one, other in zip(told(), found, strict=True):
        assert same(one.tally[1:], other.tally[1:])
        assert not other.tally["seen"][0]


@pytest.mark.parametrize(
    "change",
    [
        lambda words: words.pop("tables"),
        lambda words: words["tables"].pop("owners"),
        lambda words: words["tables"]["events"].clear(),
        lambda words: words["tables"]["events"][0].__setitem__(1, "O"),
        lambda words: words["tables"]["events"][0].append(1 << 40),
        lambda words: words["tables"]["events"].append(["kind", "<u2"]),
        lambda words: words["tables"]["events"].extend([[f"f{i}", "<u8"] for i in range(layout.MOST_FIELDS)]),
        lambda words: words.update(kinds=[[]]),
    ],
)
def test_a_description_that_makes_no_sense(change: Callable[[Words], None]) -> None:
    """Is refused before anything is read by it."""
    with pytest.raises(BadInput, match="byte 16"):
        played(_declared(change))


def test_a_wider_number_is_read_while_it_fits() -> None:
    """It is never cut."""
    wide = np.zeros(3, np.dtype([("lport", "<u8"), ("comm", "S16")]))
    wide["lport"] = 7, 65535, 0
    assert project(wide, wire.EVENT)["lport"].tolist() == [7, 65535, 0]
    wide["lport"][0] = 65536
    with pytest.raises(ValueError, match="lport holds"):
        project(wide, wire.EVENT)
    with pytest.raises(ValueError, match="lport is of another type"):
        project(wide.view([("lport", "S8"), ("comm", "S16")]), wire.EVENT)
