"""What is not a number: the host, probes, processes, and the names of cgroups and namespaces, as one line of JSON each,
with the number of the frame that told it. Believes nothing that it reads."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from tcpwatch.frame import Frame, Host, Probe, Process
from tcpwatch.recording.format import MOST_TIME_NS, damaged

MOST_LINE = 1 << 20
_MOST_TEXT = 1 << 16
_MOST_ITEMS = 1 << 12  # in one line
_MOST_NUMBER = (1 << 64) - 1
_MOST_INODE = (1 << 32) - 1
_MOST_HZ = 100_000
_TEXTS = ("name", "kind", "purpose", "reason", "without")

Note = dict[str, Any]  # fields of a Frame


class _Odd(ValueError):
    """A value that is not what it should be."""


def pack_notes(frames: Sequence[Frame], host: Host | None, probes: tuple[Probe, ...]) -> bytes:
    """host, probes: as they were told last."""
    lines: list[Mapping[str, Any]] = []
    for number, frame in enumerate(frames):
        if frame.host != host:
            lines.append({"frame": number, "what": "host", **_attributes(frame.host)})
        if frame.probes != probes:
            lines.append({"frame": number, "what": "probes", "probes": [_attributes(probe) for probe in frame.probes]})
        host, probes = frame.host, frame.probes
        lines += ({"frame": number, **line} for line in _told(frame))
    return b"".join(json.dumps(line, separators=(",", ":")).encode() + b"\n" for line in lines)


def _told(frame: Frame) -> Iterator[Mapping[str, Any]]:
    for process in frame.processes:
        yield {"what": "process", **_attributes(process)}
    for inode, name in frame.cgroups:
        yield {"what": "cgroup", "inode": inode, "name": name}
    for inode, name in frame.namespaces:
        yield {"what": "namespace", "inode": inode, "name": name}
    for inode, values in frame.settings:
        yield {"what": "settings", "inode": inode, "values": values}


def _attributes(thing: Host | Probe | Process) -> dict[str, Any]:
    return {name: getattr(thing, name) for name in type(thing).__slots__}


def unpack_notes(data: bytes, frames: int, where: int) -> dict[int, Note]:
    """Fields of each frame that has any, by number. Raises BadInput for what a Frame cannot hold; what a newer version
    tells beyond that is left out."""
    notes: dict[int, Note] = {}
    try:
        for line in _lines(data):
            found = _dict(json.loads(line))
            note = notes.setdefault(_number(found.get("frame"), frames - 1), {})
            what = found.get("what")
            if what == "host":
                note["host"] = _host(found)
            elif what == "probes":
                note["probes"] = tuple(_probe(one) for one in _list(found.get("probes")))
            elif isinstance(what, str) and what in _MANY:
                field, read = _MANY[what]
                note.setdefault(field, []).append(read(found))
    except (ValueError, RecursionError) as error:
        raise damaged(where, "the names in it make no sense") from error
    for note in notes.values():
        note.update((field, tuple(note[field])) for field, _ in _MANY.values() if field in note)
    return notes


def _lines(data: bytes) -> Iterator[bytes]:
    start = 0
    while start < len(data):
        end = data.find(b"\n", start)
        if end < 0 or end - start > MOST_LINE:
            raise _Odd
        yield data[start:end]
        start = end + 1


def _host(found: Note) -> Host:
    return Host(
        name=_text(found.get("name")),
        kernel=_text(found.get("kernel")),
        boot_id=_text(found.get("boot_id")),
        hz=_number(found.get("hz"), _MOST_HZ),
        netns=_number(found.get("netns")),
        realtime_offset_ns=_number(found.get("realtime_offset_ns"), 2 * MOST_TIME_NS),
        reset_reasons=tuple(_text(reason) for reason in _list(found.get("reset_reasons"))),
        kept=_text(found.get("kept", "")),
    )


def _probe(value: Any) -> Probe:
    found = _dict(value)
    texts = {name: _text(found.get(name, "")) for name in _TEXTS}
    return Probe(**texts, attached=_truth(found.get("attached")), refused=_truth(found.get("refused", False)))


def _process(found: Note) -> Process:
    texts = {name: _text(found.get(name)) for name in ("comm", "command", "cgroup")}
    return Process(_number(found.get("pid"), _MOST_INODE), _number(found.get("start_ns"), MOST_TIME_NS), **texts)


def _named(found: Note) -> tuple[int, str]:
    return _number(found.get("inode")), _text(found.get("name"))


def _settings(found: Note) -> tuple[int, tuple[tuple[str, str], ...]]:
    pairs = (_list(pair) for pair in _list(found.get("values")))
    return _number(found.get("inode"), _MOST_INODE), tuple((_text(name), _text(value)) for name, value in pairs)


_MANY: dict[str, tuple[str, Callable[[Note], Any]]] = {
    "process": ("processes", _process),
    "cgroup": ("cgroups", _named),
    "namespace": ("namespaces", _named),
    "settings": ("settings", _settings),
}


def _dict(value: Any) -> Note:
    if not isinstance(value, dict):
        raise _Odd
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list) or len(value) > _MOST_ITEMS:
        raise _Odd
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > _MOST_TEXT:
        raise _Odd
    return value


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _Odd
    return value


def _number(value: Any, most: int = _MOST_NUMBER) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise _Odd
    return value
