"""Draws a View from the tracker's state: copies what lists need of every connection, and all there is of one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tcpwatch import wire, words
from tcpwatch.frame import Frame, Process
from tcpwatch.health import Finding, Scene
from tcpwatch.rows import CLOSED, CONNECTION, HAS_COUNTERS, ROW, TOLD
from tcpwatch.tracker import idle
from tcpwatch.tracker.columns import Passage, parts
from tcpwatch.tracker.listening import draw_listeners
from tcpwatch.tracker.view import Focus, Key, Listening, View
from tcpwatch.verdicts import explain, judge

if TYPE_CHECKING:
    from tcpwatch.tracker.tracker import Tracker

_AS_IS = (
    "cookie", "netns", "pid", "snap", "laddr", "raddr", "turn", "lport", "rport", "family", "state", "role", "flags",
    "cgroup", "comm", "opened_ns", "closed_ns", "changed_ns",
)  # fmt: skip
_SHOWN = Passage(ROW, CONNECTION, _AS_IS)
_WAITING = (wire.TIME_WAIT, wire.FIN_WAIT2)
_COUNTED = ("bytes_sent", "bytes_acked", "bytes_received", "retrans", "segs_out", "segs_in")


def draw(tracker: Tracker, frame: Frame) -> View:
    offset_ns = frame.host.realtime_offset_ns
    lines = tracker.table.live()
    connections = _connections(tracker, frame, lines)
    ports, port_of = tracker.ports.picture(connections, tracker.snapshot, tracker.settings, frame)
    idle_ones = idle.picture(
        connections,
        lines,
        tracker.snapshot,
        tracker.silence,
        hz=frame.host.hz,
        now_ns=frame.end_ns,
        nat_timeout_s=tracker.nat_timeout_s,
    )
    listening = draw_listeners(tracker.listeners, tracker.table, offset_ns)
    alive = connections["flags"] & CLOSED == 0
    waiting = np.isin(connections["state"], _WAITING)
    events, pids, comms = tracker.log.newest()
    pulse = tracker.pulse.picture()
    states = np.bincount(connections["state"][alive | waiting], minlength=13)
    tally = frame.tally.copy()
    counts = (pulse.opened, pulse.closed, pulse.retransmits, pulse.resets, pulse.segments_out)
    for array in (connections, ports, port_of, idle_ones, events, pids, comms, states, tally, *counts):
        array.setflags(write=False)
    return View(
        time_ns=frame.end_ns + offset_ns,
        started_ns=tracker.started_ns + offset_ns,
        host=frame.host,
        connections=connections,
        states=states,
        pulse=pulse,
        events=events,
        event_pids=pids,
        event_comms=comms,
        events_total=tracker.log.total,
        tally=tally,
        probes=frame.probes,
        cgroups=dict(tracker.cgroups),
        namespaces=dict(tracker.namespaces),
        processes=dict(tracker.processes),
        focus=None if tracker.log.key is None else _focus(tracker, frame, tracker.log.key),
        snapshot=tracker.snapshot,
        listening=listening,
        findings=_findings(tracker, frame, connections, listening, ports, idle_ones),
        settings=dict(tracker.settings),
        ports=ports,
        port_of=port_of,
        idle=idle_ones,
        nat_timeout_s=tracker.nat_timeout_s,
    )


def _findings(
    tracker: Tracker,
    frame: Frame,
    connections: np.ndarray,
    listening: Listening,
    ports: np.ndarray,
    idle_ones: np.ndarray,
) -> tuple[Finding, ...]:
    scene = Scene(
        now_ns=frame.end_ns,
        home=frame.host.netns,
        connections=connections,
        listeners=listening.rows,
        times_ns=listening.times_ns,
        points=listening.points,
        ports=ports,
        idle=idle_ones,
        nat_timeout_s=tracker.nat_timeout_s,
        probes=frame.probes,
        namespaces=tracker.namespaces,
        settings=tracker.settings,
    )
    return tracker.health.look(
        scene,
        None if tracker.snapshot is None else tracker.snapshot.counts,
        frame.tally,
        started_ns=tracker.started_ns,
        offset_ns=frame.host.realtime_offset_ns,
    )


def _connections(tracker: Tracker, frame: Frame, lines: np.ndarray) -> np.ndarray:
    """lines: those in use."""
    view = np.empty(len(lines), CONNECTION)
    for part in parts(len(lines)):
        _fill(view[part], tracker.table.rows.take(lines[part]), tracker, frame)
    return view


def _fill(view: np.ndarray, rows: np.ndarray, tracker: Tracker, frame: Frame) -> None:
    """rows: of the same length."""
    _SHOWN.copy(rows, view, slice(None))
    view["state"][_waited(rows, tracker, frame)] = wire.CLOSE
    begun = view["opened_ns"] != 0
    until = np.where(view["closed_ns"], view["closed_ns"], np.uint64(frame.end_ns))
    view["age_ms"] = np.where(begun, (until - view["opened_ns"]).astype(np.int64) / 1e6, np.nan)
    places, last = np.arange(len(rows)), np.maximum(rows["path_len"].astype(np.int64) - 1, 0)
    # when CLOSE was entered; 0 = unknown, as the end of a TIME_WAIT is
    over_ns = np.where(rows["path_state"][places, last] == wire.TIME_WAIT, np.uint64(0), rows["closed_ns"])
    entered = np.where(view["state"] == wire.CLOSE, over_ns, rows["path_ns"][places, last])
    view["verdict"] = _verdicts(rows, frame)
    view["state_ms"] = np.where(entered, (np.uint64(frame.end_ns) - entered).astype(np.int64) / 1e6, np.nan)
    _fill_measures(view, rows)
    _fill_queues(view, tracker.sockets, rows["snap"], frame.host.hz)
    for name in ("opened_ns", "closed_ns", "changed_ns"):
        view[name][view[name] != 0] += np.int64(frame.host.realtime_offset_ns).view(np.uint64)  # may be negative


def _waited(rows: np.ndarray, tracker: Tracker, frame: Frame) -> np.ndarray:
    """(n,) bool: what an ended connection left behind, in TIME_WAIT or FIN_WAIT2, is over: the newest snapshot lacks
    it, so it is gone, or its namespace is, or nobody may look into that. What is shown of a moment rests on no earlier
    snapshot."""
    over: np.ndarray = (rows["flags"] & CLOSED != 0) & np.isin(rows["state"], _WAITING) & (rows["snap"] < 0)
    if tracker.snapshot is None or not frame.shows_time_wait:
        return np.zeros_like(over)
    return over & (rows["changed_ns"] < tracker.snapshot.begin_ns)


def _verdicts(rows: np.ndarray, frame: Frame) -> np.ndarray:
    """An ended connection's was found when its life was told; how a live one does is looked at now."""
    verdicts: np.ndarray = rows["verdict"].copy()
    live = np.flatnonzero(rows["flags"] & TOLD == 0)
    verdicts[live] = judge(
        rows if len(live) == len(rows) else rows.take(live), frame.end_ns, frame.host.hz, frame.host.reset_reasons
    )
    return verdicts


