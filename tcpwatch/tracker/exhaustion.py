"""When will the ports run out? Projects the present rate: TIME_WAIT by TIME_WAIT for the next minute, as a trend after
it. Knows nothing of how ports are counted."""

import numpy as np

from tcpwatch import wire
from tcpwatch.frame import Snapshot
from tcpwatch.tracker.view import View

TIME_WAIT_S = 60  # TCP_TIMEWAIT_LEN: no sysctl changes it
REUSE_AFTER_S = 1.0  # a TIME_WAIT younger than that is never reused, tcp_twsk_unique()
_HORIZON_S = 3600.0  # ten seconds say nothing of what comes after an hour


def time_left_s(
    connections: np.ndarray, waiting: np.ndarray, snapshot: Snapshot | None, hz: int, now_ns: int
) -> np.ndarray:
    """How long each of those in TIME_WAIT will stay so; the whole time where nobody knows. waiting: indices into
    connections (rows.CONNECTION)."""
    left = TIME_WAIT_S - connections["state_ms"][waiting] / 1000
    unknown = np.flatnonzero(np.isnan(left))
    left[unknown] = TIME_WAIT_S
    if snapshot is not None and hz:
        at = connections["snap"][waiting[unknown]]
        seen = (at >= 0) & (at < len(snapshot.sockets))
        left[unknown[seen]] = snapshot.sockets["timer_ticks"][at[seen]] / hz - (now_ns - snapshot.begin_ns) / 1e9
    return np.clip(left, 0, TIME_WAIT_S)


def project(lines: np.ndarray, waiting: tuple[np.ndarray, np.ndarray], reuses: np.ndarray) -> np.ndarray:
    """Until none is free, for all lines. Only those that might end within a minute are played through."""
    leaving = np.zeros((len(lines), 1))
    leaving[:, 0] = lines["time_wait"]
    exhausted = exhaustion_s(lines["free"] + lines["reusable"], lines["taken"], lines["staying"], leaving, reuses)
    near = np.flatnonzero(~reuses & (lines["taken"] * TIME_WAIT_S >= lines["free"]))
    if len(near):
        place = np.full(len(lines), -1)
        place[near] = np.arange(len(near))
        of, left_s = place[waiting[0]], waiting[1]
        cells = of[of >= 0] * TIME_WAIT_S + np.minimum(left_s[of >= 0].astype(np.int64), TIME_WAIT_S - 1)
        histogram = np.bincount(cells, minlength=len(near) * TIME_WAIT_S).reshape(-1, TIME_WAIT_S)
        some = lines[near]
        exhausted[near] = exhaustion_s(
            some["free"], some["taken"], some["staying"], histogram.cumsum(1), np.zeros(len(near), bool)
        )
    return exhausted


def exhaustion_s(
    free: np.ndarray, taken: np.ndarray, staying: np.ndarray, leaving: np.ndarray, reuses: np.ndarray
) -> np.ndarray:
    """(n,) seconds until `free` ports are used up; 0: they are, NaN: not at this rate. leaving: (n, 60), how many of
    those in TIME_WAIT will have left after 1, 2, ... seconds; (n, 1): all after a minute, and nothing ends before.
    Whoever stays a minute beyond the last TIME_WAIT adds to it for ever; everything else levels off by then. reuses:
    TIME_WAIT is no obstacle, so only connections that stay count."""
    with np.errstate(divide="ignore", invalid="ignore"):
        seconds = np.arange(1, leaving.shape[1] + 1) if leaving.shape[1] == TIME_WAIT_S else np.array([TIME_WAIT_S])
        over = taken[:, None] * seconds - leaving >= free[:, None]
        after = TIME_WAIT_S + (free - (taken * TIME_WAIT_S - leaving[:, -1])) / staying
        after = np.where(reuses, free / staying, after)
        found = np.where(staying > 0, after, np.nan)
        found = np.where(over.any(1) & ~reuses, seconds[over.argmax(1)], found)
        found = np.where(free <= 0, 0.0, found)
    result: np.ndarray = np.where(found <= _HORIZON_S, found, np.nan)
    return result


def outlook_s(view: View, line: int, *, more: float = 0.0, reuse: bool = False, rate: float = 1.0) -> float:
    """`exhausted_s` of one of the view's lines of ports, were there so many `more`, were TIME_WAIT reused, or were only
    a `rate` of the connections opened."""
    one = view.ports[line : line + 1]
    waiting = np.flatnonzero((view.port_of == line) & (view.connections["state"] == wire.TIME_WAIT))
    now_ns = view.time_ns - view.host.realtime_offset_ns
    left_s = time_left_s(view.connections, waiting, view.snapshot, view.host.hz, now_ns)
    reusable = np.count_nonzero(left_s <= TIME_WAIT_S - REUSE_AFTER_S) if reuse else one["reusable"][0]
    reuses = np.array([reuse or bool(one["reusable"][0])])
    leaving = np.bincount(np.minimum(left_s.astype(np.int64), TIME_WAIT_S - 1), minlength=TIME_WAIT_S).cumsum()[None]
    free = one["free"] + reusable + more
    return float(exhaustion_s(free, one["taken"] * rate, one["staying"] * rate, leaving, reuses)[0])
