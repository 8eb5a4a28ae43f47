"""The details of one connection: is everything there, in words, and nothing invented?"""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tcpwatch import rows as shapes
from tcpwatch import wire
from tcpwatch.tracker.view import Focus, Key
from tcpwatch.tui.detail import Detail
from tcpwatch.tui.lines import length
from tcpwatch.verdicts import Explanation

from . import picture
from .hand import Hand, hand

pytestmark = pytest.mark.asyncio
ROWS = picture.connections(97)[:1].copy()
ROWS["state"], ROWS["flags"] = wire.ESTABLISHED, shapes.HAS_COUNTERS
KEY = Key(int(ROWS["netns"][0]), int(ROWS["cookie"][0]))
NOW_NS = picture.NOW_NS - picture.OFFSET_NS
OVER = {"state": wire.CLOSE, "flags": shapes.CLOSED | shapes.HAS_COUNTERS}


def a_focus(row: dict[str, Any] | None = None, socket: dict[str, Any] | None = None, **more: Any) -> Focus:
    """The picture's, with these facts in place of its own."""
    made = picture.focus(ROWS, KEY)
    assert made is not None
    assert made.socket is not None
    for name, value in (row or {}).items():
        made.row[name] = value
    for name, value in (socket or {}).items():
        made.socket[name] = value
    return replace(made, **more)


async def page(h: Hand, focus: Focus) -> str:
    """All lines of the details, also those below the screen's edge."""
    if not isinstance(h.app.screen, Detail):
        h.app.look_at(KEY)
    h.feed.put(picture.view(ROWS, focus=focus))
    await h.settle()
    assert isinstance(h.app.screen, Detail)
    return "\n".join("".join(text for text, _ in line) for line in h.app.screen.lines.lines)


@pytest.mark.parametrize(
    ("size", "words"),
    [
        ((80, 24), ("verdict", "life", "now", "limits", "cwnd", "RTT", "sent again")),
        ((120, 40), ("verdict", "to do", "life", "now", "limits", "cwnd", "RTT", "HANDSHAKE", "WINDOWS AND TIMERS")),
        ((200, 50), ("windows", "SENT AGAIN", "ENDING", "COUNTERS", "segments in")),
    ],
)
async def test_what_matters_is_on_the_first_screen(size: tuple[int, int], words: tuple[str, ...]) -> None:
    """Without scrolling; the larger the screen, the more of it."""
    async with hand(ROWS, size=size) as h:
        h.app.look_at(KEY)
        await h.settle()
        seen = h.text()
        assert [word for word in words if word not in seen] == []


@pytest.mark.parametrize("width", [80, 109, 120, 169, 170, 200, 250])
async def test_everything_is_there_at_every_width(width: int) -> None:
    """Further down, and no line is wider than the screen."""
    async with hand(ROWS, size=(width, 24)) as h:
        text = await page(h, a_focus())
        for title in ("HANDSHAKE", "CONGESTION", "WINDOWS AND TIMERS", "SENT AGAIN", "ENDING", "COUNTERS", "EVIDENCE"):
            assert title in text
        assert all(word in text for word in ("windows", "EVENTS", "cgroup", "to do"))
        assert isinstance(h.app.screen, Detail)
        assert max(length(line) for line in h.app.screen.lines.lines) <= width - 3


async def test_the_verdict_is_at_the_top() -> None:
    """Its code, how sure it is, the sentence and what to do; what it rests on further down."""
    said = Explanation("no_answer", "Nobody answers.", False, ((NOW_NS, "SYN_SENT"),), "Look at the firewall.")
    async with hand(ROWS, size=(120, 40)) as h:
        lines = (await page(h, a_focus(explanation=said))).splitlines()
        assert "✕ no_answer (likely): Nobody answers." in lines[4]
        assert "→ Look at the firewall." in lines[5]
        assert any(line.startswith("15:06:40.000") or line.rstrip().endswith("SYN_SENT") for line in lines[20:])


async def test_no_verdict_is_one_calm_line_or_none() -> None:
    """Nothing is wrong, or nobody has judged yet."""
    async with hand(ROWS) as h:
        calm = await page(h, a_focus(explanation=Explanation(None, "Nothing is wrong with it.", False)))
        assert "verdict  · Nothing is wrong with it." in calm
        assert "verdict" not in await page(h, a_focus(explanation=None))


async def test_what_it_does_now() -> None:
    """The phase, what limits it, what is under way, and the timer that runs."""
    async with hand(ROWS) as h:
        text = await page(h, a_focus())
        line = next(line for line in text.splitlines() if line.startswith("now"))
        assert "congestion avoidance   limited by path   under way 22 of 38, 32 KB   retransmission in 180ms" in line
        text = await page(h, a_focus({"ca_state": 3}))
        assert "fast recovery   limited by" in text
        focus = a_focus()
        assert focus.socket is not None
        focus.socket["options"] &= ~np.uint16(wire.CWND_LIMITED)
        focus.socket["cwnd"], focus.socket["mss"], focus.socket["srtt_us"] = 40, 1448, 20_000
        assert "limited by pacing   under way" in await page(h, focus)


