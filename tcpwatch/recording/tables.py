"""How do many lines become few bytes? A group of lines is packed as its first line, which bytes of a line ever differ
from that, and a plane of each of these bytes: what never changes costs nothing, and like stands beside like for the
compressor. An array that is like the one before it is told by the differences. Knows types, not meanings."""

import struct
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tcpwatch import wire
from tcpwatch.errors import BadInput, TcpwatchError
from tcpwatch.recording.format import MOST_BYTES, MOST_ROWS, damaged

PLAIN, DIFFERS = range(2)  # how an array is told
VALUE, RISES = range(2)  # how a field is: as it is, or by its differences from line to line
LEAST_GROUP = 4096  # lines; only the last group of an array has fewer
_GROUP = 16384
_BLOCK = 512  # lines at a time: from the first plane to the last they stay in the cache
_PLACE = np.dtype([("place", "<u4")])
Buffer = bytes | memoryview
_COUNT = struct.Struct("<I")
_WORD = 4
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio: spreads consecutive keys


def fits(count: int, dtype: np.dtype[Any], room: int = MOST_BYTES) -> bool:
    """Whether so many lines are no more than a reader makes room for."""
    return count <= MOST_ROWS and count * dtype.itemsize <= room


def pack_array(parts: Sequence[np.ndarray], dtype: np.dtype[Any], rising: Collection[str] = ()) -> Iterator[Buffer]:
    """The parts, all of dtype, as one array. rising: fields of unsigned integers whose differences are smaller."""
    count = sum(map(len, parts))
    if any(part.dtype != dtype for part in parts):
        raise TypeError(f"a table of {dtype} cannot hold {[part.dtype for part in parts]}")
    if not fits(count, dtype):
        raise TcpwatchError(f"{count} lines are more than a recording can hold in one table")
    yield _COUNT.pack(count)
    if count:
        yield bytes((PLAIN,))
        yield bytes(RISES if name in rising else VALUE for name in dtype.names or ())
        groups = [_Group(group, dtype, rising) for group in _groups(parts)]
        yield b"".join(group.head for group in groups)
        for byte in range(dtype.itemsize):  # like beside like, across groups
            yield from (group.planes[byte] for group in groups if byte in group.planes)


def pack_successor(array: np.ndarray, before: np.ndarray | None, key: str) -> Iterator[Buffer]:
    """An array of which many lines stood in the one `before` it, known by their key (u8), and changed little since."""
    dtype = array.dtype
    places = np.empty(0, np.int64) if before is None or dtype.itemsize % _WORD else _find(array[key], before[key])
    known = places >= 0
    if before is None or np.count_nonzero(known) * 4 < len(array) or not len(array):
        yield from pack_array([array], dtype)
        return
    at = places[known]
    yield _COUNT.pack(len(array))
    yield bytes((DIFFERS,))
    yield np.packbits(known, bitorder="little").tobytes()
    yield from pack_array([at.astype("<u4").view(_PLACE)], _PLACE, ("place",))
    yield from pack_array([_changes(array, np.flatnonzero(known), before, at)], dtype)
    array = np.ascontiguousarray(array)
    yield from pack_array([array.view(_whole(dtype)).take(np.flatnonzero(~known)).view(dtype)], dtype)