def _fill_measures(view: np.ndarray, rows: np.ndarray) -> None:
    counted = rows["flags"] & HAS_COUNTERS != 0
    for name in _COUNTED:
        view[name] = np.where(counted, rows[name], np.nan)
    for shown, name in (("rtt_us", "srtt_us"), ("rttvar_us", "rttvar_us")):
        view[shown] = np.where(wire.unknown_rtt(rows["srtt_us"]), np.nan, rows[name])
    view["min_rtt_us"] = np.where(wire.unknown_min_rtt(rows["min_rtt_us"]), np.nan, rows["min_rtt_us"])
    view["ssthresh"] = np.where(wire.unknown_ssthresh(rows["ssthresh"]), np.nan, rows["ssthresh"])
    for name in ("cwnd", "mss"):
        view[name] = np.where(rows[name] == 0, np.nan, rows[name])


def _fill_queues(view: np.ndarray, sockets: np.ndarray, at: np.ndarray, hz: int) -> None:
    """From the newest snapshot; NaN for what is not in it, and for sockets that have none of it."""
    for name in ("send_queue", "recv_queue", "idle_ms"):
        view[name] = np.nan
    here = np.flatnonzero((at >= 0) & (at < len(sockets)))
    here = here[sockets["sort"][at[here]] == wire.FULL]
    for name in ("send_queue", "recv_queue"):
        view[name][here] = sockets[name][at[here]]
    if hz:
        moving = here[~np.isin(sockets["state"][at[here]], (wire.LISTEN, wire.SYN_SENT))]  # those have no last data
        view["idle_ms"][moving] = sockets["idle_ticks"][at[moving]] * (1000 / hz)


