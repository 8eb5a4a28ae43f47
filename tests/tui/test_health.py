"""The Health view: what it says, where Enter leads, and that it stands still."""

from dataclasses import replace

import pytest
from rich.cells import cell_len

from tcpwatch import rows as shapes
from tcpwatch.health import Finding, Lead
from tcpwatch.tracker.view import View
from tcpwatch.verdicts import HIGH, LOW, MEDIUM

from . import picture
from .hand import Hand, hand

pytestmark = pytest.mark.asyncio
ROWS = picture.connections(997)
ADVICE = (
    "Look at the process: is it stuck?",
    "For short bursts raise the backlog that the program gives to listen(). " * 3,
)


def finding(code: str, severity: int = HIGH, lead: Lead | None = None, **more: object) -> Finding:
    made = Finding(
        code=code,
        subject=(4026531840, code),
        severity=severity,
        what=code.replace("_", " "),
        where="nginx :443",
        numbers="132 dropped in 10 s",
        sentence=f"The {code} of nginx :443: 132 handshakes were dropped in 10 s.",
        advice=ADVICE,
        count=132,
        lead=lead or Lead("connections"),
        since_ns=picture.NOW_NS - 133 * picture.SECOND,
    )
    return replace(made, **more)  # type: ignore[arg-type]


def view(*findings: Finding, seconds: int = 0) -> View:
    return replace(picture.view(ROWS, seconds=seconds), findings=findings)


async def shown(h: Hand, now: View) -> None:
    h.feed.put(now)
    await h.settle()


async def test_health_is_what_the_program_opens_with_unless_it_is_given_a_filter() -> None:
    """Who names connections wants to see connections."""
    for expression, name in (("", "[1 Health]"), ("dport = 443", "[2 Connections]")):
        async with hand(ROWS, expression, page=name[3:-1]) as h:
            assert h.app.desk.pulse.tabs[min(h.app.desk.pages)] == name[3:-1]
            assert name in h.lines()[0]


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (250, 70)])
async def test_where_all_is_well_one_calm_line_says_what_was_looked_at(size: tuple[int, int]) -> None:
    """How much was looked for, and in how many connections."""
    async with hand(ROWS, size=size, page="Health") as h:
        lines = h.lines()
        text = " ".join(line.strip() for line in lines)
        await h.press("j", "enter", "s", "S", "G")
    assert [cell_len(line) for line in lines] == [size[0]] * size[1]
    assert "✓ Nothing is wrong." in text
    alive = picture.view(ROWS).states
    assert f"{alive.sum() - alive[10]} connections, {alive[10]} listeners" in text
    assert "HARM" not in text


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (250, 70)])
async def test_a_line_each_and_the_cure_for_the_one_under_the_cursor(size: tuple[int, int]) -> None:
    """The worst first, as they come; sign and word say how bad it is."""
    found = (finding("accept_queue_full"), finding("close_wait", MEDIUM), finding("fin_wait2", LOW, earlier=True))
    async with hand(ROWS, size=size, page="Health") as h:
        await shown(h, view(*found))
        lines = h.lines()
        await h.press("j", "j")
        below = h.text()
    assert [cell_len(line) for line in lines] == [size[0]] * size[1]
    assert all(word in lines[4] for word in ("✕", "high", "accept queue full", "nginx :443", "132 dropped", "2m13s"))
    assert "▲ medium" in lines[5]
    assert "• low" in lines[6]
    assert "≥2m13s" in lines[6]
    assert "3 findings" in lines[-1]
    assert "The accept_queue_full of nginx :443: 132 handshakes were dropped" in "\n".join(lines)
    assert "→ Look at the process" in "\n".join(lines)
    assert "The fin_wait2 of nginx" in below
    assert "or before" in below


async def test_the_cursor_stays_with_its_finding() -> None:
    """While worse ones come above it; once it is gone the next one takes its place."""
    low, high = finding("fin_wait2", LOW), finding("refused")
    async with hand(ROWS, page="Health") as h:
        await shown(h, view(finding("close_wait", MEDIUM), low))
        await h.press("j")
        await shown(h, view(high, finding("close_wait", MEDIUM), low, seconds=1))
        assert h.table.cursor == 2
        assert "The fin_wait2 of" in h.text()
        await shown(h, view(high, seconds=2))
        assert "The refused of" in h.text()
        await shown(h, view(seconds=3))
        assert "Nothing is wrong" in h.text()
        await shown(h, view(high, seconds=4))
        assert "The refused of" in h.text()


async def test_enter_leads_to_the_connections_concerned() -> None:
    """With the filter that picks them, and those that ended if there are such; Esc and 1 lead back."""
    lead = Lead("connections", "verdict = refused and dst 10.0.9.9:6379", closed=True)
    rows = ROWS.copy()
    rows["verdict"][:3], rows["state"][:3], rows["rport"][:3] = 4, 7, 6379
    rows["flags"][:3] |= shapes.CLOSED
    rows["raddr"][:3] = 0
    rows["raddr"][:3, 10:] = (255, 255, 10, 0, 9, 9)
    async with hand(rows, page="Health") as h:
        await shown(h, replace(picture.view(rows), findings=(finding("refused", lead=lead),)))
        await h.press("enter")
        await h.settle()
        assert "[2 Connections]" in h.lines()[0]
        assert sorted(h.order()) == [0, 1, 2]
        assert "The refused of nginx :443" in h.lines()[3]
        await h.press("escape", "1")
        assert "[1 Health]" in h.lines()[0]
        assert "1 finding" in h.lines()[-1]


async def test_enter_leads_to_the_line_of_a_listener() -> None:
    """With the cursor on it."""
    listening = ROWS[ROWS["state"] == 10]
    key = int(listening["netns"][5]), int(listening["cookie"][5])
    async with hand(ROWS, page="Health") as h:
        await shown(h, view(finding("accept_queue_full", lead=Lead("listeners", row=key))))
        await h.press("enter")
        await h.settle()
        assert "[3 Listeners]" in h.lines()[0]
        assert h.cookie() == key[1]


async def test_enter_on_a_blindness_shows_the_probes() -> None:
    """They are on the page of help."""
    async with hand(ROWS, page="Health") as h:
        await shown(h, view(finding("hooks_refused", LOW, lead=Lead("probes"))))
        await h.press("enter")
        await h.settle()
        assert "KEYS" in h.text()


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_the_worst_finding_is_told_on_every_other_view(size: tuple[int, int]) -> None:
    """In a line of its own, with the key that says why; low ones wait until somebody looks."""
    async with hand(ROWS, size=size) as h:
        assert "see why" not in h.text()
        await shown(h, view(finding("refused"), finding("close_wait", MEDIUM)))
        for key in "23456":
            await h.press(key)
            line = h.lines()[3]
            assert "▲ The refused of nginx :443" in line
            assert line.endswith("1: see why ")
            assert [cell_len(line) for line in h.lines()] == [size[0]] * size[1]
        await h.press("1")
        assert "see why" not in h.text()
        await h.press("2")
        await shown(h, view(finding("fin_wait2", LOW), seconds=1))
        assert "see why" not in h.text()


async def test_every_column_sorts() -> None:
    """And harm first is how it begins."""
    found = [finding(code, harm) for code, harm in (("refused", HIGH), ("close_wait", MEDIUM), ("fin_wait2", LOW))]
    async with hand(ROWS, page="Health") as h:
        await shown(h, view(*found))
        assert h.order() == [0, 1, 2]
        for _ in h.page.sheet.columns:
            await h.press("s", "S")
            assert sorted(h.order()) == [0, 1, 2]
