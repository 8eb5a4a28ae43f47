"""The Idle view: what breaks next stands first, and each line says why in words."""

import dataclasses

import numpy as np
import pytest
from rich.cells import cell_len

from tcpwatch import rows as shapes
from tcpwatch.tracker.view import View
from tcpwatch.tui import connections
from tcpwatch.tui.views import VIEWS

from . import picture
from .hand import Hand, hand

pytestmark = pytest.mark.asyncio
DIGIT = str([name for name, _ in VIEWS].index("Idle") + 1)
HOUR = 3_600_000.0

# risk, keep-alive, unanswered probes, idle, until it breaks
CASES: tuple[tuple[int, int, int, float, float], ...] = (
    (shapes.KEPT, 1, 0, 40_000, np.nan),
    (shapes.KEEPALIVE_LATE, 1, 0, 100_000, 250_000),
    (shapes.FORGOTTEN, 0, 0, 500_000, 0),
    (shapes.LOCAL, 0, 0, HOUR, np.nan),
    (shapes.PROBING, 1, 2, 7_230_000, 525_000),
    (shapes.KEEPALIVE_OFF, 0, 0, 310_000, 40_000),
    (shapes.KEPT_BY_PEER, 0, 0, HOUR, 290_000),
)
ORDER = [4, 2, 5, 1, 6, 3, 0]
WORDS = (
    "2 of 9 probes unanswered: given up in 8m45s",
    "a NAT forgot it after 5m50s: keep-alive off",
    "keep-alive off: NAT forgets after 5m50s",
    "keep-alive comes too late: first probe after 2h00m, NAT forgets after 5m50s",
    "keep-alive off: the peer's segments keep it",
    "local: no NAT on the way",
    "fine: keep-alive after 2h00m",
)


def view() -> View:
    """Every second connection of the picture is idle, one of each kind."""
    rows = picture.connections(2 * len(CASES))
    rows["state"], rows["flags"], rows["raddr"][:, :12] = 1, 0, (*[0] * 10, 255, 255)
    idle = np.zeros(len(CASES), shapes.IDLE)
    idle["row"] = 2 * np.arange(len(CASES))
    for at, (risk, on, probes, silence, breaks) in enumerate(CASES):
        idle[at] = (2 * at, risk, on, probes, 9 * on, silence, silence, *[np.nan] * 6)
        idle["breaks_ms"][at] = breaks
    on = idle["keepalive"] == 1
    idle["first_probe_ms"][on], idle["interval_ms"][on] = 2 * HOUR, 75_000
    idle["gives_up_ms"][4] = 525_000
    return dataclasses.replace(picture.view(rows), idle=idle, nat_timeout_s=350.0)


async def open_idle(h: Hand, shown: View) -> None:
    h.feed.put(shown)
    await h.settle()
    await h.press(DIGIT)


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (250, 70)])
async def test_what_breaks_next_stands_first(size: tuple[int, int]) -> None:
    """Unanswered probes, then what a NAT forgets, then what is well; each with its words, cut where it is narrow."""
    shown = view()
    async with hand(shown.connections, size=size) as h:
        await open_idle(h, shown)
        assert h.order() == [2 * at for at in ORDER]
        lines = h.lines()
    assert [cell_len(line) for line in lines] == [size[0]] * size[1]
    assert all(words[:27] in line for words, line in zip(WORDS, lines[4:], strict=False))
    if size[0] == 250:
        assert [words in line for words, line in zip(WORDS, lines[4:], strict=False)] == [True] * 7
    assert "7 idle" in lines[-1]


async def test_words_do_without_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is urgent bears a sign."""
    monkeypatch.setenv("NO_COLOR", "1")
    shown = view()
    async with hand(shown.connections, theme=None) as h:
        await open_idle(h, shown)
        lines = h.lines()[4:]
    assert ["!" in line[:3] for line in lines[:7]] == [True, True, False, False, False, False, False]


async def test_a_filter_picks_idle_connections_as_it_does_all() -> None:
    """By port."""
    shown = view()
    port = int(shown.connections["rport"][2 * ORDER[3]])
    async with hand(shown.connections, f"dport = :{port}") as h:
        await open_idle(h, shown)
        assert h.order() == [2 * ORDER[3]]
        assert "1 of 7 shown" in h.lines()[-1]


async def test_enter_opens_the_connection() -> None:
    """The first one that breaks."""
    shown = view()
    async with hand(shown.connections) as h:
        await open_idle(h, shown)
        await h.press("enter")
        assert h.feed.key == connections.key(shown, shown.connections, 8)


async def test_every_column_sorts_in_both_directions() -> None:
    """No title leads to an error or loses a line."""
    shown = view()
    async with hand(shown.connections, size=(250, 70)) as h:
        await open_idle(h, shown)
        for _ in h.page.sheet.columns:
            await h.press("s", "S")
            assert sorted(h.order()) == [2 * at for at in range(7)]
