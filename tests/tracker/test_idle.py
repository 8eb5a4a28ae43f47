"""What becomes of silent connections? Snapshots written down by hand, with the answer known."""

import numpy as np
import pytest

from tcpwatch import rows as shapes
from tcpwatch import wire
from tcpwatch.frame import Frame
from tcpwatch.tracker.tracker import Tracker

from .build import frame, sockets
from .machine import HOST

HERE, THERE, LOOP = (bytes([*[0] * 10, 255, 255, *four]) for four in ((10, 0, 0, 7), (10, 0, 0, 9), (127, 0, 0, 1)))
HOUR_S = 3600
NAT_S = 350.0


def socket(
    idle_s: float, keepalive_s: int = 0, cookie: int = 1, to: bytes = THERE, source: bytes = HERE, **more: object
) -> dict[str, object]:
    """An established connection, idle for so long. keepalive_s: until the first probe; 0: off."""
    on = {
        "options": wire.KEEPALIVE,
        "keepalive_ticks": keepalive_s * HOST.hz,
        "interval_ticks": 75 * HOST.hz,
        "probes_most": 9,
    }
    return {
        "cookie": cookie,
        "state": wire.ESTABLISHED,
        "idle_ticks": int(idle_s * HOST.hz),
        "lport": 40000 + cookie,
        "rport": 5432,
        "family": wire.INET,
        "laddr": np.frombuffer(source, np.uint8),
        "raddr": np.frombuffer(to, np.uint8),
        **(on if keepalive_s else {}),
        **more,
    }


def watched(*frames: Frame) -> np.ndarray:
    tracker = Tracker(history_bytes=1 << 20, nat_timeout_s=NAT_S)
    for one in frames:
        tracker.fold(one)
    view = tracker.view()
    assert (np.diff(view.idle["row"]) > 0).all()
    return view.idle


def one(*facts: dict[str, object]) -> np.void:
    """Of the connection in one snapshot."""
    (line,) = watched(frame(1, snapshot=sockets(*facts)))
    result: np.void = line
    return result


@pytest.mark.parametrize(
    ("idle_s", "keepalive_s", "risk", "breaks_s", "probe_s"),
    [
        (100, 0, shapes.KEEPALIVE_OFF, 250, np.nan),
        (400, 0, shapes.FORGOTTEN, 0, np.nan),
        (100, 60 * 60 * 2, shapes.KEEPALIVE_LATE, 250, 7100),
        (400, 60 * 60 * 2, shapes.FORGOTTEN, 0, 6800),
        (40, 60, shapes.KEPT, np.nan, 20),
        (4000, 60, shapes.KEPT, np.nan, np.nan),
        (7 * HOUR_S, 2 * HOUR_S, shapes.KEEPALIVE_LATE, np.nan, np.nan),
    ],
)
def test_what_is_to_be_feared(idle_s: float, keepalive_s: int, risk: int, breaks_s: float, probe_s: float) -> None:
    """Keep-alive off, late or in time; once keep-alive has probed, one look does not tell when a segment came last."""
    line = one(socket(idle_s, keepalive_s))
    assert line["risk"] == risk
    assert line["idle_ms"] == idle_s * 1000
    assert line["breaks_ms"] / 1000 == pytest.approx(breaks_s, nan_ok=True)
    assert line["probe_in_ms"] / 1000 == pytest.approx(probe_s, nan_ok=True)
    assert line["keepalive"] == (keepalive_s != 0)
    assert line["first_probe_ms"] / 1000 == pytest.approx(keepalive_s or np.nan, nan_ok=True)
    assert line["probes_most"] == (9 if keepalive_s else 0)


def test_what_moves_or_is_not_established_is_not_idle() -> None:
    """Less than a second is no silence; others have timers of their own."""
    seen = [
        socket(0.5),
        *(socket(99, cookie=9 + s, state=s) for s in (wire.SYN_SENT, wire.LISTEN, wire.LAST_ACK)),
        socket(99, cookie=50, state=wire.CLOSE_WAIT),
    ]
    assert len(watched(frame(1, snapshot=sockets(*seen)))) == 1


def test_connections_within_the_machine_fear_no_nat() -> None:
    """On loopback, or with the other end here, in whichever namespace."""
    near = socket(999, cookie=2, lport=40000, rport=80)
    far = socket(999, cookie=3, source=THERE, to=HERE, lport=80, rport=40000, netns=2)
    other = socket(999, cookie=4, lport=40001, rport=80)
    seen = sockets(socket(999, source=LOOP, to=LOOP), near, far, other)
    idle = watched(frame(1, snapshot=seen, netns=frozenset({1, 2})))
    assert sorted(idle["risk"]) == [shapes.LOCAL] * 3 + [shapes.FORGOTTEN]
    assert np.isnan(idle["breaks_ms"][idle["risk"] == shapes.LOCAL]).all()


