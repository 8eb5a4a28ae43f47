"""Each key of the contract, and the cursor that stays with its connection."""

import time
from dataclasses import replace

import numpy as np
import pytest
from textual.events import MouseScrollDown
from textual.widgets import Input

from tcpwatch import rows as shapes
from tcpwatch import wire
from tcpwatch.errors import BadInput, KernelLacks
from tcpwatch.frame import Probe
from tcpwatch.tracker.view import Key, View
from tcpwatch.tui import connections
from tcpwatch.tui.app import TcpwatchApp
from tcpwatch.tui.detail import Detail
from tcpwatch.tui.lines import Lines
from tcpwatch.tui.sheet import Kind
from tests.yardstick import slowness

from . import picture
from .hand import hand

pytestmark = pytest.mark.asyncio
ROWS = picture.connections(997)


async def test_the_first_screen_shows_the_machine_and_its_connections() -> None:
    """Host, kernel, probes, time, states, rates and the table, at once."""
    async with hand(ROWS, size=(160, 40)) as h:
        text = h.text()
    for word in ("web-7", "6.18.5-amd64", "core", "✓ 5/5 probes", "up 00:12:41", "ESTABLISHED", "TIME_WAIT", "new"):
        assert word in text
    for word in ("closed", "retrans", "resets", "lost 0", "[2 Connections]", "STATE▲", "REMOTE", "RETR"):
        assert word in text


async def test_moving_keys_move_the_cursor() -> None:
    """j k g G, arrows and pages, clamped at both ends."""
    async with hand(ROWS) as h:
        last = len(h.order()) - 1
        page = h.table.size.height - 1
        for keys, line in (
            (("j", "j", "down"), 3),
            (("k", "up"), 1),
            (("pagedown",), 1 + page),
            (("pageup", "pageup"), 0),
            (("G",), last),
            (("j",), last),
            (("g",), 0),
            (("end",), last),
            (("home",), 0),
        ):
            await h.press(*keys)
            assert h.table.cursor == line


async def test_the_cursor_stays_with_its_connection_and_its_place_while_data_moves() -> None:
    """Above and below it lines come, go and change places; it does not move on the screen."""
    async with hand(ROWS) as h:
        await h.press("G", *["pageup"] * 9, *["j"] * 7)
        cookie, line = h.cookie(), h.screen_line()
        chance = np.random.default_rng(3)
        for _ in range(5):
            moved = ROWS[chance.random(len(ROWS)) < 0.9]
            if cookie not in moved["cookie"]:
                moved = np.concatenate([moved, ROWS[ROWS["cookie"] == cookie]])
            moved = chance.permutation(moved)
            moved["age_ms"] = chance.random(len(moved))
            await h.next(moved)
            assert (h.cookie(), h.screen_line()) == (cookie, line)


async def test_a_cursor_on_a_connection_that_is_gone_stays_on_its_line() -> None:
    """It takes the neighbour that moved up, and stays with that one from then on."""
    async with hand(ROWS) as h:
        await h.press(*["j"] * 5)
        gone, neighbour = h.cookie(), int(ROWS["cookie"][h.order()[6]])
        await h.next(ROWS[ROWS["cookie"] != gone])
        assert (h.cookie(), h.table.cursor) == (neighbour, 5)
        await h.next(ROWS)
        assert (h.cookie(), h.table.cursor) == (neighbour, 6)


async def test_an_untouched_cursor_rests_at_the_top() -> None:
    """Before the first key, and after g, what comes first is shown first."""
    newcomer = ROWS[:1].copy()
    newcomer["cookie"], newcomer["state"], newcomer["opened_ns"], newcomer["flags"] = (
        5_000,
        wire.SYN_SENT,
        picture.NOW_NS,
        0,
    )
    async with hand(ROWS) as h:
        await h.next(np.concatenate([ROWS, newcomer]))
        assert (h.cookie(), h.table.cursor, h.table.scroll_y) == (5_000, 0, 0)
        await h.press("j", "g")
        await h.next(ROWS)
        assert h.table.cursor == 0


async def test_s_cycles_through_the_columns_and_capital_s_turns_them() -> None:
    """All columns that are seen, each in its usual direction, and round again."""
    async with hand(ROWS) as h:
        seen = [c.name for c, _ in h.page.titles.columns()]
        passed = [h.page.wish.sort]
        for _ in seen:
            await h.press("s")
            passed.append(h.page.wish.sort)
        assert passed == [*seen, seen[0]]
        await h.press("s", "s", "s", "s", "s")
        assert (h.page.wish.sort, h.page.wish.descending) == ("rtt", True)
        assert "▼RTT" in h.text()
        down = ROWS["rtt_us"][h.order()]
        await h.press("S")
        up = ROWS["rtt_us"][h.order()]
        assert "▲RTT" in h.text()
    known = np.count_nonzero(~np.isnan(down))
    assert (np.diff(down[:known]) <= 0).all()
    assert (np.diff(up[:known]) >= 0).all()
    assert np.isnan(down[known:]).all()
    assert np.isnan(up[known:]).all()


