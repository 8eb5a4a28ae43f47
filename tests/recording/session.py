"""Sessions with everything in them that a frame can hold, as frames and as the bytes of a file; and how a test opens
bytes as if they were a file."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from io import BytesIO
from typing import Any

import numpy as np

from tcpwatch import wire
from tcpwatch.counters import COUNTS
from tcpwatch.frame import Frame, Probe, Process, Snapshot
from tcpwatch.recording.encoder import Encoder
from tcpwatch.recording.reader import Recording, stream
from tcpwatch.recording.writer import Writer
from tests.tracker.machine import Machine, Weather

IDENTITY = 0x0123456789ABCDEF
SECOND_NS = 1_000_000_000
PROBES = (
    Probe("inet_sock_set_state", "tp_btf", "state changes", True),
    Probe("tcp_send_reset", "tp_btf", "resets sent", False, "the kernel has none", "who sent a reset", True),
)


def life(frames: int = 23, sockets: int = 7, seed: int = 1) -> list[Frame]:
    """Frames with everything in them; names and the clock change on the way."""
    told = list(Machine(Weather(seed, sockets, frames, loss=0.1)).frames())
    return [_decked(frame, number) for number, frame in enumerate(told)]


def _decked(frame: Frame, number: int) -> Frame:
    host = replace(frame.host, reset_reasons=("NOT_SPECIFIED", "NO_SOCKET"))
    if number >= 5:
        host = replace(host, realtime_offset_ns=host.realtime_offset_ns + number // 5)
    if frame.snapshot is not None:
        frame = replace(frame, snapshot=_counted(frame.snapshot, number))
    new = number % 3 == 0
    return replace(
        frame,
        host=host,
        probes=PROBES if number < 7 else PROBES[:1],
        processes=(Process(number, number * 7, f"p\udc80{number}", "a --b 'c'\n\x1b[0m", "/x"),) if new else (),
        cgroups=((number, f"/system.slice/ü{number}"),) if new else (),
        namespaces=((1, ""), (2, f"blue{number}")) if new else (),
        settings=((1, (("net.ipv4.tcp_fin_timeout", "60"), ("net.ipv4.tcp_ecn", "2"))), (2, ())) if new else (),
        ring_fill=number / 64,
        shows_time_wait=number % 2 == 0,
    )


def _counted(snapshot: Snapshot, number: int) -> Snapshot:
    counts = np.zeros(2, COUNTS)
    counts["netns"], counts["segs_in"] = (1, 2), (1 << 63, number)
    return replace(snapshot, counts=counts)


def ended(frames: Iterable[Frame]) -> list[Frame]:
    told = list(frames)
    return [*told[:-1], replace(told[-1], final=True)]


def written(frames: Iterable[Frame], *, clean: bool = True, **encoding: int) -> bytes:
    """The file that a recorder leaves of these. clean: whether it came to its end."""
    with open(os.memfd_create("recording"), "r+b") as file:
        writer = Writer(os.dup(file.fileno()), Encoder(identity=IDENTITY, **encoding))
        for frame in frames:
            writer.write(frame)
        size = writer.bytes
        writer.close()
        file.seek(0)
        whole = file.read()
    return whole if clean else whole[:size]


@contextmanager
def opened(data: bytes) -> Iterator[Recording]:
    """A file of these bytes, opened. Raises what Recording raises."""
    with open(os.memfd_create("recording"), "wb", buffering=0) as file:
        file.write(data)
        with Recording(f"/proc/self/fd/{file.fileno()}") as recording:
            yield recording


def played(data: bytes) -> tuple[list[Frame], str | None]:
    """What a file of these bytes gives, and what it says is missing."""
    with opened(data) as recording:
        return list(recording.frames()), recording.dropped


def piped(data: bytes) -> tuple[list[Frame], str | None]:
    pipe = stream(BytesIO(data))
    return list(pipe.frames()), pipe.dropped


def same(one: Any, other: Any) -> bool:
    """Field by field, types and all."""
    if type(one) is not type(other):
        return False
    if isinstance(one, Frame | Snapshot):
        return all(same(getattr(one, field.name), getattr(other, field.name)) for field in fields(one))
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    return bool(one == other)


def are_same(told: Iterable[Frame], found: Iterable[Frame]) -> bool:
    one, other = list(told), list(found)
    return len(one) == len(other) and all(map(same, one, other))


def are_some_of(told: Iterable[Frame], found: Iterable[Frame]) -> bool:
    """Whether those found are of those told, in their order, whole and none twice; but for such as only sum up."""
    rest = iter(told)
    return all(frame.joins or any(same(frame, one) for one in rest) for frame in found)


def connections(count: int, first: int = 0) -> np.ndarray:
    """wire.EVENT of so many connections as the load of bench makes them: client and server on this machine, 64 bytes
    each way. What is random there is random here."""
    chance = np.random.default_rng(first)
    states = ((7, 2), (2, 1), (3, 1), (1, 4), (1, 8), (8, 9), (4, 5), (5, 7), (9, 7))
    events = np.zeros((count, len(states)), wire.EVENT)
    port = ((first + np.arange(count)) * 2) % 28000 + 32768
    trips = chance.integers(5, 30, (3, count))
    for place, (old, new) in enumerate(states):
        client = place in (0, 1, 3, 6, 7)
        column = events[:, place]
        column["cookie"] = (first + np.arange(count)) * 2 + (not client)
        column["old_state"], column["new_state"] = old, new
        column["lport"], column["rport"] = (port, 4711) if client else (4711, port)
        column["laddr"], column["raddr"] = [0] * 10 + [255, 255, 127, 0, 0, 1], [0] * 10 + [255, 255, 127, 0, 0, 2]
        column["pid"], column["comm"] = (77, b"load") if place in (0, 1, 3, 5) else (0, b"")
        column["flags"] = wire.EVENT_SOCKET | (place in (5, 7, 8)) * wire.EVENT_FIN_RECEIVED
        column["srtt_us"], column["rttvar_us"], column["min_rtt_us"] = trips if place else (0, 250000, wire.NO_SAMPLE)
        for name in ("bytes_sent", "bytes_acked", "bytes_received"):
            column[name] = 64 * (place > 2) + (place > 6)
        column["segs_in"] = column["segs_out"] = place // 2
    told = events.reshape(-1)
    told["netns"], told["family"], told["cwnd"], told["mss"], told["ssthresh"] = 4026531840, 2, 10, 65483, 0x7FFFFFFF
    told["time_ns"] = 1000 * SECOND_NS + first * 50_000 + np.cumsum(chance.integers(500, 12_000, len(told)))
    return told