async def test_a_peer_that_takes_no_more() -> None:
    """Since when, as the first thing that is said."""
    async with hand(ROWS) as h:
        stalled = a_focus({"stalled_ns": NOW_NS - 12 * picture.SECOND}, {"snd_wnd": 0, "probes": 3})
        text = await page(h, stalled)
        assert "now      ✕ stalled for 12s: the peer's window is shut   ✕ 3 probes without an answer" in text
        assert "peer's window 0 B, shut" in text


async def test_an_unanswered_call() -> None:
    """How long, how often, and when it will be tried again; nothing of what the kernel only begins with."""
    async with hand(ROWS) as h:
        causes = np.zeros(len(wire.CAUSES), "u2")
        causes[wire.SYN] = 2
        facts = {"state": wire.SYN_SENT, "path_len": 1, "established_ns": 0, "causes": causes, "retrans": 2}
        text = await page(h, a_focus(facts, {"state": wire.SYN_SENT}))
        assert "now      no answer to our SYN for 2m13s   sent again 2×   retransmission in 180ms" in text
        assert "2m13s, not established" in text
        assert "sent again    2 SYN" in text
        assert "MSS           –" in text


async def test_the_time_left_in_time_wait() -> None:
    """Said at the top and with the ending."""
    async with hand(ROWS) as h:
        small = {"sort": wire.TIME_WAIT_SORT, "state": wire.TIME_WAIT, "timer_ticks": 41 * 250}
        text = await page(h, a_focus({**OVER, "state": wire.TIME_WAIT}, small))
        assert "holds its ports for another 41s" in text
        assert "TIME_WAIT     41s left" in text


async def test_the_shares_of_its_time() -> None:
    """A bar and words; where the beginning was not seen, of the time with data to send alone."""
    async with hand(ROWS) as h:
        text = await page(h, a_focus())
        line = next(line for line in text.splitlines() if line.startswith("limits"))
        assert "█ path 71 %  ▓ receiver 0 %  ▒ send buffer 4.0 %  ░ application 25 %  of 2m12s" in line
        bar = line[9:].split("  ")[0]
        assert (bar.count("█"), bar.count("▓"), bar.count("▒"), bar.count("░")) == (19, 0, 1, 7)
        text = await page(h, a_focus({"established_ns": 0}))
        assert "░ application" not in text
        assert "of 1m40s with data to send" in text


async def test_what_was_sent_again_and_why() -> None:
    """By cause; what was sent again before we came has none."""
    async with hand(ROWS) as h:
        text = await page(h, a_focus({"retrans": 14, "spurious": 3}))
        assert "segments      14 of 4,012, 0.3 %" in text
        for name, count in (("time-out", 3), ("fast", 9), ("not seen", 2)):
            assert f"{name:<14}{count:>6} ▇" in text
        assert "in vain       3 (DSACK)" in text


SENT = {**OVER, "resets_sent": 1, "reset_ns": NOW_NS, "closed_ns": NOW_NS}


async def test_a_reset_with_the_kernel_s_reason() -> None:
    """Who, when, why, in the kernel's own word too."""
    async with hand(ROWS) as h:
        given = {"reset_flags": wire.EVENT_SOCKET | wire.EVENT_REASON, "reset_reason": 2}
        text = await page(h, replace(a_focus({**SENT, **given}), socket=None))
        assert "resets        1 sent, 0 received" in text
        assert "kernel says   tcp invalid ack" in text
        assert "(inferred)" not in text
        assert "first FIN     nobody: it was cut off" in text


async def test_a_reset_without_one() -> None:
    """What is inferred is marked so."""
    async with hand(ROWS) as h:
        text = await page(h, a_focus({**SENT, "reset_flags": wire.EVENT_SOCKET | wire.EVENT_LINGER}))
        assert "why           SO_LINGER with 0 s" in text
        assert "(inferred)" in text
        assert "by            " in text


async def test_who_closed_first_and_for_how_long_one_side_was_open() -> None:
    """While it lasts, and when it is over."""
    async with hand(ROWS) as h:
        waits = {"state": wire.CLOSE_WAIT, "path_len": 3, "path_state": [2, 1, 8] + [0] * 7}
        waits["path_ns"] = [1, 2, NOW_NS - 5 * picture.SECOND] + [0] * 7
        text = await page(h, a_focus(waits))
        assert "first FIN     the peer" in text
        assert "half-closed   5.0s so far" in text


async def test_a_bad_deal_is_said_in_words() -> None:
    """The grave one at the top, with what it costs."""
    async with hand(ROWS, size=(120, 40)) as h:
        text = await page(h, a_focus(None, {"options": wire.SACK | wire.TIMESTAMPS}))
        assert "deal     ▲ No window scaling" in text
        assert "1.7 MB a second over 38 ms" in text
        assert "window scale  no" in text
        assert "deal" not in await page(h, a_focus())


