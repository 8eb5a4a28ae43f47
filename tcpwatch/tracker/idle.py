"""What becomes of connections on which nothing moves? Keep-alive timers as the kernel runs them, and how long a NAT or
firewall that forgets after N seconds of silence still knows them. Knows the table and its snapshots, and no faces."""

import numpy as np

from tcpwatch import rows as shapes
from tcpwatch import wire
from tcpwatch.frame import Snapshot
from tcpwatch.rows import IDLE
from tcpwatch.tracker.addresses import halves, hashed, on_loopback
from tcpwatch.tracker.columns import parts

_IDLE_MS = 1000.0  # less is no silence
# a connection of which data may still come has its other end in none of these
_WITHOUT_MATE = (wire.CLOSE, wire.LISTEN, wire.TIME_WAIT)
_ACKNOWLEDGED_S = 0.5  # so late after data may its acknowledgement come: a long round trip, or a delayed one


class Silence:
    """When segments without data last came in and went out on each line of the table, to the time between two
    snapshots. Keep-alive and NATs count from those, too; the kernel tells when data last moved, and no more."""

    def __init__(self) -> None:
        self._before_ns = 0  # the previous snapshot
        self._cookie = np.empty(0, np.uint64)
        self._segs = np.empty((2, 0), np.uint32)  # in, out
        self._moved_ns = np.empty((2, 0), np.uint64)  # likewise; 0 = not since we watch

    def note(self, rows: np.ndarray, snapshot: Snapshot, hz: int) -> None:
        """rows: the table, with this snapshot folded."""
        if not hz:
            return
        self._resize(len(rows))
        sockets = snapshot.sockets
        lines = np.flatnonzero((rows["snap"] >= 0) & (rows["cookie"] != 0))
        at = rows["snap"][lines]
        full = np.flatnonzero(sockets["sort"][at] == wire.FULL)
        lines, at = lines[full], at[full]
        cookies = rows["cookie"][lines]
        known = self._cookie[lines] == cookies
        self._cookie[lines] = cookies
        since_s = (snapshot.begin_ns - self._before_ns) / 1e9 + _ACKNOWLEDGED_S
        self._before_ns = snapshot.begin_ns
        dataless = known & (sockets["idle_ticks"][at] > since_s * hz)
        for way, name in enumerate(("segs_in", "segs_out")):
            segs, moved_ns = self._segs[way], self._moved_ns[way]
            values = sockets[name][at]
            moved_ns[lines[~known]] = 0
            moved_ns[lines[dataless & (segs[lines] != values)]] = snapshot.begin_ns
            segs[lines] = values

    def _resize(self, size: int) -> None:
        if size == len(self._cookie):
            return
        for name in ("_cookie", "_segs", "_moved_ns"):
            old = getattr(self, name)
            new = np.zeros((*old.shape[:-1], size), old.dtype)
            kept = min(size, old.shape[-1])
            new[..., :kept] = old[..., :kept]
            setattr(self, name, new)

    def ages_ms(self, lines: np.ndarray, cookies: np.ndarray, now_ns: int) -> tuple[np.ndarray, np.ndarray]:
        """(since a segment without data came in, since one went out); NaN: not since we watch."""
        if not len(self._cookie):
            unknown = np.full(len(lines), np.nan)
            return unknown, unknown
        lines = np.minimum(lines, len(self._cookie) - 1)
        same = self._cookie[lines] == cookies
        times = [np.where(same, moved[lines], np.uint64(0)) for moved in self._moved_ns]
        heard, said = (np.where(t != 0, (np.uint64(now_ns) - t).astype(np.int64) / 1e6, np.nan) for t in times)
        return heard, said


def picture(
    connections: np.ndarray,
    lines: np.ndarray,
    snapshot: Snapshot | None,
    silence: Silence,
    *,
    hz: int,
    now_ns: int,
    nat_timeout_s: float,
) -> np.ndarray:
    """(n,) rows.IDLE of the connections (rows.CONNECTION) that are established and silent for a second, in their order.
    lines: of the table, of the same length."""
    if snapshot is None or not hz:
        return np.empty(0, IDLE)
    met = (connections["state"] == wire.ESTABLISHED) | (connections["state"] == wire.CLOSE_WAIT)
    alive = np.flatnonzero(met & (connections["flags"] & shapes.CLOSED == 0))
    snap = connections["snap"][alive]
    alive = alive[(snap >= 0) & (snap < len(snapshot.sockets))]
    passed_ms = max(0.0, (now_ns - snapshot.begin_ns) / 1e6)
    which = alive[connections["idle_ms"][alive] + passed_ms >= _IDLE_MS]
    mates = np.flatnonzero(~np.isin(connections["state"], _WITHOUT_MATE))
    local = _local(connections, mates)[np.searchsorted(mates, which)]
    idle = np.zeros(len(which), IDLE)
    for part in parts(len(which)):
        some, here = idle[part], which[part]
        some["row"] = here
        some["idle_ms"] = connections["idle_ms"][here] + passed_ms
        ages_ms = silence.ages_ms(lines[here], connections["cookie"][here], now_ns)
        _fill(some, snapshot.sockets.take(connections["snap"][here]), *ages_ms, 1000 / hz)
        _judge(some, local[part], nat_timeout_s * 1000 or np.inf)
    return idle