async def test_a_click_on_a_title_sorts_and_another_turns() -> None:
    """The mouse does what s and S do."""
    async with hand(ROWS) as h:
        x = h.lines()[3].index("RTT")
        await h.click(x, 3)
        assert (h.page.wish.sort, h.page.wish.descending) == ("rtt", True)
        await h.click(x, 3)
        assert (h.page.wish.sort, h.page.wish.descending) == ("rtt", False)


async def test_a_click_on_a_line_moves_there_and_a_second_opens_it() -> None:
    """As in any list."""
    async with hand(ROWS) as h:
        await h.click(20, 10)
        assert h.table.cursor == 6
        await h.click(20, 10, times=2)
        assert isinstance(h.app.screen, Detail)


async def test_the_wheel_takes_the_cursor_along() -> None:
    """The cursor is always on the screen."""
    async with hand(ROWS) as h:
        for _ in range(9):
            await h.pilot._post_mouse_events([MouseScrollDown], None, (20, 10))
        await h.settle()
        assert 0 <= h.screen_line() < h.table.size.height
        assert h.table.scroll_y > 0


async def test_the_filter_narrows_while_it_is_typed() -> None:
    """Enter keeps it and says how much is left; Escape in the table clears it."""
    async with hand(ROWS) as h:
        everything = len(h.order())
        await h.press("slash")
        await h.type("state established")
        wanted = np.count_nonzero(ROWS["state"] == wire.ESTABLISHED)
        assert len(h.order()) == wanted
        await h.press("enter")
        assert f"{wanted} of {everything} shown" in h.text()
        assert "/ state established" in h.text()
        await h.press("j", "escape")
        assert len(h.order()) == everything


async def test_escape_in_the_filter_drops_it() -> None:
    """Back to everything, and the keys are the table's again."""
    async with hand(ROWS, "state established") as h:
        await h.press("slash")
        assert h.app.screen.query_one(Input).value == "state established"
        await h.press("escape", "j")
        assert (h.app.expression, h.table.cursor, h.app.focused) == ("", 1, h.table)


async def test_a_fault_is_marked_under_the_word_and_the_last_good_filter_stays() -> None:
    """The caret is under the fault, the message under the caret; Enter does not keep nonsense."""
    async with hand(ROWS) as h:
        await h.press("slash")
        await h.type("state established and rttx > 5")
        lines = h.lines()
        at = next(i for i, line in enumerate(lines) if "rttx" in line)
        assert lines[at + 1].index("^") == lines[at].index("rttx")
        assert "rttx" in lines[at + 2]
        await h.press("enter")
        assert isinstance(h.app.focused, Input)
        await h.press(*["backspace"] * len(" and rttx > 5"), "enter")
        assert h.app.expression == "state established"
        assert not isinstance(h.app.focused, Input)


async def test_how_a_filter_was_read_is_said_when_it_is_kept() -> None:
    """Where an expression means something else than it seems to, the user should know."""
    async with hand(ROWS) as h:
        await h.press("slash")
        await h.type("rtt > 5 or cwnd > 3 and mss > 1")
        await h.press("enter")
        assert "`and` and `or` are read from left to right" in h.text()


async def test_letters_in_the_filter_are_letters() -> None:
    """q, ?, space and digits are typed, not obeyed."""
    async with hand(ROWS) as h:
        await h.press("slash")
        await h.type("q ? t e s 1")
        assert h.app.screen.query_one(Input).value == "q ? t e s 1"
        assert (h.app.paused, h.app.with_closed) == (False, False)


async def test_enter_opens_the_details_and_escape_leads_back() -> None:
    """The feed is told where to look, and when to look away."""
    async with hand(ROWS) as h:
        await h.press("j", "j", "enter")
        assert h.feed.key == connections.key(picture.view(ROWS), ROWS, h.order()[2])
        text = h.text()
        for word in (
            "life",
            "SYN_SENT",
            "41ms",
            "RTT",
            "cwnd",
            "ssthresh",
            "lossy_path (certain)",
            "HANDSHAKE",
            "CONGESTION",
        ):
            assert word in text
        assert any(0x2800 < ord(letter) < 0x2900 for letter in text)
        await h.press("escape")
        assert h.feed.key is None
        assert h.app.screen is h.app.desk


async def test_details_follow_the_views() -> None:
    """A state change seen while one looks is on the screen with the next view."""
    async with hand(ROWS) as h:
        await h.press("enter")
        moved = ROWS.copy()
        moved["state"] = wire.CLOSE_WAIT
        await h.next(moved)
        assert "CLOSE_WAIT" in h.lines()[0]