@pytest.mark.parametrize("orphaned", [False, True])
def test_the_other_end_of_a_half_closed_connection_is_here(orphaned: bool) -> None:
    """It waits in FIN_WAIT2, open or let go of by its process, and is itself no idle connection."""
    rest = {"sort": wire.TIME_WAIT_SORT} if orphaned else {}
    near = socket(999, cookie=2, state=wire.CLOSE_WAIT, lport=40000, rport=80)
    far = socket(999, cookie=3, state=wire.FIN_WAIT2, source=THERE, to=HERE, lport=80, rport=40000, netns=2, **rest)
    other = socket(999, cookie=4, state=wire.CLOSE_WAIT, lport=40001, rport=80)
    idle = watched(frame(1, snapshot=sockets(near, far, other), netns=frozenset({1, 2})))
    assert sorted(idle["risk"]) == [shapes.LOCAL, shapes.FORGOTTEN]


def test_unanswered_probes_say_when_the_kernel_gives_up() -> None:
    """The third of nine went out between two snapshots: the next one comes after the interval, and then six more."""
    frames = [
        frame(at, snapshot=sockets(socket(7200 + 150 + at, 7200, probes=probes, segs_out=probes)))
        for at, probes in ((1, 2), (2, 3), (12, 3))
    ]
    (line,) = watched(*frames)
    assert (line["risk"], line["probes"]) == (shapes.PROBING, 3)
    assert line["probe_in_ms"] == (75 - 10) * 1000
    assert line["gives_up_ms"] == line["breaks_ms"] == (65 + 6 * 75) * 1000


def test_answered_probes_start_the_timer_anew() -> None:
    """Data is long past; the answer is what keep-alive and a NAT count from."""
    frames = [
        frame(at, snapshot=sockets(socket(900 + at, 300, segs_in=heard, segs_out=heard)))
        for at, heard in ((1, 7), (2, 8), (22, 8))
    ]
    (line,) = watched(*frames)
    assert (line["idle_ms"], line["silent_ms"], line["probe_in_ms"]) == (922_000, 20_000, 280_000)
    assert line["risk"] == shapes.KEPT


def test_the_peers_probes_keep_a_connection_too() -> None:
    """Segments come without data; while they do, no NAT forgets it."""
    frames = [
        frame(at, snapshot=sockets(socket(900 + at, segs_in=heard, segs_out=heard)))
        for at, heard in ((1, 7), (2, 8), (22, 8))
    ]
    (line,) = watched(*frames)
    assert (line["risk"], line["silent_ms"], line["forgotten_ms"]) == (shapes.KEPT_BY_PEER, 20_000, 330_000)


def test_an_acknowledgement_is_no_keep_alive() -> None:
    """Segments that came with the data say nothing new: the data's own time is more exact."""
    frames = [
        frame(at, snapshot=sockets(socket(idle, 300, segs_in=heard)))
        for at, idle, heard in ((1, 900, 7), (2, 0.9, 8), (3, 1.9, 8), (30, 28.9, 8))
    ]
    (line,) = watched(*frames)
    assert line["silent_ms"] == line["idle_ms"] == 28_900
    assert line["probe_in_ms"] == 271_100


def test_unacknowledged_data_is_no_matter_of_keep_alive() -> None:
    """The kernel doesn't probe then, and zero-window probes are none of keep-alive's."""
    line = one(socket(99, 60, send_queue=5, probes=3, pending=wire.PENDING_ZERO_WINDOW))
    assert (line["probes"], line["risk"]) == (0, shapes.KEPT)
    assert np.isnan([line["probe_in_ms"], line["gives_up_ms"]]).all()


def test_another_connection_on_the_same_line_starts_unknown() -> None:
    """What was noted of the one says nothing of the other."""
    tracker = Tracker(history_bytes=1 << 20, nat_timeout_s=NAT_S)
    for at, cookie, heard in ((1, 1, 7), (2, 1, 8), (300, 2, 9), (301, 2, 9)):
        tracker.fold(frame(at, snapshot=sockets(socket(900, cookie=cookie, segs_in=heard))))
    idle = tracker.view().idle
    assert (idle["silent_ms"] == idle["idle_ms"]).all()