def _changes(array: np.ndarray, at: np.ndarray, before: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Differences of the lines at `at` from those before them, each of its 32-bit words by itself, modulo 2^32."""
    dtype = array.dtype
    changes = np.empty(len(at), dtype)
    words = changes.view("<u4").reshape(len(at), -1)
    now, then = (np.ascontiguousarray(one).view(_whole(dtype)) for one in (array, before))
    for start in range(0, len(at), _BLOCK):
        piece = slice(start, start + _BLOCK)
        new, old = (one.take(which[piece]).view("<u4") for one, which in ((now, at), (then, places)))
        np.subtract(new, old, out=words[piece].reshape(-1))
    return changes


def _whole(dtype: np.dtype[Any]) -> str:
    """A line as one piece: NumPy copies structures field by field."""
    return f"V{dtype.itemsize}"


def _find(keys: np.ndarray, before: np.ndarray) -> np.ndarray:
    """(n,) i8: where each key stood before, -1: nowhere, or not found; that costs room, not truth."""
    places = np.full(len(keys), -1)
    open_ = np.arange(len(keys))
    keys, before = keys.copy(), before.copy()
    left = np.arange(len(before), dtype=np.int32)
    for shift in (0, 17):  # keys that shared a slot get another one
        if not len(open_) or not len(left):
            break
        bits = np.uint64(64 - (4 * len(left)).bit_length())
        slots = np.full(1 << (64 - int(bits)), -1, np.int32)
        mine = ((before[left] + np.uint64(shift)) * _MULTIPLIER >> bits).astype(np.intp)
        slots[mine] = left
        found = slots[((keys[open_] + np.uint64(shift)) * _MULTIPLIER >> bits).astype(np.intp)]
        hit = (found >= 0) & (before[found] == keys[open_])
        places[open_[hit]] = found[hit]
        open_, left = open_[~hit], left[slots[mine] != left]
    return places


def _groups(parts: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Pieces of about a group's size; what is larger is cut, what is smaller joined."""
    held: list[np.ndarray] = []
    count = 0
    for part in parts:
        held.append(part)
        count += len(part)
        if count >= _GROUP // 2:
            yield from _cut(wire.joined(held))
            held, count = [], 0
    if count:
        yield from _cut(wire.joined(held))


def _cut(array: np.ndarray) -> Iterator[np.ndarray]:
    return iter(np.array_split(array, -(-len(array) // _GROUP)))


def _bytes(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array).view(np.uint8).reshape(len(array), array.dtype.itemsize)


class _Group:
    """head: how many lines, the first of them, which bytes vary and which of those do as the one before. planes: the
    others, by their place in a line."""

    def __init__(self, group: np.ndarray, dtype: np.dtype[Any], rising: Collection[str]) -> None:
        rows = _bytes(group)
        varies = _varying(rows)
        risen: dict[int, np.ndarray] = {}
        for name in rising:
            offset, width = _offset(dtype, name), dtype[name].itemsize
            column = np.zeros(len(rows), dtype[name])
            np.subtract(group[name][1:], group[name][:-1], out=column[1:])
            ever = np.bitwise_or.reduce(column, keepdims=True)
            varies[offset : offset + width] = ever.view(np.uint8) != 0
            risen.update((offset + byte, column.view(np.uint8)[byte::width]) for byte in range(width))
        chosen = np.flatnonzero(varies)
        planes = np.empty((len(chosen), len(rows)), np.uint8)
        for start in range(0, len(rows), _BLOCK):
            planes[:, start : start + _BLOCK] = rows[start : start + _BLOCK].T[chosen]
        self.planes: dict[int, memoryview] = {}
        again = np.zeros(len(varies), bool)
        before, began = planes[:0], b""
        for plane, byte in zip(planes, chosen.tolist()):
            if byte in risen:
                plane[:] = risen[byte]
            begins = plane[:64].tobytes()  # mostly tells enough
            if begins == began and np.array_equal(plane, before):
                again[byte] = True
            else:
                self.planes[byte] = plane.data
            before, began = plane, begins
        masks = np.packbits((varies, again), axis=1, bitorder="little")
        self.head = b"".join((_COUNT.pack(len(rows)), rows[0].tobytes(), masks.tobytes()))


def _offset(dtype: np.dtype[Any], name: str) -> int:
    assert dtype.fields
    return dtype.fields[name][1]


def _varying(rows: np.ndarray) -> np.ndarray:
    """(itemsize,) bool: which bytes are not the same in all rows. Many rows at a time are as one long one."""
    size = rows.shape[1]
    even = len(rows) // 64 * 64
    varies = (rows[even:] != rows[0]).any(axis=0)
    if even:
        words = rows[:even].reshape(even // 64, 64 * size).view(np.uint64)
        differ = np.bitwise_or.reduce(words, axis=0) ^ np.bitwise_and.reduce(words, axis=0)
        each = rows[:64] != rows[0]
        varies |= (differ.view(np.uint8).reshape(64, size) != 0).any(axis=0) | each.any(axis=0)
    return varies


@dataclass(slots=True)
class _Packed:
    """A group as it was read. planes: of the bytes that are fresh."""

    count: int
    first: np.ndarray
    varies: np.ndarray
    fresh: np.ndarray
    planes: list[memoryview] = field(default_factory=list)

    def fill(self, rows: np.ndarray, dtype: np.dtype[Any], rising: list[str]) -> None:
        """rows: (lines, itemsize) u1."""
        chosen = np.flatnonzero(self.varies)
        which = np.cumsum(self.fresh[chosen]) - 1
        planes = np.frombuffer(b"".join(self.planes), np.uint8).reshape(-1, self.count)
        start = self.first.copy()
        for name in rising:
            offset = _offset(dtype, name)
            start[offset : offset + dtype[name].itemsize] = 0
        for at in range(0, self.count, _BLOCK):
            block = rows[at : at + _BLOCK]
            block.view(_whole(dtype))[:] = start.view(_whole(dtype))
            block.T[chosen] = planes[which, at : at + _BLOCK]
        table = rows.reshape(-1).view(dtype)
        for name in rising:
            column = table[name].copy()
            column[0] = self.first.view(dtype)[name][0]
            table[name] = np.cumsum(column, dtype=column.dtype)


class Unpacker:
    """Takes arrays out of a block's bytes, one after the other. where: the block's place in the file, for errors."""

    def __init__(self, data: bytes, where: int) -> None:
        self._data = memoryview(data)
        self._at = 0
        self._where = where
        self._room = MOST_BYTES

    def bytes(self, count: int) -> memoryview:
        taken = self._data[self._at : self._at + count]
        if len(taken) != count:
            raise self.fault("it ends before its contents do")
        self._at += count
        return taken

    def number(self) -> int:
        (value,) = _COUNT.unpack(self.bytes(_COUNT.size))
        return int(value)

    def fault(self, what: str) -> BadInput:
        return damaged(self._where, what)

    def end(self) -> None:
        if self._at != len(self._data):
            raise self.fault("it goes on after its contents")

    def array(self, dtype: np.dtype[Any], before: np.ndarray | None = None) -> np.ndarray:
        """before: the array that it may be told by the differences from."""
        count = self.number()
        if not fits(count, dtype, self._room):
            raise self.fault(f"{count} lines are more than any table has")
        self._room -= count * dtype.itemsize
        if not count:
            return np.empty(0, dtype)
        (way,) = self.bytes(1)
        if way == PLAIN:
            return self._plain(count, dtype)
        if way != DIFFERS or before is None or dtype.itemsize % _WORD:
            raise self.fault("a table is told in a way that is not known")
        return self._successor(count, dtype, before)

    def _plain(self, count: int, dtype: np.dtype[Any]) -> np.ndarray:
        how = bytes(self.bytes(len(dtype.names or ())))
        rising = [name for name, one in zip(dtype.names or (), how) if one == RISES]
        if max(how) > RISES or any(dtype[name].kind != "u" or dtype[name].shape for name in rising):
            raise self.fault("a field is told in a way that is not known")
        groups = []
        at = 0
        while at < count:
            groups.append(self._group(count - at, dtype.itemsize))
            at += groups[-1].count
        for byte in range(dtype.itemsize):
            for group in groups:
                if group.fresh[byte]:
                    group.planes.append(self.bytes(group.count))
        rows = np.empty((count, dtype.itemsize), np.uint8)
        at = 0
        for group in groups:
            group.fill(rows[at : at + group.count], dtype, rising)
            at += group.count
        return rows.reshape(-1).view(dtype)

    def _group(self, most: int, size: int) -> "_Packed":
        """The head of one. most: lines that there can be yet. size: bytes of a line."""
        count = self.number()
        if not 0 < count <= most or (count < most and count < LEAST_GROUP):
            raise self.fault("its lines do not add up")
        first = np.frombuffer(self.bytes(size), np.uint8)
        masks = np.frombuffer(self.bytes(2 * ((size + 7) // 8)), np.uint8).reshape(2, -1)
        varies, again = np.unpackbits(masks, axis=1, count=size, bitorder="little").astype(bool)
        fresh = varies & ~again
        if (again & ~varies).any() or not fresh[varies][:1].all():
            raise self.fault("a plane repeats one that is not there")
        return _Packed(count, first, varies, fresh)

    def _successor(self, count: int, dtype: np.dtype[Any], before: np.ndarray) -> np.ndarray:
        known = np.unpackbits(np.frombuffer(self.bytes((count + 7) // 8), np.uint8), count=count, bitorder="little")
        known = known.astype(bool)
        places = self.array(_PLACE)["place"]
        changes, new = self.array(dtype), self.array(dtype)
        old = np.count_nonzero(known)
        if len(places) != old or len(changes) != old or len(new) != count - old:
            raise self.fault("its lines do not add up")
        if old and int(places.max()) >= len(before):
            raise self.fault("a line is told by one that is not there")
        lines = np.empty(count, dtype)
        then = before.view(_whole(dtype))
        at = np.flatnonzero(known)
        for start in range(0, old, _BLOCK):
            piece = slice(start, start + _BLOCK)
            words = then.take(places[piece]).view("<u4") + changes[piece].view("<u4")
            lines.view(_whole(dtype))[at[piece]] = words.view(_whole(dtype))
        lines.view(_whole(dtype))[~known] = new.view(_whole(dtype))
        return lines


def project(found: np.ndarray, wanted: np.dtype[Any]) -> np.ndarray:
    """As the reader's table: fields that it lacks are 0, those that are not wanted left out. Raises ValueError where a
    field is of another sort, or a number too large for it."""
    if found.dtype == wanted:
        return found
    table = np.zeros(len(found), wanted)
    present = found.dtype.names or ()
    for name in wanted.names or ():
        if name in present:
            table[name] = _fitting(found[name], wanted[name], name)
    return table


def _fitting(column: np.ndarray, wanted: np.dtype[Any], name: str) -> np.ndarray:
    if column.dtype == wanted.base and column.shape[1:] == wanted.shape:
        return column
    if column.dtype.kind != "u" or wanted.kind != "u" or column.shape[1:] or wanted.shape:
        raise ValueError(f"{name} is of another type")
    if len(column) and int(column.max()) > np.iinfo(wanted).max:
        raise ValueError(f"{name} holds a number that is too large")
    return column