async def test_details_of_a_connection_without_history_say_so() -> None:
    """Until the feed answers there is what the table knows; of what is gone, nothing is invented."""
    async with hand(ROWS) as h:
        await h.press("enter")
        h.feed.put(picture.view(ROWS, seconds=1))
        await h.settle()
        assert "its history comes with the next picture" in h.text()
        assert "SYN_SENT" in h.lines()[0]
        await h.next(ROWS[ROWS["cookie"] == 0])
        assert "This connection is not there now" in h.text()


async def test_space_stops_the_picture_and_starts_it_again() -> None:
    """The sign is clear, nothing moves, and on going on the newest is shown."""
    async with hand(ROWS) as h:
        await h.press("space")
        before = h.order()
        await h.next(ROWS[:500])
        assert "PAUSED" in h.text()
        assert h.order() == before
        await h.press("space")
        assert "PAUSED" not in h.text()
        assert max(h.order()) < 500


async def test_details_opened_while_paused_have_their_history() -> None:
    """The picture stands still; the one connection asked for is told of nevertheless."""
    async with hand(ROWS) as h:
        await h.press("space", "enter")
        await h.settle()
        assert "HANDSHAKE" in h.text()
        assert "PAUSED" in h.text()


async def test_t_shows_closed_connections_with_a_sign() -> None:
    """Dim alone would be colour; the sign says it too."""
    async with hand(ROWS, "state closed") as h:
        assert h.order() == []
        await h.press("t")
        closed = np.count_nonzero(ROWS["flags"] & shapes.CLOSED)
        assert len(h.order()) == closed
        assert "× CLOSE" in h.text()


async def test_digits_and_tab_lead_to_the_views() -> None:
    """In the order of the table of views, round and round."""
    async with hand(ROWS) as h:
        for key, name in (
            ("3", "Listeners"),
            ("4", "Ports"),
            ("5", "Idle"),
            ("6", "Events"),
            ("tab", "Health"),
            ("tab", "Connections"),
            ("1", "Health"),
        ):
            await h.press(key)
            assert f"{name}]" in h.lines()[0]
        await h.press("shift+tab")
        assert "6 Events]" in h.lines()[0]


async def test_listeners_show_their_queues() -> None:
    """How many wait, of how many, and a word when it is full."""
    async with hand(ROWS) as h:
        await h.press("3")
        assert {int(s) for s in ROWS["state"][h.order()]} == {wire.LISTEN}
        assert all(word in h.text() for word in ("ACCEPT QUEUE", "DROPS", "HINT", "/128"))
    rows = ROWS[ROWS["state"] == wire.LISTEN][:2].copy()
    rows["recv_queue"], rows["send_queue"], rows["flags"] = (128, 12), 128, 0
    async with hand(rows) as h:
        await h.press("3")
        assert "128/128  full" in h.lines()[4]
        assert "12/128" in h.lines()[5]


async def test_events_follow_until_the_cursor_is_moved() -> None:
    """A held event stays where it is while newer ones arrive above; g follows again."""
    async with hand(ROWS) as h:
        await h.press("6")
        assert "following" in h.text()
        await h.press("j", "j", "j")
        assert "g follows" in h.text()
        view = h.feed.latest()
        assert view is not None
        shown = h.table.shown
        assert shown is not None
        held = shown.view.events[h.order()[3]]["time_ns"]
        more = picture.happenings(ROWS, 10)
        grown = picture.view(ROWS, seconds=1)
        object.__setattr__(grown, "events", np.concatenate([grown.events, more])[10:])
        object.__setattr__(grown, "events_total", view.events_total + 10)
        h.feed.put(grown)
        await h.settle()
        shown = h.table.shown
        assert shown is not None
        assert shown.view.events[h.order()[h.table.cursor]]["time_ns"] == held
        assert h.screen_line() == 3


async def test_enter_on_an_event_opens_its_connection() -> None:
    """From the stream to the life that it happened in."""
    async with hand(ROWS) as h:
        await h.press("6", "j", "enter")
        about = picture.view(ROWS).events[-2]
        assert h.feed.key == Key(int(about["netns"]), int(about["cookie"]), int(about["time_ns"]))


async def test_question_mark_explains_keys_numbers_and_probes() -> None:
    """Opened once, however often it is pressed."""
    async with hand(ROWS, size=(100, 90)) as h:
        await h.press("question_mark")
        assert h.app.screen.query(Lines).first().lines
        assert all(word in h.text() for word in ("filter as you type", "retransmit ratio", "inet_sock_set_state"))
        await h.press("question_mark")
        assert h.app.screen is h.app.desk


