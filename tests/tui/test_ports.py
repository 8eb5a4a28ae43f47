"""The Ports view: which destination comes first, what the remedies come to, and where Enter leads."""

import dataclasses

import numpy as np
import pytest
from rich.cells import cell_len

from tcpwatch import rows as shapes
from tcpwatch import wire
from tcpwatch.frame import Frame
from tcpwatch.tracker.exhaustion import outlook_s
from tcpwatch.tracker.ports import PortMeter
from tcpwatch.tracker.view import View
from tcpwatch.tui.remedies import explained
from tcpwatch.tui.views import VIEWS

from . import picture
from .hand import Hand, hand

pytestmark = pytest.mark.asyncio
DIGIT = str([name for name, _ in VIEWS].index("Ports") + 1)
NETNS = 4026531840
SETTINGS = {
    "net.ipv4.ip_local_port_range": "32768 60999",
    "net.ipv4.ip_local_reserved_ports": "",
    "net.ipv4.tcp_tw_reuse": "2",
    "net.ipv4.tcp_timestamps": "1",
    "net.ipv4.tcp_max_tw_buckets": "262144",
    "net.ipv4.tcp_fin_timeout": "60",
}


def connections(*destinations: tuple[int, int, int]) -> np.ndarray:
    """rows.CONNECTION of a client with so many (connected, in TIME_WAIT) to 10.0.3.<host>:5432."""
    counts = [(host, state, count) for host, up, waiting in destinations for state, count in ((1, up), (6, waiting))]
    rows = picture.connections(sum(count for _, _, count in counts))
    rows["netns"], rows["role"], rows["flags"], rows["snap"] = NETNS, shapes.CLIENT, shapes.HAS_COUNTERS, -1
    rows["family"], rows["laddr"][:, :10], rows["laddr"][:, 10:12] = wire.INET, 0, 255
    rows["raddr"][:, :10], rows["raddr"][:, 10:12], rows["raddr"][:, 12:15] = 0, 255, (10, 0, 3)
    rows["rport"], rows["state_ms"] = 5432, np.arange(len(rows)) % 60_000
    at = 0
    for host, state, count in counts:
        part = slice(at, at + count)
        rows["raddr"][part, 15], rows["state"][part] = host, state
        rows["lport"][part] = 32768 + np.arange(count) + (0 if state == 1 else 8_000)
        at += count
    return rows


def with_ports(rows: np.ndarray, **measures: float) -> View:
    """A view with its ports counted; measures: of the first destination, in place of what one picture cannot tell."""
    before = dataclasses.replace(picture.view(rows), settings={NETNS: SETTINGS})
    now = Frame(0, picture.NOW_NS - picture.OFFSET_NS, picture.host())
    ports, port_of = PortMeter().picture(rows, None, before.settings, now)
    for name, value in measures.items():
        ports[name][0] = value
    return dataclasses.replace(before, ports=ports, port_of=port_of)


async def open_ports(h: Hand, view: View) -> None:
    h.feed.put(view)
    await h.settle()
    await h.press(DIGIT)


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (250, 70)])
async def test_what_runs_out_first_stands_first(size: tuple[int, int]) -> None:
    """Before it the one that lasts, however many ports it uses."""
    view = with_ports(connections((4, 700, 23), (5, 7000, 230)))
    view.ports["exhausted_s"] = np.where(view.ports["raddr"][:, 15] == 4, 41, np.nan)
    async with hand(view.connections, size=size) as h:
        await open_ports(h, view)
        lines = h.lines()
    assert [cell_len(line) for line in lines] == [size[0]] * size[1]
    first, second = (next(i for i, line in enumerate(lines[3:]) if host in line) for host in ("10.0.3.4:", "10.0.3.5:"))
    assert first < second
    assert all(word in lines[3 + first] for word in ("723", "23", "27,509", "41s"))
    assert "2 destinations" in lines[-1]