def _focus(tracker: Tracker, frame: Frame, key: Key) -> Focus | None:
    lives = tracker.table.rows.take(tracker.table.lives(key.netns, key.cookie))
    begins = np.where(lives["opened_ns"], lives["opened_ns"], lives["path_ns"][:, 0])
    begins[lives["turn"] == 0] = 0
    at = key.among(begins)
    if at is None:
        return None
    row = lives[at].copy()
    row["verdict"] = _verdicts(row.reshape(1), frame)[0]
    explanation = explain(row.reshape(1), frame.end_ns, frame.host.hz, frame.host.reset_reasons)[0]
    if _waited(row.reshape(1), tracker, frame)[0]:
        row["state"] = wire.CLOSE
    snap = int(row["snap"])
    offset_ns = frame.host.realtime_offset_ns
    samples, events = tracker.history.of(key), tracker.log.followed().copy()
    if key.moment_ns is not None:
        samples, events = (_during(begins, at, known) for known in (samples, events))
    samples["time_ns"] += np.uint64(offset_ns)
    for array in (samples, events):
        array.setflags(write=False)
    return Focus(
        key=key,
        row=row,
        socket=tracker.sockets[snap].copy() if 0 <= snap < len(tracker.sockets) else None,
        path=path_of(row, frame.end_ns, offset_ns),
        samples=samples,
        events=events,
        process=_process(tracker, row),
        explanation=explanation,
    )


def _during(begins: np.ndarray, at: int, known: np.ndarray) -> np.ndarray:
    """Of what is known of a socket, by time_ns, that which belongs to one of its lives."""
    within = known["time_ns"] >= begins[at]
    if at + 1 < len(begins):
        within &= known["time_ns"] < begins[at + 1]
    return known[within]


def _process(tracker: Tracker, row: np.void) -> Process | None:
    """None where the number has gone over to another process since, or the process to another program."""
    process = tracker.processes.get(int(row["pid"]))
    same = process is not None and process.comm == words.clean(bytes(row["comm"]))
    return process if same else None


def path_of(row: np.void, now_ns: int, offset_ns: int) -> tuple[tuple[str, int | None, int | None], ...]:
    """A life as (state, entered in Unix ns, how long in us); None = unknown."""
    length = int(row["path_len"])
    times = [int(t) for t in row["path_ns"][:length]]
    lingers = row["state"] in _WAITING
    end = now_ns if lingers or not row["flags"] & CLOSED else int(row["closed_ns"])
    steps = []
    for state, entered, left in zip(row["path_state"][:length], times, [*times[1:], end], strict=True):
        known = entered and left > entered
        steps.append(
            (
                wire.STATES[state] or "?",
                entered + offset_ns if entered else None,
                (left - entered) // 1000 if known else None,
            )
        )
    return tuple(steps)