def _fill(idle: np.ndarray, sockets: np.ndarray, heard_ms: np.ndarray, said_ms: np.ndarray, tick_ms: float) -> None:
    """sockets: theirs, of the same length. heard_ms, said_ms: see Silence."""
    _fill_settings(idle, sockets, tick_ms)
    heard_ms, said_ms = _fill_silence(idle, heard_ms, said_ms)
    busy = (sockets["send_queue"] != 0) | (sockets["pending"] == wire.PENDING_ZERO_WINDOW)
    probing = (idle["keepalive"] == 1) & ~busy & (sockets["probes"] != 0)
    idle["probes"] = np.where(probing, sockets["probes"], 0)
    waits_ms = np.where(probing, idle["interval_ms"] - said_ms, idle["first_probe_ms"] - heard_ms)
    idle["probe_in_ms"] = np.where(busy, np.nan, np.maximum(waits_ms, 0))
    chances = np.maximum(idle["probes_most"].astype(float) - idle["probes"], 0)
    idle["gives_up_ms"] = np.where(probing, idle["probe_in_ms"] + chances * idle["interval_ms"], np.nan)


def _fill_settings(idle: np.ndarray, sockets: np.ndarray, tick_ms: float) -> None:
    on = sockets["options"] & wire.KEEPALIVE != 0
    idle["keepalive"] = on
    idle["probes_most"] = np.where(on, sockets["probes_most"], 0)
    idle["first_probe_ms"] = np.where(on, sockets["keepalive_ticks"] * tick_ms, np.nan)
    idle["interval_ms"] = np.where(on, sockets["interval_ticks"] * tick_ms, np.nan)


def _fill_silence(idle: np.ndarray, heard_ms: np.ndarray, said_ms: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """silent_ms, and (since a segment came in, since one went out), NaN where unknown: before we watched, keep-alive
    segments may have come and gone."""
    data_ms = idle["idle_ms"]
    probed = (idle["keepalive"] == 1) & (data_ms >= idle["first_probe_ms"])
    known_ms = np.where(probed, np.nan, data_ms)
    # an acknowledgement came with the data, or a round trip later
    heard, said = (np.where(ms < data_ms, ms, known_ms) for ms in (heard_ms, said_ms))
    idle["silent_ms"] = np.fmin(heard, said)
    return heard, said


def _judge(idle: np.ndarray, local: np.ndarray, nat_ms: float) -> None:
    """Which risk, and when it strikes."""
    on, probing = idle["keepalive"] == 1, idle["probes"] != 0
    in_time = on & (idle["first_probe_ms"] < nat_ms)
    beaten = idle["silent_ms"] < idle["idle_ms"]
    left_ms = np.maximum(nat_ms - idle["silent_ms"], 0)
    endangered = ~local & ~in_time & np.isfinite(nat_ms)
    idle["forgotten_ms"] = np.where(endangered, left_ms, np.nan)
    idle["breaks_ms"] = np.where(probing, idle["gives_up_ms"], idle["forgotten_ms"])
    idle["risk"] = np.select(
        [
            probing,
            local,
            in_time,
            idle["forgotten_ms"] == 0,
            on,
            beaten & (idle["silent_ms"] < nat_ms),
        ],
        [shapes.PROBING, shapes.LOCAL, shapes.KEPT, shapes.FORGOTTEN, shapes.KEEPALIVE_LATE, shapes.KEPT_BY_PEER],
        shapes.KEEPALIVE_OFF,
    )


def _local(connections: np.ndarray, which: np.ndarray) -> np.ndarray:
    """Of these, whose two ends are on this machine: on loopback, or the other end is among them, too."""
    found = on_loopback(connections, which)
    near, far = (halves(connections[side], which)[1] for side in ("laddr", "raddr"))
    likely = np.flatnonzero(~found & np.isin(far, wire.distinct(near)))  # few, in most places
    if not len(likely):
        return found
    one, other = (_ends(connections, which[likely], side) for side in "lr")
    pairs = one + other  # the same from both ends
    order = np.argsort(pairs)
    together, sides = pairs[order], one[order]
    first = np.flatnonzero(np.concatenate([[True], together[1:] != together[:-1]]))
    both = np.minimum.reduceat(sides, first) != np.maximum.reduceat(sides, first)
    found[likely[order]] = np.repeat(both, np.diff(np.append(first, len(order))))
    return found


def _ends(records: np.ndarray, which: np.ndarray, side: str) -> np.ndarray:
    """(n,) u8: a hash of one end's address and port."""
    first, second = halves(records[f"{side}addr"], which)
    return hashed(first, second, records[f"{side}port"][which].astype(np.uint64))
