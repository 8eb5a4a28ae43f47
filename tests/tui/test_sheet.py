"""What a table shows, in which order, compared with the plainest way to compute it."""

import ipaddress
import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from tcpwatch import rows as shapes
from tcpwatch import wire
from tcpwatch.filter import parse
from tcpwatch.tracker.view import Key
from tcpwatch.tui import cells, connections
from tcpwatch.tui.connections import CONNECTIONS, at, place, sign
from tcpwatch.tui.guide import page
from tcpwatch.tui.happenings import EVENTS, as_connections
from tcpwatch.tui.listeners import LISTENERS
from tcpwatch.tui.sheet import Sheet, Wish, show
from tcpwatch.verdicts import CODES, harm_of

from . import picture

VIEW = picture.view(picture.connections(1_009))
Plain = Callable[[np.ndarray], object]

_NUMBERS: dict[str, Plain] = {
    "age": lambda r: float(r["age_ms"]),
    "rtt": lambda r: float(r["rtt_us"]),
    "cwnd": lambda r: float(r["cwnd"]),
    "sent": lambda r: float(r["bytes_sent"]),
    "received": lambda r: float(r["bytes_received"]),
    "retrans": lambda r: float(r["retrans"]),
    "ratio": lambda r: float(r["retrans"]) / float(r["segs_out"]),
    "send_queue": lambda r: float(r["send_queue"]),
    "recv_queue": lambda r: float(r["recv_queue"]),
    "idle": lambda r: float(r["idle_ms"]),
    "role": lambda r: int(r["role"]),
    "state_for": lambda r: float(r["state_ms"]),
    "min_rtt": lambda r: float(r["min_rtt_us"]),
    "ssthresh": lambda r: float(r["ssthresh"]),
    "mss": lambda r: float(r["mss"]),
    "netns": lambda r: int(r["netns"]),
    "cgroup": lambda r: int(r["cgroup"]),
    "verdict": lambda r: (harm_of(CODES[int(r["verdict"])]), int(r["verdict"])),
    "state": lambda r: float(cells._RANK[r["state"]]),
    "local": lambda r: (int(ipaddress.IPv6Address(r["laddr"].tobytes())), int(r["lport"])),
    "remote": lambda r: (int(ipaddress.IPv6Address(r["raddr"].tobytes())), int(r["rport"])),
    "process": lambda r: (bytes(r["comm"]), int(r["pid"])) if r["comm"] else math.nan,
    "command": lambda r: (bytes(r["comm"]), int(r["pid"])) if r["comm"] else math.nan,
    "accept": lambda r: float(r["recv_queue"]) / float(r["send_queue"]),
}


def _sorted(rows: np.ndarray, plain: Plain, which: list[int], descending: bool) -> list[int]:
    """Known values in order, unknown ones after them; among equals the youngest first."""
    young = sorted(which, key=lambda i: -int(rows["opened_ns"][i]))
    known = [i for i in young if plain(rows[i]) == plain(rows[i])]
    unknown = [i for i in young if plain(rows[i]) != plain(rows[i])]
    ranks = {value: n for n, value in enumerate(sorted({plain(rows[i]) for i in known}))}  # type: ignore[type-var]
    return sorted(known, key=lambda i: ranks[plain(rows[i])] * (-1 if descending else 1)) + unknown


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize(
    ("sheet", "column"),
    [
        *((CONNECTIONS, c.name) for c in CONNECTIONS.columns),
        *((LISTENERS, c.name) for c in LISTENERS.columns if c.name in _NUMBERS),  # the others: test_listeners.py
    ],
    ids=lambda v: v.noun if isinstance(v, Sheet) else v,
)
def test_each_column_sorts_as_its_values_do(sheet: Sheet, column: str, descending: bool) -> None:
    """Unknown goes last in both directions; equal lines stay in one order."""
    rows = VIEW.connections
    which = [i for i in range(len(rows)) if (rows["state"][i] == wire.LISTEN) == (sheet is LISTENERS)]
    shown = show(sheet, VIEW, Wish(column, descending, closed=True))
    assert [int(i) for i in shown.order] == _sorted(rows, _NUMBERS[column], which, descending)


@pytest.mark.parametrize("column", [c.name for c in EVENTS.columns])
def test_each_column_of_events_sorts_without_losing_one(column: str) -> None:
    """Every event is shown exactly once, whatever it is sorted by."""
    shown = show(EVENTS, VIEW, Wish(column, True))
    assert sorted(shown.order) == list(range(len(VIEW.events)))


