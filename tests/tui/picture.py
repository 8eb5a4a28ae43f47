"""Views made from a seed: any number of connections in all states, with the names and gaps that real machines have."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from tcpwatch import rows as shapes
from tcpwatch import wire
from tcpwatch.frame import Host, Probe, Process
from tcpwatch.tracker.view import PULSE_SECONDS, Focus, Key, Pulse, View
from tcpwatch.verdicts import CODES, Explanation

NOW_NS = 1_790_000_000 * 10**9
OFFSET_NS = NOW_NS - 50_000 * 10**9
SECOND = 10**9

HOSTILE = (b"[/foo]", b"[kworker/0:1]", b"\x1b[2J\x1b]0;owned\x07", b"\x9b31mred", "數據庫".encode(), b"\xff\xfe\xfd")
PLAIN = (b"nginx", b"gunicorn", b"postgres", b"worker", b"java", b"envoy", b"sshd")
_STATES = (1, 1, 1, 1, 1, 1, 2, 3, 4, 5, 6, 6, 6, 7, 8, 9, 10, 11, 12)
_NAMES: Mapping[int, str] = {4026531840: "", 4026532600: "blue"}


def host() -> Host:
    reasons = ("NOT_SPECIFIED", "NO_SOCKET", "TCP_INVALID_ACK_SEQUENCE", "TCP_TIMEOUT")
    return Host("web-7", "6.18.5-amd64", "boot", 250, 4026531840, OFFSET_NS, reasons)


def probes(missing: int = 0) -> tuple[Probe, ...]:
    names = (
        "inet_sock_set_state",
        "tcp_retransmit_skb",
        "tcp_retransmit_synack",
        "tcp_send_reset",
        "tcp_receive_reset",
    )
    return tuple(
        Probe(
            name, "tp_btf", name.replace("_", " "), i >= missing, "" if i >= missing else "not in this kernel", "none"
        )
        for i, name in enumerate(names)
    )


def connections(count: int, seed: int = 7) -> np.ndarray:
    """rows.CONNECTION, all states, some owners hostile, some measures unknown."""
    chance = np.random.default_rng(seed)
    rows = np.zeros(count, shapes.CONNECTION)
    rows["cookie"] = np.arange(1, count + 1)
    rows["netns"] = chance.choice(list(_NAMES), count, p=[0.9, 0.1])
    rows["state"] = chance.choice(_STATES, count)
    rows["family"] = wire.INET
    for side in ("laddr", "raddr"):
        rows[side][:, 10:12] = 255
        rows[side][:, 12:] = chance.integers(1, 255, (count, 4))
    rows["laddr"][:, 12:] = (10, 0, 0, 7)
    six = chance.random(count) < 0.1
    rows["raddr"][six] = chance.integers(0, 256, (int(six.sum()), 16))
    rows["raddr"][six, :2] = (0x20, 0x01)
    rows["family"][six] = wire.INET6
    rows["lport"] = chance.choice([443, 80, 5432, 38122, 51514], count)
    rows["rport"] = chance.integers(1024, 65535, count)
    _owners(rows, chance)
    _measures(rows, chance)
    _ends(rows)
    return rows


def _owners(rows: np.ndarray, chance: np.random.Generator) -> None:
    names = np.array(PLAIN * 4 + HOSTILE, "S16")
    who = chance.integers(0, len(names), len(rows))
    rows["comm"], rows["pid"] = names[who], 800 + who
    unowned = np.isin(rows["state"], (wire.TIME_WAIT, 12)) | (chance.random(len(rows)) < 0.02)
    rows["pid"][unowned], rows["comm"][unowned] = 0, b""
    rows["cgroup"] = np.where(unowned, 0, 11)
    rows["role"] = chance.integers(0, 3, len(rows))
    rows["verdict"] = chance.integers(0, len(CODES), len(rows)) * (chance.random(len(rows)) < 0.2)


def _measures(rows: np.ndarray, chance: np.random.Generator) -> None:
    count = len(rows)
    rows["age_ms"] = chance.lognormal(9, 2.5, count)
    rows["opened_ns"] = NOW_NS - (rows["age_ms"] * 1e6).astype(np.int64)
    rows["state_ms"] = rows["age_ms"] * chance.random(count)
    rows["idle_ms"] = rows["age_ms"] * chance.random(count)
    rows["changed_ns"] = NOW_NS - (rows["idle_ms"] * 1e6).astype(np.int64)
    for name, middle, spread in (
        ("rtt_us", 9, 2),
        ("min_rtt_us", 8, 2),
        ("bytes_sent", 10, 4),
        ("bytes_received", 10, 4),
    ):
        rows[name] = np.floor(chance.lognormal(middle, spread, count))
    rows["rttvar_us"], rows["bytes_acked"], rows["mss"] = rows["rtt_us"] / 4, rows["bytes_sent"], 1448
    rows["cwnd"] = chance.integers(1, 200, count)
    rows["ssthresh"] = np.where(chance.random(count) < 0.5, np.nan, 20)
    rows["segs_out"] = chance.integers(1, 10_000, count)
    rows["segs_in"] = chance.integers(1, 10_000, count)
    rows["retrans"] = np.where(chance.random(count) < 0.85, 0, chance.integers(0, 90, count))
    for name in ("send_queue", "recv_queue"):
        rows[name] = np.where(chance.random(count) < 0.9, 0, chance.integers(0, 1 << 20, count))
    blind = np.isin(rows["state"], (wire.TIME_WAIT, 12, wire.SYN_SENT, wire.LISTEN))
    for name in ("rtt_us", "rttvar_us", "min_rtt_us", "ssthresh", "idle_ms", "segs_in", "bytes_received"):
        rows[name][blind] = np.nan
    rows["age_ms"][chance.random(count) < 0.03] = np.nan


def _ends(rows: np.ndarray) -> None:
    rows["flags"] = shapes.HAS_COUNTERS
    closed = rows["state"] == wire.CLOSE
    rows["flags"][closed] |= shapes.CLOSED
    rows["closed_ns"][closed] = NOW_NS - 3 * SECOND
    listening = rows["state"] == wire.LISTEN
    rows["raddr"][listening], rows["rport"][listening] = 0, 0
    rows["send_queue"][listening] = 128
    rows["recv_queue"][listening] = np.arange(listening.sum()) % 140


def view(rows: np.ndarray, *, seconds: int = 0, focus: Focus | None = None, missing: int = 0, lost: int = 0) -> View:
    """A picture of these connections, `seconds` after NOW."""
    alive = rows["state"][(rows["flags"] & shapes.CLOSED) == 0]
    events = happenings(rows, 200)
    tally = np.zeros(len(wire.KINDS), wire.TALLY)
    tally["seen"], tally["lost"] = 200_000, 0
    tally["lost"][0] = lost
    return View(
        time_ns=NOW_NS + seconds * SECOND,
        started_ns=NOW_NS - 761 * SECOND,
        host=host(),
        connections=rows,
        states=np.bincount(alive, minlength=13)[:13],
        pulse=pulse(seconds),
        events=events,
        event_pids=np.full(len(events), 812, np.uint32),
        event_comms=np.full(len(events), HOSTILE[2], "S16"),
        events_total=1000 + len(events),
        tally=tally,
        probes=probes(missing),
        cgroups={11: "/system.slice/nginx.service"},
        namespaces={number: name for number, name in _NAMES.items() if name},
        processes={pid: process(pid) for pid in range(800, 840)},
        focus=focus,
    )


def process(pid: int) -> Process:
    return Process(pid, 1, "nginx", "nginx: worker \x1b[31mprocess [/red]", "/system.slice/nginx.service")


def pulse(seconds: int = 0) -> Pulse:
    t = np.arange(PULSE_SECONDS) + seconds
    wave = 300 + 120 * np.sin(t / 5) + 40 * np.sin(t * 1.7)
    start = np.where(np.arange(PULSE_SECONDS) < 4, np.nan, 1.0)
    retransmits = np.where(t % 11 == 0, 12.0, np.where(t % 7 == 0, 3.0, 0.0))
    resets = np.where(t % 23 == 2, 9.0, 0.0)
    return Pulse(np.round(wave) * start, np.round(wave * 0.98) * start, retransmits, 1000 + wave, resets)


def happenings(rows: np.ndarray, count: int) -> np.ndarray:
    """wire.EVENT about the first connections, a second apart, oldest first."""
    events = np.zeros(min(count, len(rows)), wire.EVENT)
    about = rows[: len(events)]
    for field in ("cookie", "netns", "laddr", "raddr", "lport", "rport", "family"):
        events[field] = about[field]
    events["time_ns"] = NOW_NS - OFFSET_NS - np.arange(len(events))[::-1].astype(np.uint64) * np.uint64(SECOND // 4)
    events["kind"] = np.array([0, 0, 0, 1, 0, 2, 0, 3, 4, 5])[np.arange(len(events)) % 10]
    events["old_state"], events["new_state"] = wire.SYN_SENT, wire.ESTABLISHED
    events["flags"] = wire.EVENT_SOCKET | wire.EVENT_REASON
    events["count"], events["cwnd"], events["srtt_us"], events["reason"] = 1, 10, 42_000, 1
    events["reason"][events["kind"] == wire.RETRANSMIT] = 0
    return events


def focus(rows: np.ndarray, key: Key, points: int = 240) -> Focus | None:
    """The life of a lossy transfer, told of whichever connection bears the key."""
    found = np.flatnonzero((rows["cookie"] == np.uint64(key[1])) & (rows["netns"] == key[0]))
    if not len(found):
        return None
    shown = rows[found[0]]
    who = process(int(shown["pid"]))
    said = Explanation("lossy_path", "The path loses segments.", True, ((None, "12 of 4,012"),), "Find the lossy hop.")
    return Focus(key, _row(shown), _socket(shown), _path(), _samples(points), _told(shown), who, said)


def _row(shown: np.void) -> np.void:
    row = np.zeros(1, shapes.ROW)
    for field in (
        "cookie",
        "netns",
        "laddr",
        "raddr",
        "lport",
        "rport",
        "family",
        "state",
        "role",
        "flags",
        "comm",
        "pid",
    ):
        row[field] = shown[field]
    row["opened_ns"] = NOW_NS - OFFSET_NS - 133 * SECOND
    for field, value in (
        ("srtt_us", 42_000),
        ("rttvar_us", 3000),
        ("min_rtt_us", 38_000),
        ("cwnd", 38),
        ("ssthresh", 24),
    ):
        row[field] = value
    row["mss"], row["retrans"], row["segs_out"], row["segs_in"], row["cgroup"] = 1448, 12, 4012, 3891, 11
    row["bytes_sent"], row["bytes_acked"], row["bytes_received"] = 1_234_567, 1_200_000, 65_432
    row["path_len"], row["path_state"][:, :2] = 2, (wire.SYN_SENT, wire.ESTABLISHED)
    row["path_ns"][:, 0], row["established_ns"] = row["opened_ns"], row["opened_ns"] + np.uint64(41_000_000)
    row["path_ns"][:, 1], row["moved_ns"] = row["established_ns"], NOW_NS - OFFSET_NS
    row["busy_ticks"], row["rwnd_limited_ticks"], row["sndbuf_limited_ticks"] = 24_925, 0, 1330
    row["causes"][:, [wire.TIMEOUT, wire.FAST]], row["again_ns"] = (3, 9), NOW_NS - OFFSET_NS - 4 * SECOND
    line: np.void = row[0]
    return line


def _socket(shown: np.void) -> np.void:
    socket = np.zeros(1, wire.SOCKET)
    socket["cookie"], socket["state"], socket["ca_name"] = shown["cookie"], shown["state"], b"cubic"
    socket["options"] = wire.SACK | wire.TIMESTAMPS | wire.WSCALE | wire.KEEPALIVE | wire.CWND_LIMITED
    socket["snd_wscale"], socket["rcv_wscale"], socket["pmtu"] = 7, 9, 1500
    socket["busy_ticks"], socket["sndbuf_limited_ticks"], socket["keepalive_ticks"] = 3000, 120, 1_800_000
    socket["unacked"], socket["lost"], socket["rto_ticks"], socket["chrono"] = 22, 1, 61, wire.CHRONO_BUSY
    socket["send_queue"], socket["unsent"], socket["advmss"] = 34_567, 2_711, 1448
    socket["pending"], socket["pending_ticks"] = wire.PENDING_RETRANSMIT, 45
    socket["pacing_rate"], socket["delivery_rate"], socket["snd_wnd"], socket["rcv_wnd"] = (
        2_000_000,
        1_400_000,
        65_535,
        1 << 20,
    )
    line: np.void = socket[0]
    return line


def _path() -> tuple[tuple[str, int | None, int | None], ...]:
    opened = NOW_NS - 133 * SECOND
    return (("SYN_SENT", opened, 41_000), ("ESTABLISHED", opened + 41_000_000, 132_959_000))


def _samples(points: int) -> np.ndarray:
    t = np.arange(points)
    samples = np.zeros(points, shapes.SAMPLE)
    samples["time_ns"] = NOW_NS - (points - t[:, None]).astype(np.uint64)[:, 0] * np.uint64(133 * SECOND // points)
    sawtooth = np.minimum(10 * 1.2 ** (t % 60), 24 + (t % 60) * 0.6)
    samples["cwnd"] = np.round(sawtooth)
    samples["ssthresh"] = np.where(t < 60, np.nan, 24)
    samples["rtt_us"] = 38_000 + 300 * sawtooth + 1500 * np.sin(t) + np.where(t % 60 > 56, 25_000, 0)
    samples["rtt_us"][:2] = np.nan
    samples["unacked"], samples["snd_wnd"], samples["rcv_wnd"] = np.round(sawtooth * 0.6), 65_535, 1 << 20
    return samples


def _told(shown: np.void) -> np.ndarray:
    events = np.zeros(9, wire.EVENT)
    events["cookie"], events["netns"] = shown["cookie"], shown["netns"]
    ago = np.array([133.0, 132.9, 100, 99.9, 66, 65.8, 33, 32.9, 4])
    events["time_ns"] = NOW_NS - OFFSET_NS - (ago * SECOND).astype(np.uint64)
    events["kind"] = [0, 0, 1, 5, 1, 5, 1, 5, 1]
    events["old_state"][:2], events["new_state"][:2] = (wire.CLOSE, wire.SYN_SENT), (wire.SYN_SENT, wire.ESTABLISHED)
    events["count"], events["cwnd"], events["srtt_us"], events["flags"] = 1, 30, 42_000, wire.EVENT_SOCKET
    events["reason"] = np.where(events["kind"] == wire.CONGESTION, 3, 0)
    return events


class Still:
    """A feed whose next view a test puts there; `look_at` is answered with the next one, as a session does."""

    def __init__(self, rows: np.ndarray) -> None:
        self.error: BaseException | None = None
        self.key: Key | None = None
        self.stopped = False
        self.seconds = 0
        self._rows = rows
        self._listener: Callable[[], None] = lambda: None
        self._view: View | None = view(rows)

    def latest(self) -> View | None:
        return self._view

    def look_at(self, key: Key | None) -> None:
        self.key = key
        if self._view is not None:
            self.put(replace(self._view, focus=None if key is None else focus(self._rows, key)))

    def set_listener(self, callback: Callable[[], None]) -> None:
        self._listener = callback

    def stop(self) -> None:
        self.stopped = True

    def put(self, newer: View | None) -> None:
        """Publish, from a thread that is not the UI's."""
        self._view = newer
        teller = threading.Thread(target=self._listener)
        teller.start()
        teller.join()

    def next(self, rows: np.ndarray) -> None:
        """A second later, with these connections."""
        self.seconds += 1
        self._rows = rows
        here = None if self.key is None else focus(rows, self.key)
        self.put(view(rows, seconds=self.seconds, focus=here))

    def die(self, error: BaseException) -> None:
        self.error = error
        self._listener()
