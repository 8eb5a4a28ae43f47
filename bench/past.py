"""A long recording, told rather than lived through: the records of feed.bpf.c and snapshots of a standing crowd, put
into a file by the project's own writer, in less time than it tells of."""

from pathlib import Path

import numpy as np

from bench.feed import Feed
from tcpwatch import wire
from tcpwatch.frame import Frame, Host, Probe, Process, Snapshot
from tcpwatch.kernel.libbpf import make_ring
from tcpwatch.kernel.rings import Rings
from tcpwatch.recording.writer import Writer

STANDING = 1_000  # connections that are there all the time, with their listener
_ROUND = 9 * 64  # records of feed.bpf.c, after which every connection that it began has ended
_TICK_NS, _TICKS_PER_S = 200_000_000, 5
_RINGS, _RING_BYTES = 4, 1 << 23
_PROBES = (Probe("inet_sock_set_state", "tp_btf", "state changes", True),)
_SERVER = Process(815, 1, "load", "load --serve", "/load.service")


def record(image: Path, path: Path, events: int, per_second: int) -> int:
    """image: of feed.bpf.c. per_second: of the story's time, about. How many events there are in the file then: as many
    as asked for, in whole ticks."""
    in_tick = per_second // _TICKS_PER_S // _ROUND * _ROUND
    step_ns = _TICK_NS // in_tick
    descriptors = [make_ring(_RING_BYTES) for _ in range(_RINGS)]
    feed = Feed(image, descriptors, step_ns)
    rings, writer = Rings(descriptors, _RING_BYTES), Writer(path)
    begin_ns = feed.now_ns
    host = Host("bench", "", "", 250, 1, 1_790_000_000 * 10**9 - begin_ns)
    try:
        for tick in range(-(-events // in_tick)):
            feed.fill(in_tick)
            end_ns = begin_ns + (tick + 1) * _TICK_NS
            told = _roughened(tick, rings.drain(in_tick, end_ns), step_ns)
            writer.write(_frame(tick, end_ns, host, told))
            if writer.events != feed.made:
                raise RuntimeError(f"{feed.made} records went into the rings, {writer.events} came out")
    finally:
        writer.close()
        rings.close()
        feed.close()
    return writer.events


def _roughened(tick: int, events: np.ndarray, step_ns: int) -> np.ndarray:
    """No two alike: what is too regular takes neither room in the file nor time to unpack."""
    chance = np.random.default_rng(tick)
    events["time_ns"] += chance.integers(0, step_ns, len(events), np.uint64)
    events["srtt_us"] += chance.integers(0, 200, len(events), np.uint32)
    events["rttvar_us"] += chance.integers(0, 50, len(events), np.uint32)
    return events


def _frame(tick: int, end_ns: int, host: Host, events: np.ndarray) -> Frame:
    """As the source makes them for the TUI, with all sockets once a second. Nothing tells that a TIME_WAIT is over, so
    none is waited for."""
    tally = np.zeros(len(wire.KINDS), wire.TALLY)
    tally["seen"][wire.STATE] = (tick + 1) * len(events)
    second, within = divmod(tick, _TICKS_PER_S)
    snapshot = Snapshot(end_ns - 1_000_000, end_ns - 1, _standing(second), frozenset({1})) if within == 0 else None
    return Frame(
        end_ns - _TICK_NS,
        end_ns,
        host,
        events,
        snapshot,
        owners=_owners() if tick == 0 else None,
        processes=(_SERVER,) if tick == 0 else (),
        namespaces=((1, "bench"),) if tick == 0 else (),
        tally=tally,
        probes=_PROBES,
        shows_time_wait=False,
    )


def _standing(second: int) -> np.ndarray:
    """The listener, and connections of which each has said a little more."""
    sockets = np.zeros(1 + STANDING, wire.SOCKET)
    numbers = np.arange(len(sockets))
    sockets["cookie"], sockets["netns"], sockets["family"] = (1 << 40) + numbers, 1, wire.INET
    sockets["lport"], sockets["state"] = 443, wire.LISTEN
    for side, last in (("laddr", 10), ("raddr", 9)):
        sockets[side][:, 10:] = (255, 255, 10, 0, 0, last)
    established = sockets[1:]
    established["state"], established["rport"] = wire.ESTABLISHED, 20_000 + numbers[1:]
    established["bytes_sent"] = established["bytes_acked"] = (second + 1) * (1000 + numbers[1:])
    established["segs_out"] = established["segs_in"] = 10 * (second + 1)
    established["srtt_us"] = 20_000 + (numbers[1:] * 37 + second * 101) % 10_000
    established["min_rtt_us"], established["cwnd"], established["mss"] = 19_000, 10, 1448
    return sockets


def _owners() -> np.ndarray:
    owners = np.zeros(1 + STANDING, wire.OWNER)
    owners["cookie"], owners["netns"], owners["pid"] = (1 << 40) + np.arange(len(owners)), 1, _SERVER.pid
    owners["comm"] = _SERVER.comm
    return owners