async def test_remedies_are_told_in_numbers() -> None:
    """A load that needs more ports than there are, and what would help."""
    view = with_ports(connections((4, 100, 20_000)), rate=600.0, taken=600.0, staying=0.0, exhausted_s=15.0)
    said = "\n".join("".join(text for text, _ in line) for line in explained(view, 0))
    assert "20,100 ports used; exhausted in 15s" in said
    assert "never exhausted with 1024-65535: 64,512 ports, 2.3× as many" in said
    assert "never exhausted: 20,000 in TIME_WAIT would serve again after 1 s each" in said
    assert "never exhausted with one more, of 28,232 ports; the present rate needs 2 in all" in said
    assert "never exhausted with 10 requests per connection: 3,600 ports held for 60 s, not 36,000" in said
    assert "no other destination shares these ports" in said
    assert "ip_local_port_range 32768 60999" in said
    assert "tcp_fastopen: saves time, not ports" in said  # often advised
    assert outlook_s(view, 0) < 60


async def test_remedies_count_as_people_do() -> None:
    """One port is no ports; of large ratios the tenths say nothing; ports are shared where there are others."""
    view = with_ports(connections((4, 1, 0), (5, 22, 0)))
    narrow = {**dict(view.settings[int(view.ports["netns"][0])]), "net.ipv4.ip_local_port_range": "40000 40091"}
    settings = {int(view.ports["netns"][0]): narrow}
    view.ports["ports"] = 92
    line = int(np.flatnonzero(view.ports["raddr"][:, 15] == 4)[0])
    said = "\n".join(
        "".join(text for text, _ in line) for line in explained(dataclasses.replace(view, settings=settings), line)
    )
    assert "1 port used;" in said
    assert "64,512 ports, 701× as many" in said
    assert "23 → 1 ports count: programs that bind() an address share the range among 2 destinations" in said


async def test_a_filter_picks_destinations_and_changes_no_count() -> None:
    """A destination with one connection that matches is shown whole."""
    rows = connections((4, 700, 23), (5, 70, 0))
    rows["comm"], rows["pid"] = b"java", 801
    rows["comm"][3] = b"special"
    view = with_ports(rows)
    async with hand(rows, "comm = special") as h:
        await open_ports(h, view)
        assert len(h.order()) == 1
        assert view.ports["used"][h.order()[0]] == 723
        assert "1 of 2 shown" in h.lines()[-1]


async def test_enter_leads_to_the_connections_behind_a_line() -> None:
    """Under a filter that picks just those."""
    view = with_ports(connections((4, 13, 0), (5, 23, 0)))
    view.ports["exhausted_s"] = np.where(view.ports["raddr"][:, 15] == 5, 1, np.nan)
    async with hand(view.connections) as h:
        await open_ports(h, view)
        await h.press("enter")
        await h.settle()
        assert " Connections]" in h.lines()[0]
        assert h.app.expression == "dst 10.0.3.5:5432 and src 10.0.0.7"
        assert len(h.order()) == 23


async def test_every_column_sorts_in_both_directions() -> None:
    """No title leads to an error, and the cursor stays with its line."""
    view = with_ports(connections((4, 13, 0), (5, 23, 7), (6, 1, 1)))
    async with hand(view.connections, size=(250, 70)) as h:
        await open_ports(h, view)
        await h.press("j")
        for _ in h.page.sheet.columns:
            await h.press("s", "S")
            assert sorted(h.order()) == [0, 1, 2]


async def test_no_connections_make_an_empty_table() -> None:
    """And Enter does nothing."""
    async with hand(picture.connections(0)) as h:
        await h.press(DIGIT, "enter", "s", "slash", "escape")
        assert "0 destinations" in h.lines()[-1]


async def test_one_is_one_destination() -> None:
    """Not `1 destinations`."""
    view = with_ports(connections((4, 7, 0)))
    async with hand(view.connections) as h:
        await open_ports(h, view)
        assert "1 destination " in h.lines()[-1] + " "
