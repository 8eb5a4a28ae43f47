"""What the Listeners table and one listener's details say, from views that a tracker made."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tcpwatch import wire
from tcpwatch.counters import COUNTS
from tcpwatch.frame import Frame, Snapshot
from tcpwatch.rows import FINE, FLOOD, LISTENER, LOAD, POINT, SLOW_ACCEPT, UNSURE
from tcpwatch.tracker.tracker import Tracker
from tcpwatch.tracker.view import Key, Listening, View
from tcpwatch.tui.columns import fit
from tcpwatch.tui.listeners import LISTENERS
from tcpwatch.tui.sheet import Wish, show

from . import picture
from .hand import Hand, hand

SETTINGS = (("net.core.somaxconn", "4096"), ("net.ipv4.tcp_syncookies", "1"))
START_NS = 1000 * picture.SECOND
CALM, SLOW, FLOODED = 1, 2, 3


def address(*quad: int) -> list[int]:
    return [0] * 10 + [255] * 2 + list(quad)


def sockets(second: int) -> np.ndarray:
    """Three listeners: one is calm, one's application accepts nothing, and one is flooded."""
    found = np.zeros(3, wire.SOCKET)
    found["cookie"], found["netns"], found["state"], found["family"] = (CALM, SLOW, FLOODED), (1, 1, 2), wire.LISTEN, 2
    found["laddr"], found["lport"], found["send_queue"] = address(10, 0, 0, 7), (80, 443, 8080), (128, 8, 64)
    found["recv_queue"] = (second % 3, min(9, 3 * max(0, second - 5)), 0)
    found["half_open"], found["half_open_young"] = (2, 0, 65), (2, 0, 10)
    found["drops"] = (0, 23 * max(0, second - 8), 0)
    found["overflow_ticks"] = (0, 0, 1)
    return found


def counts(second: int) -> np.ndarray:
    made = np.zeros(2, COUNTS)
    made["netns"] = (1, 2)
    made["listen_drops"][0] = made["listen_overflows"][0] = 23 * max(0, second - 8)
    made["cookies_sent"][1], made["cookies_accepted"][1] = 4000 * second, second
    return made


@pytest.fixture(scope="module")
def view() -> View:
    tracker = Tracker(history_bytes=1 << 20, keep_events=1000)
    tracker.look_at(Key(1, SLOW))
    for second in range(12):
        now_ns = START_NS + second * picture.SECOND
        taken = Snapshot(now_ns, now_ns + 1, sockets(second), frozenset({1, 2}), counts(second))
        told: dict[str, Any] = {"settings": ((1, SETTINGS), (2, SETTINGS))} if second == 0 else {}
        tracker.fold(Frame(now_ns, now_ns + 2, picture.host(), snapshot=taken, **told))
    return tracker.view()


async def shown(h: Hand, view: View) -> None:
    h.feed.put(view)
    await h.settle()
    await h.press("3")


async def test_the_table_says_what_is_wrong_worst_first(view: View) -> None:
    """Lengths against limits, counts, and the hint in a word."""
    async with hand(view.connections, size=(160, 30)) as h:
        await shown(h, view)
        slow, flood, calm = h.lines()[5:8]  # below the worst finding
    assert "10.0.0.7:443" in slow
    assert "9/8      full" in slow
    assert "▲ 69" in slow
    assert "slow accept" in slow
    assert "65/64    full" in flood
    assert "44 K/11/0" in flood
    assert "flood" in flood
    assert "2/128" in calm
    assert "fine" in calm
    assert "▂" in slow + calm or "█" in slow + calm


async def test_a_queue_s_past_is_drawn_beside_it(view: View) -> None:
    """It grew by three a second and then stayed full."""
    async with hand(view.connections, size=(230, 30)) as h:
        await shown(h, view)
        assert "▁▄▆██" in h.lines()[5].split("full")[1]