async def test_what_is_gone_with_the_socket_is_left_out() -> None:
    """An ended connection has no timers: that is not unknown, it is over."""
    async with hand(ROWS) as h:
        text = await page(h, replace(a_focus(OVER), socket=None))
        assert "timer " not in text
        assert "pacing" not in text
        assert "SACK" in text
        assert "cwnd          38 segments" in text


async def test_what_is_not_known_is_a_dash() -> None:
    """A live connection that no snapshot has held yet."""
    async with hand(ROWS) as h:
        blind = {"moved_ns": 0, "srtt_us": 0, "min_rtt_us": 0, "flags": 0, "mss": 0, "cwnd": 0, "opened_ns": 0}
        samples, events = np.empty(0, shapes.SAMPLE), np.empty(0, wire.EVENT)
        blind |= {"again_ns": 0, "causes": 0, "established_ns": 0}
        text = await page(h, replace(a_focus(blind), samples=samples, events=events, socket=None))
        for name in ("took", "MSS", "SACK", "ECN", "cwnd", "ssthresh", "RTT", "RTO", "timer", "our window", "received"):
            assert f"{name:<14}–" in text, name
        assert "fewer than two so far" in text
        assert "limits" not in text


async def test_the_plots() -> None:
    """The window over what is under way, its bounds dotted; a mark under the moment a segment was sent again, and a
    line through the plots."""
    async with hand(ROWS, size=(120, 40)) as h:
        lines = (await page(h, a_focus())).splitlines()
        at = next(i for i, line in enumerate(lines) if line.startswith("cwnd"))
        assert "now 59 segments  ⢕ under way 36  ┄ ssthresh 24  ╌ peer's window 45  lowest 10" in lines[at]
        marks = next(line for line in lines if line.startswith("events"))
        plot = lines[at + 1 : lines.index(marks)]
        assert all(sign in "".join(plot) for sign in "┄╌⢕")
        columns = [i for i, letter in enumerate(marks) if letter == "▲"]
        assert len(columns) == 4
        assert all(any(line[column] == "┊" for line in plot) for column in columns[1:])


async def test_states_are_marked_though_their_events_are_gone() -> None:
    """Under a flood the log forgets soon; the path does not."""
    async with hand(ROWS) as h:
        text = await page(h, replace(a_focus(), events=np.empty(0, wire.EVENT)))
        assert "◆ state" in text
        assert next(line for line in text.splitlines() if line.startswith("events")).count("◆") == 1
        assert text.rstrip().endswith("none kept")


async def test_a_shut_window_is_marked_until_it_opens() -> None:
    """From the snapshot that saw it shut to the next one."""
    async with hand(ROWS, size=(120, 60)) as h:
        focus = a_focus()
        samples = focus.samples.copy()
        samples["snd_wnd"][120:180] = 0
        lines = (await page(h, replace(focus, samples=samples))).splitlines()
        at = next(i for i, line in enumerate(lines) if line.startswith("windows"))
        assert "× shut" in lines[at]
        bottom = next(line for line in lines[at + 1 :] if "×" in line)[9:]
        shut = [i / len(bottom.rstrip()) for i, letter in enumerate(bottom) if letter == "×"]
        assert 20 <= len(shut) <= 35
        assert bottom.strip(" │┤0┊").count("×") == len(shut)


async def test_events_give_a_short_life_its_curves() -> None:
    """One snapshot is no curve, or none; the measures that came with events make one of it."""
    async with hand(ROWS) as h:
        focus = a_focus()
        for samples in (focus.samples[:1], focus.samples[:0]):
            text = await page(h, replace(focus, samples=samples))
            assert "highest 30" in text
            assert ("the peer's not measured so far" in text) == (not len(samples))
            assert any(0x2800 < ord(letter) < 0x2900 for letter in text)


async def test_what_never_met_has_no_congestion() -> None:
    """A refused call: what the kernel begins with says nothing about the path."""
    async with hand(ROWS) as h:
        refused = {**OVER, "path_len": 1, "established_ns": 0, "error": 111, "closed_ns": NOW_NS, "resets_received": 1}
        text = await page(h, replace(a_focus({**refused, "reset_ns": NOW_NS}), socket=None))
        assert "CONGESTION" not in text
        assert "error         ECONNREFUSED" in text
        assert "nothing listens there" in text


async def test_very_many_events_are_counted_not_drawn() -> None:
    """A lossy connection looked at for an hour: the newest ones, and how many there are besides."""
    async with hand(ROWS) as h:
        focus = a_focus()
        text = await page(h, replace(focus, events=np.resize(focus.events, 700)))
        assert text.rstrip().endswith("… and 200 older ones")