async def test_a_missing_probe_and_lost_events_are_said_on_the_first_screen() -> None:
    """Numbers that are too low must not look like numbers."""
    async with hand(ROWS) as h:
        h.feed.put(picture.view(ROWS, missing=1, lost=1_204))
        await h.settle()
        assert "▲ 4/5 probes" in h.text()
        assert "lost ▲ 1.2 K" in h.text()


async def test_a_refused_hook_on_a_function_is_no_alarm() -> None:
    """The kernel's counters serve in its place; how many are attached is said all the same."""
    refused = Probe("cookie_v4_check", "fexit", "peers of SYN cookies", False, "EPERM", refused=True)
    async with hand(ROWS) as h:
        view = picture.view(ROWS)
        h.feed.put(replace(view, probes=(*view.probes, refused)))
        await h.settle()
        assert "✓ 5/6 probes" in h.text()


class _Exporting(TcpwatchApp):
    """With an export that answers with what it was given, and a recorder."""

    def __init__(
        self, feed: picture.Still, expression: str = "", *, loader: str = "", theme: str | None = None
    ) -> None:
        super().__init__(feed, expression, loader=loader, theme=theme, export=self._out, recorder=self)
        self.on = False

    def _out(self, view: View, kind: Kind, which: np.ndarray) -> str:
        if not len(which):
            raise BadInput("no such place")
        return f"wrote {len(which)} of {len(getattr(view, kind))} {kind}"

    def toggle(self) -> str:
        self.on = not self.on
        return "recording to x.tcpw" if self.on else "recorded"

    def progress(self) -> tuple[int, int] | None:
        return (192 * 10**9, 1_234_567) if self.on else None

    def fault(self) -> str:
        return ""


async def test_e_exports_what_is_shown() -> None:
    """Of whatever view it is, no more than the filter picks; the answer is shown, and so is a refusal."""
    async with hand(ROWS, "state established", app=_Exporting) as h:
        await h.press("e")
        assert f"wrote {len(h.order())} of 997 connections" in h.text()
        assert 0 < len(h.order()) < 997
        await h.press("6", "e")
        assert f"wrote {len(h.order())} of 200 events" in h.text()
        await h.next(ROWS[:0])
        await h.press("e")
        assert "not exported: no such place" in h.text()


async def test_e_in_the_details_exports_that_connection() -> None:
    """It alone, wherever it stands in the view; and where it is not any more, that is said."""
    async with hand(ROWS, "state established", app=_Exporting) as h:
        await h.press("enter", "e")
        assert "wrote 1 of 997 connections" in h.text()
        await h.next(ROWS[:0])
        await h.press("e")
        assert "not exported: this connection is not there now" in h.text()


async def test_r_records_with_a_sign() -> None:
    """A recording nobody sees is a full disk."""
    async with hand(ROWS, app=_Exporting) as h:
        await h.press("r")
        assert "● REC 00:03:12  1.2 MB" in h.text()
        assert "recording to x.tcpw" in h.text()
        await h.press("r")
        assert "● REC" not in h.text()


async def test_what_is_not_there_says_so() -> None:
    """e and r without anything behind them."""
    async with hand(ROWS) as h:
        await h.press("e")
        assert "export is not available here" in h.text()
        await h.press("r")
        assert "recording is not available here" in h.text()


async def test_a_dead_source_leaves_the_last_picture_and_says_why() -> None:
    """One can still read what was there."""
    async with hand(ROWS) as h:
        h.feed.die(KernelLacks("the ring is gone"))
        await h.settle()
        assert "the source ended: the ring is gone" in h.text()
        await h.press("j")
        assert h.table.cursor == 1


@pytest.mark.parametrize("key", ["q", "ctrl+c"])
async def test_q_and_ctrl_c_quit_also_from_the_details(key: str) -> None:
    """Without a question."""
    async with hand(ROWS) as h:
        await h.press("enter")
        await h.quit(key)
        assert not h.app.is_running


async def test_an_empty_machine_is_an_empty_table() -> None:
    """No connection, no event, no crash, whatever is pressed."""
    async with hand(ROWS[:0]) as h:
        await h.press("j", "G", "enter", "s", "S", "t", "3", "6", "enter", "1", "enter", "2", "pagedown")
        assert "0 connections" in h.text()


@pytest.mark.usefixtures("undisturbed")
async def test_keys_are_quick_with_a_hundred_thousand_connections() -> None:
    """Of this thread's CPU time, as others may want the CPUs. The bound is generous; a terminal measures 5 to 50 ms."""
    async with hand(picture.connections(100_000), size=(200, 50)) as h:
        took = {}
        for key in ("j", "pagedown", "G", "g", "s", "S", "t", "3", "2"):
            begin = time.thread_time()
            await h.press(key)
            took[key] = time.thread_time() - begin
        assert max(took.values()) < 1.0 * slowness(), took
        assert len(h.order()) > 80_000
