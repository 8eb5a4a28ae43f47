"""A reader made from docs/recording.md alone: it imports nothing of tcpwatch. It believes what it reads."""

import json
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import zstandard

Frames = list[dict[str, Any]]
_KINDS = {1: "HEAD", 2: "STATE", 3: "FRAMES", 4: "INDEX"}


def blocks(file: bytes) -> Iterator[tuple[str, dict[str, int], bytes]]:
    """(kind, header, payload unpacked), up to the trailer."""
    assert file[:13] == b"\x89tcpwatch\r\n\x1a\n"
    assert file[13:16] == b"\0\1\0"
    at = 16
    while file[at : at + 4] == b"\xf5tw\xee":
        kind, flags, lines = struct.unpack_from("<BBH", file, at + 4)
        names = ("identity", "number", "segment", "begin_ns", "end_ns", "frames", "events", "stored", "raw", "payload")
        values = struct.unpack_from("<QIIQQIIIIIII", file, at + 8)
        header = dict(zip((*names, "seconds", "header"), values), flags=flags)
        assert zlib.crc32(file[at : at + 64]) == header["header"]
        seconds = file[at + 68 : at + 68 + 32 * lines]
        assert zlib.crc32(seconds) == header["seconds"]
        at += 68 + 32 * lines
        payload = file[at : at + header["stored"]]
        assert zlib.crc32(payload) == header["payload"]
        at += header["stored"]
        if kind != 1:
            payload = zstandard.ZstdDecompressor().decompress(payload)
        assert len(payload) == header["raw"]
        yield _KINDS[kind], header, payload
    assert file[at : at + 4] == b"twZ\xfa"
    assert len(file) == at + 28
    assert zlib.crc32(file[at : at + 24]) == int.from_bytes(file[at + 24 :], "little")


class Reader:
    def __init__(self, payload: bytes) -> None:
        self.payload, self.at = payload, 0

    def take(self, count: int) -> bytes:
        self.at += count
        return self.payload[self.at - count : self.at]

    def u32(self) -> int:
        return int.from_bytes(self.take(4), "little")

    def bits(self, count: int) -> list[bool]:
        data = self.take((count + 7) // 8)
        return [bool(data[i // 8] >> i % 8 & 1) for i in range(count)]

    def array(self, dtype: np.dtype[Any], before: np.ndarray | None = None) -> np.ndarray:
        lines = self.u32()
        if not lines:
            return np.empty(0, dtype)
        if self.take(1) == b"\0":
            return self._plain(lines, dtype)
        known = self.bits(lines)
        places = self.array(np.dtype([("place", "<u4")]))["place"]
        changes, new = self.array(dtype), self.array(dtype)
        found, old, fresh = [], zip(places, changes), iter(new)
        for one in known:
            if one:
                assert before is not None
                place, change = next(old)
                words = np.frombuffer(before[place].tobytes(), "<u4") + np.frombuffer(change.tobytes(), "<u4")
                found.append(words.tobytes())
            else:
                found.append(next(fresh).tobytes())
        return np.frombuffer(b"".join(found), dtype)

    def _plain(self, lines: int, dtype: np.dtype[Any]) -> np.ndarray:
        names, size = dtype.names or (), dtype.itemsize
        rising = [name for name, how in zip(names, self.take(len(names))) if how == 1]
        groups: list[tuple[np.ndarray, bytes, list[bool], list[bool]]] = []
        while sum(len(group[0]) for group in groups) < lines:
            count, first = self.u32(), self.take(size)
            groups.append(
                (np.frombuffer(first * count, np.uint8).reshape(count, size).copy(), first, *self._masks(size))
            )
        for byte in range(size):
            for rows, _, varies, repeats in groups:
                if varies[byte]:
                    last = max((b for b in range(byte) if varies[b]), default=0)
                    told = repeats[byte]
                    rows[:, byte] = rows[:, last] if told else np.frombuffer(self.take(len(rows)), np.uint8)
        for rows, first, varies, _ in groups:
            table, start = rows.reshape(-1).view(dtype), np.frombuffer(first, dtype)
            for name in rising:
                at = dict(dtype.fields or {})[name][1]
                for byte in range(at, at + dtype[name].itemsize):
                    rows[:, byte] *= np.uint8(varies[byte])
                value = int(start[name][0])
                for line, difference in enumerate(table[name].tolist()):
                    value = (value + difference) % (1 << 8 * dtype[name].itemsize)
                    table[name][line] = value
        return np.concatenate([rows for rows, *_ in groups]).reshape(-1).view(dtype)

    def _masks(self, size: int) -> tuple[list[bool], list[bool]]:
        return self.bits(size), self.bits(size)


def read(file: bytes) -> Frames:
    """All frames of a whole file: their lines of each table, and what the notes tell of them."""
    found: Frames = []
    tables: dict[str, np.dtype[Any]] = {}
    before: dict[str, np.ndarray | None] = {}
    kinds = 0
    for kind, header, payload in blocks(file):
        if kind == "HEAD":
            words = json.loads(payload)
            kinds = len(words["kinds"])
            tables = {name: np.dtype([tuple(field) for field in fields]) for name, fields in words["tables"].items()}
        elif kind != "INDEX":
            if kind == "STATE":
                before = {"sockets": None, "owners": None}
            frames = _frames(Reader(payload), tables, before, kinds)
            assert len(frames) == header["frames"]
            found += frames if kind == "FRAMES" else []
    return found


def _frames(reader: Reader, tables: dict[str, np.dtype[Any]], before: dict[str, Any], kinds: int) -> Frames:
    notes = [json.loads(line) for line in reader.take(reader.u32()).splitlines()]
    shared = {name: reader.array(tables[name]) for name in ("frames", "tally", "events", "counts", "namespaces")}
    frames: Frames = []
    at = dict.fromkeys(shared, 0)
    for number, line in enumerate(shared["frames"]):
        frame: dict[str, Any] = {"line": line, "notes": [note for note in notes if note["frame"] == number]}
        for name in ("tally", "events", "counts", "namespaces"):
            count = kinds if name == "tally" else int(line[name])
            frame[name] = shared[name][at[name] : at[name] + count]
            at[name] += count
        frames.append(frame)
    for name, mark in (("sockets", 1), ("owners", 2)):
        for frame in frames:
            frame[name] = None
            if frame["line"]["marks"] & mark:
                frame[name] = before[name] = reader.array(tables[name], before[name])
                assert len(frame[name]) == frame["line"][name]
    assert reader.at == len(reader.payload)
    return frames
