"""A small machine, told in frames: what happens in which second is known, and how often. Five frames a second, all
sockets once a second, as a live session has them."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from tcpwatch import wire
from tcpwatch.frame import Frame, Host, Probe, Process, Snapshot
from tcpwatch.recording.encoder import Encoder
from tcpwatch.recording.reader import Recording
from tcpwatch.recording.writer import Writer
from tcpwatch.replay import cue
from tcpwatch.replay.player import Player
from tcpwatch.tracker.tracker import Tracker

SECOND = 1_000_000_000
BEGIN = 1000 * SECOND
OFFSET = 1_790_000_000 * SECOND
HOST = Host("web-7", "6.18.5", "boot", 250, 1, OFFSET, ("NOT_SPECIFIED", "NO_SOCKET"))
PROBES = (Probe("inet_sock_set_state", "tp_btf", "state changes", True),)
TICK = SECOND // 5
STANDING = 23  # connections that are there all the time
LOST, REFUSED, AGAIN = 3, 12, 20  # the seconds in which 23 events were lost, 23 connects refused, 40 segments resent
_CLIENT = ((wire.CLOSE, wire.SYN_SENT), (wire.SYN_SENT, wire.ESTABLISHED), (wire.ESTABLISHED, wire.CLOSE))


def frames(seconds: int = 30, first: int = 0) -> Iterator[Frame]:
    """Those of so many seconds, from that second on."""
    for number in range(first * 5, (first + seconds) * 5):
        yield _frame(number)


def _frame(number: int) -> Frame:
    begin_ns = BEGIN + number * TICK
    second = number // 5
    events = [_visitor(number, begin_ns)]
    if number == REFUSED * 5 + 2:
        events.append(_refused(begin_ns))
    if number == AGAIN * 5 + 2:
        events.append(_again(begin_ns))
    tally = np.zeros(len(wire.KINDS), wire.TALLY)
    tally["seen"][wire.STATE] = 3 * (number + 1)
    tally["lost"][wire.STATE] = 23 * (second >= LOST)
    snapshot = None
    if number % 5 == 4:
        snapshot = Snapshot(begin_ns + TICK // 2, begin_ns + TICK - 1, _standing(second), frozenset({1}))
    told = Process(812, 1, "nginx", "nginx: master", "/nginx.service")
    return Frame(
        begin_ns,
        begin_ns + TICK,
        HOST,
        np.concatenate(events),
        snapshot,
        owners=_owners() if number == 4 else None,
        processes=(told,) if number == 4 else (),
        cgroups=((77, "/nginx.service"),) if number == 4 else (),
        tally=tally,
        probes=PROBES,
    )


def _fill(array: np.ndarray, **facts: object) -> np.ndarray:
    array["netns"], array["family"] = 1, wire.INET
    for side, last in (("laddr", 7), ("raddr", 9)):
        array[side][:, 10:12] = 255
        array[side][:, 12:] = (10, 0, 0, last)
    for name, value in facts.items():
        array[name] = value
    return array


def _visitor(number: int, begin_ns: int) -> np.ndarray:
    """One connection that opens and closes within a frame."""
    old, new = zip(*_CLIENT)
    times = begin_ns + TICK // 10 * np.arange(1, 4)
    lport = 30_000 + number % 20_000
    flags = wire.EVENT_SOCKET
    facts = {"cookie": 10_000 + number, "lport": lport, "rport": 80, "flags": flags, "pid": 900, "comm": b"curl"}
    return _fill(np.zeros(3, wire.EVENT), time_ns=times, old_state=old, new_state=new, srtt_us=8000, **facts)


def _refused(begin_ns: int) -> np.ndarray:
    events = np.zeros((23, 2), wire.EVENT)
    for place, (old, new) in enumerate(((wire.CLOSE, wire.SYN_SENT), (wire.SYN_SENT, wire.CLOSE))):
        column = events[:, place]
        column["old_state"], column["new_state"], column["time_ns"] = old, new, begin_ns + 1000 * (place + 1)
        column["cookie"], column["lport"] = 5000 + np.arange(23), 20_000 + np.arange(23)
    events[:, 1]["error"] = 111
    facts = {"rport": 6379, "pid": 901, "comm": b"worker", "flags": wire.EVENT_SOCKET, "segs_out": 1}
    return _fill(events.reshape(-1), **facts)


def _again(begin_ns: int) -> np.ndarray:
    events = np.zeros(40, wire.EVENT)
    state = wire.ESTABLISHED
    facts = {"kind": wire.RETRANSMIT, "count": 1, "flags": wire.EVENT_SOCKET, "old_state": state, "new_state": state}
    return _fill(events, cookie=1, lport=443, rport=50_000, time_ns=begin_ns + np.arange(40) * 1000, **facts)


def _standing(second: int) -> np.ndarray:
    numbers = np.arange(STANDING)
    facts = {"cookie": 1 + numbers, "lport": 443, "rport": 50_000 + numbers, "state": wire.ESTABLISHED, "cgroup": 77}
    grown = {"segs_out": 10 + 10 * second, "bytes_sent": 1000 * (second + 1), "srtt_us": 40_000 + second, "cwnd": 10}
    return _fill(np.zeros(STANDING, wire.SOCKET), **facts, **grown, min_rtt_us=30_000, mss=1448)


def _owners() -> np.ndarray:
    owners = np.zeros(STANDING, wire.OWNER)
    owners["cookie"], owners["netns"], owners["pid"], owners["comm"] = 1 + np.arange(STANDING), 1, 812, b"nginx"
    return owners


def record(path: Path, seconds: int = 30, segment_s: int = 7) -> Path:
    """A finished recording, in segments of so many seconds."""
    writer = Writer(path, Encoder(segment_ns=segment_s * SECOND))
    for frame in frames(seconds):
        writer.write(frame)
    writer.close()
    return path


def tracker() -> Tracker:
    return Tracker(keep_closed=5000, history_bytes=1 << 20, keep_events=20_000)


def on_any_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """How much is read before a moment that is gone to is what the recording makes it: a machine that was slow a moment
    ago takes no less of it."""
    monkeypatch.setattr(cue, "_SLOWEST", 1.0)


def player(path: Path, scan: bool = False, now: Callable[[], int] = time.monotonic_ns) -> Player:
    """Not started."""

    def search() -> tuple[Recording, Tracker]:
        return Recording(path), Tracker(history_bytes=1)

    return Player(Recording(path), tracker, search if scan else None, now=now)


def unix(second: float) -> int:
    return BEGIN + OFFSET + int(second * SECOND)