async def test_any_column_sorts(view: View) -> None:
    """The most cookies first; unknown ones last."""
    async with hand(view.connections, size=(160, 30)) as h:
        await shown(h, view)
        h.page.sort("cookies", True)
        await h.settle()
        assert h.cookie() == FLOODED
        h.page.sort("drops", True)
        await h.settle()
        assert "10.0.0.7:443 " in h.lines()[5]


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize(
    ("column", "field"),
    [
        ("syn", "half_open"),
        ("accepts", "accepts_s"),
        ("drops", "drops"),
        ("overflows", "overflows"),
        ("cookies", "cookies_sent"),
        ("synacks", "synack_retrans"),
    ],
)
def test_each_column_sorts_as_its_values_do(column: str, field: str, descending: bool) -> None:
    """Unknown goes last in both directions, and so do listeners of which nothing is known yet."""
    rows = picture.connections(400)
    listening = np.flatnonzero(rows["state"] == wire.LISTEN)
    known = np.zeros(len(listening) - 3, LISTENER)
    known["at"] = listening[1:-2]
    known[field] = np.random.default_rng(5).integers(0, 6, len(known))
    known[field][::5] = np.nan
    listeners = Listening(known, np.empty(0, np.uint64), np.empty((len(known), 0), POINT))
    view = replace(picture.view(rows), listening=listeners)
    order = show(LISTENERS, view, Wish(column, descending, closed=True)).order.tolist()
    values = dict(zip(known["at"].tolist(), known[field].tolist()))
    told = [values.get(at, math.nan) for at in order]
    numbers = [value for value in told if value == value]
    assert sorted(order) == listening.tolist()
    assert numbers == sorted(numbers, reverse=descending) == told[: len(numbers)]


def test_the_worst_hint_comes_first() -> None:
    """Then what is busy, then what is fine, then what is not known."""
    rows = picture.connections(400)
    known = np.zeros(5, LISTENER)
    known["at"] = np.flatnonzero(rows["state"] == wire.LISTEN)[:5]
    known["hint"] = UNSURE, LOAD, FINE, SLOW_ACCEPT, FLOOD
    listeners = Listening(known, np.empty(0, np.uint64), np.empty((5, 0), POINT))
    view = replace(picture.view(rows), listening=listeners)
    order = show(LISTENERS, view, Wish("hint", True, closed=True)).order.tolist()[:4]
    assert [int(known["hint"][known["at"] == at][0]) for at in order] == [SLOW_ACCEPT, FLOOD, LOAD, FINE]


async def test_filters_apply(view: View) -> None:
    """As to connections: a listener is a socket."""
    async with hand(view.connections, "sport = :443", size=(160, 30)) as h:
        await shown(h, view)
        assert [int(view.connections["cookie"][i]) for i in h.order()] == [SLOW]


async def test_before_the_first_snapshot_there_are_dashes() -> None:
    """An event may tell of a listener before anything was counted."""
    rows = picture.connections(400)
    async with hand(rows[rows["state"] == wire.LISTEN][:1], size=(160, 30)) as h:
        await h.press("3")
        assert h.lines()[4].count("–") >= 6


def test_eighty_columns_hold_who_and_what_is_wrong() -> None:
    """The rest can be seen in the details."""
    assert [c.name for c, _ in fit(LISTENERS.columns, 79)] == ["local", "process", "accept", "drops", "hint"]


@pytest.mark.parametrize("size", [(80, 24), (150, 60)])
async def test_the_details_say_why_and_what_to_do(view: View, size: tuple[int, int]) -> None:
    """A sentence with the numbers, advice, both queues over time, the sysctls, the events."""
    async with hand(view.connections, size=size) as h:
        await shown(h, view)
        await h.press("enter")
        h.feed.put(view)
        await h.settle()
        top = h.text()
        await h.press("G")
        await h.settle()
        bottom = h.text()
    assert "slow accept" in top
    assert "9 wait, of 8 allowed" in " ".join(top.split())
    assert "Look at the process" in top
    said = top + bottom
    for word in ("limit 8", "✕ drops 69", "4096", "somaxconn", "overflows     69", "listen overflow ×23"):
        assert word in said or size == (80, 24), word


async def test_events_of_listeners_are_in_the_stream(view: View) -> None:
    """With how many there were; where no listener can be named, there is no address."""
    async with hand(view.connections, size=(160, 30)) as h:
        h.feed.put(view)
        await h.settle()
        while "Events]" not in h.lines()[0]:
            await h.press("shift+tab")
        assert "✕" in h.text()
        assert "listen overflow ×23" in h.text()
        assert "syn cookie sent ×4,000" in h.text()
