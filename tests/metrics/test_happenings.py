"""Are segments sent again and resets counted, each by what was behind it?"""

from dataclasses import replace

import numpy as np
import pytest

from tcpwatch import wire
from tcpwatch.frame import Process
from tests.tracker import build
from tests.tracker.machine import HOST

from .room import CLIENT, OPENED, SERVER, Room, listener


def test_what_is_sent_again_goes_by_its_cause() -> None:
    """By segments; a SYN-ACK's count is how often it was repeated so far."""
    room = Room("port")
    opened = build.moves(*OPENED, **CLIENT, flags=wire.EVENT_SOCKET, pid=5)
    again = [
        build.event(wire.RETRANSMIT, 1, at=0.1, **CLIENT, count=3, cause=wire.FAST),
        build.event(wire.RETRANSMIT, 1, at=0.2, **CLIENT, count=2, cause=wire.TIMEOUT),
        build.event(wire.RETRANSMIT, 1, at=0.2, **CLIENT, count=9, reason=11, flags=wire.EVENT_REASON),
        build.event(wire.RETRANSMIT, 1, at=0.3, **CLIENT, count=1, cause=99),
        *(
            build.event(
                wire.SYNACK_RETRANSMIT, 3, at=0.4, **SERVER, cookie=3, count=n, flags=0, since_ns=7, cause=wire.SYNACK
            )
            for n in (1, 2, 3)
        ),
    ]
    room.fold(build.frame(1, opened, listener(0.1), *again))
    assert room.series("retransmits") == {
        "port=443 cause=fast": 3,
        "port=443 cause=timeout": 2,
        "port=443 cause=unknown": 1,
        "port=80 cause=syn_ack": 3,
    }
    assert room.series("listener_synack_retransmits") == {"port=80": 3}


def test_resets_go_by_direction_and_reason() -> None:
    """The kernel's word, else what the socket's state tells."""
    room = Room("port")
    reasons = ("NOT_SPECIFIED", "TCP_STATE", "NO_SOCKET")
    reason = wire.EVENT_SOCKET | wire.EVENT_REASON
    resets = [
        build.event(wire.RESET_SENT, 1, **CLIENT, reason=1, flags=reason),
        build.event(wire.RESET_SENT, 1, **CLIENT, reason=0, flags=reason | wire.EVENT_LINGER),
        build.event(wire.RESET_SENT, 1, **CLIENT, reason=999, flags=reason | wire.EVENT_UNREAD),
        build.event(wire.RESET_SENT, 1, **CLIENT),
        build.event(wire.RESET_RECEIVED, 2, **CLIENT),
        *[build.event(wire.RESET_RECEIVED, 1, **CLIENT)] * 23,
    ]
    frame = build.frame(1, build.moves(*OPENED, **CLIENT, pid=5), *resets)
    room.fold(replace(frame, host=replace(HOST, reset_reasons=reasons)))
    assert room.series("resets") == {
        "port=443 direction=sent reason=tcp_state": 1,
        "port=443 direction=sent reason=inferred_linger": 1,
        "port=443 direction=sent reason=inferred_unread_data": 1,
        "port=443 direction=sent reason=unknown": 1,
        "port=443 direction=received reason=inferred_refused": 1,
        "port=443 direction=received reason=unknown": 23,
    }


def test_what_comes_before_the_owner_waits_for_it() -> None:
    """A client's segments sent again before any snapshot showed it go where the rest of it goes; those after it at
    once."""
    room = Room("comm", "cgroup")
    opened = build.moves(*OPENED, at=0.1, **CLIENT, pid=5, comm=b"curl")
    room.fold(build.frame(0.2, opened, sent_again(0.15)), build.frame(0.4, sent_again(0.3), sent_again(0.35)))
    assert room.series("retransmits") == {}
    shown = build.sockets({**CLIENT, "state": wire.ESTABLISHED, "cgroup": 5})
    room.fold(build.frame(0.7, snapshot=shown, begin=0.5, cgroups=((5, "/a.service"),)))
    assert room.series("retransmits") == {"comm=curl cgroup=a.service cause=fast": 3}
    room.fold(build.frame(0.9, sent_again(0.8)))
    assert room.series("retransmits") == {"comm=curl cgroup=a.service cause=fast": 4}


def test_a_short_connection_s_resets_wait_for_its_process() -> None:
    """It ended before any snapshot; what is known of its process meanwhile counts for the reset as for the end."""
    room = Room("comm", "cgroup")
    facts = {**CLIENT, "pid": 5, "comm": b"curl", "flags": wire.EVENT_SOCKET}
    refused = build.moves((7, 2), (2, 7), at=0.1, **facts, error=111)
    reset = build.event(wire.RESET_RECEIVED, wire.SYN_SENT, at=0.1005, **facts)
    room.fold(build.frame(0.05), build.frame(0.2, refused[:1], reset, refused[1:]))
    known = (Process(5, 1, "curl", "curl", "/system.slice/cron.service"),)
    room.fold(build.frame(0.4, processes=known), build.frame(0.7, snapshot=build.sockets(), begin=0.5))
    labels = "comm=curl cgroup=cron.service"
    assert room.series("resets") == {f"{labels} direction=received reason=inferred_refused": 1}
    assert room.series("connections_closed") == {f"{labels} verdict=refused": 1}


@pytest.mark.parametrize("final", [False, True])
def test_an_owner_that_stays_unknown_is_not_waited_for(final: bool) -> None:
    """Longer than a second, or beyond the end: then it is counted all the same, once."""
    room = Room("comm", "cgroup")
    opened = build.moves(*OPENED, at=0.1, **CLIENT, pid=5, comm=b"curl")
    room.fold(build.frame(0.2, opened, sent_again(0.15)))
    last = build.frame(0.3 if final else 1.3)
    room.fold(replace(last, final=final), build.frame(9))
    assert room.series("retransmits") == {"comm=curl cause=fast": 1}


def sent_again(at: float) -> np.ndarray:
    return build.event(wire.RETRANSMIT, wire.ESTABLISHED, at=at, **CLIENT, count=1, cause=wire.FAST)