def test_events_come_newest_first() -> None:
    """Also those of one moment: the last one that arrived is the first one read."""
    shown = show(EVENTS, VIEW, Wish("time", True))
    assert [int(i) for i in shown.order] == list(range(len(VIEW.events)))[::-1]


def test_closed_connections_are_hidden_until_asked_for() -> None:
    """A TIME_WAIT or FIN_WAIT2 whose socket has ended still holds its port, and stays."""
    rows = picture.connections(23)
    rows["state"], rows["flags"] = wire.ESTABLISHED, 0
    rows["flags"][:6] = shapes.CLOSED
    rows["state"][:6] = [wire.CLOSE, wire.CLOSE, wire.CLOSE, wire.ESTABLISHED, wire.TIME_WAIT, wire.FIN_WAIT2]
    view = picture.view(rows)
    hidden, asked = (show(CONNECTIONS, view, Wish("age", False, closed)) for closed in (False, True))
    assert (len(hidden.order), hidden.total, len(asked.order)) == (19, 19, 23)


def test_the_help_tells_how_closed_connections_are_marked() -> None:
    """One that ended well, and one that ended in trouble: each sign stands at the key that shows them."""
    rows = picture.connections(2)
    rows["state"], rows["flags"], rows["verdict"] = wire.CLOSE, shapes.CLOSED, [0, CODES.index("refused")]
    signs = {sign(picture.view(rows), rows, i)[0] for i in range(2)}
    (said,) = [line for line in page((), 200) if line and line[0][0].split() == ["t"]]
    assert signs == {"×", "!"}
    assert all(f" {one}" in said[1][0] for one in signs)


def test_a_filter_narrows_what_is_shown_and_not_the_total() -> None:
    """`1,284 of 9,407 shown` needs both."""
    shown = show(CONNECTIONS, VIEW, Wish("age", False, filter=parse("state established")))
    wanted = np.count_nonzero(VIEW.connections["state"] == wire.ESTABLISHED)
    assert len(shown.order) == wanted
    assert shown.total > wanted


def test_an_event_is_filtered_as_the_connection_it_is_about() -> None:
    """Address, owner and measures of that moment; what an event does not tell matches nothing."""
    port = int(VIEW.events["rport"][17])
    by_port = show(EVENTS, VIEW, Wish("time", True, filter=parse(f"dport = :{port}")))
    by_queue = show(EVENTS, VIEW, Wish("time", True, filter=parse("idle >= 0ms")))
    by_rtt = show(EVENTS, VIEW, Wish("time", True, filter=parse("rtt > 41ms")))
    assert 17 in by_port.order
    assert set(VIEW.events["rport"][by_port.order]) == {port}
    assert (len(by_queue.order), len(by_rtt.order)) == (0, len(VIEW.events))


def test_events_without_a_socket_have_no_counters() -> None:
    """A zero that the kernel did not fill is unknown."""
    events = VIEW.events.copy()
    events["flags"] = 0
    rows = as_connections(replace(VIEW, events=events))
    assert np.isnan(rows["cwnd"]).all()
    assert np.isnan(rows["retrans"]).all()


def test_a_connection_is_found_by_its_namespace_and_cookie() -> None:
    """Two namespaces may hold the same cookie; what is gone is not found."""
    rows = VIEW.connections.copy()
    rows["cookie"][:2], rows["netns"][:2] = 77_777, (1, 2)
    assert (place(VIEW, rows, (2, 77_777)), place(VIEW, rows, (3, 77_777))) == (1, None)


def test_a_socket_that_was_connected_before_is_several_lines() -> None:
    """The cursor stays on each; whoever asks for the socket gets its newest life, and who asks by time the one of
    then."""
    rows = VIEW.connections.copy()
    turns = {2: 1, 5: 0, 11: 2}
    for i, turn in turns.items():
        rows["cookie"][i], rows["netns"][i], rows["turn"][i] = 77_777, 1, turn
        rows["opened_ns"][i], rows["changed_ns"][i] = picture.NOW_NS + 20 * turn, picture.NOW_NS + 20 * turn + 10
    for i in turns:
        assert place(VIEW, rows, CONNECTIONS.name(VIEW, rows, i)) == i
    assert place(VIEW, rows, (1, 77_777)) == 11
    assert place(VIEW, rows, (1, 77_777, 3)) is None
    now = replace(VIEW, connections=rows)
    assert [at(now, key) for i in turns if (key := connections.key(now, rows, i))] == list(turns)
    assert at(now, Key(1, 77_777)) == 11
    first = connections.key(now, rows, 5)
    assert first
    rows["cookie"][5] = 1
    assert at(now, first) is None, "it is forgotten, and another is not taken for it"
