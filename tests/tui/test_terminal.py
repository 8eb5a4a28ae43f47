"""A real terminal: it is given back as it was, whatever ends the program, and the first screen is there soon."""

import os
import re
import select
import signal
import subprocess
import sys

import pytest

from tcpwatch.tui.app import TcpwatchApp
from tests.yardstick import slowness

from . import picture
from .glass import DEADLINE_S, ROOT, Glass, glass

ON, OFF = b"\x1b[?1049h", b"\x1b[?1049l"


def _drawn(g: Glass) -> bool:
    return "Nothing is wrong" in g.text() and "ESTABLISHED" in g.text()


def _restored(g: Glass) -> None:
    """The alternate screen left, the cursor shown, the mouse silent, and the line discipline as it was."""
    assert g.settings() == g.before
    assert g.raw.rfind(OFF) > g.raw.rfind(ON) > -1
    assert g.raw.rfind(b"\x1b[?25h") > g.raw.rfind(b"\x1b[?25l")
    assert g.raw.rfind(b"\x1b[?1000l") > g.raw.rfind(b"\x1b[?1000h")


@pytest.mark.parametrize("key", [b"q", b"\x03"], ids=["q", "ctrl-c"])
def test_the_terminal_is_given_back_after_a_key(key: bytes) -> None:
    """Both ways to quit end with 0."""
    with glass("23") as g:
        g.until(_drawn)
        g.type(key)
        assert g.ended() == 0
        _restored(g)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=lambda s: s.name)
def test_the_terminal_is_given_back_after_a_signal(number: signal.Signals) -> None:
    """Somebody else may end us."""
    with glass("23") as g:
        g.until(_drawn)
        os.kill(g.process.pid, number)
        g.ended()
        _restored(g)


def test_a_source_that_dies_at_once_ends_the_program_with_its_error() -> None:
    """There is nothing to look at: the message is on a terminal given back."""
    with glass("23", "--die-early") as g:
        assert g.ended() == 4
        _restored(g)
        assert b"the ring is gone: start again" in g.raw[g.raw.rfind(OFF) :]


def test_a_source_that_dies_later_leaves_its_picture_until_q() -> None:
    """The error is on the screen, and after q on the terminal."""
    with glass("23", "--die") as g:
        g.until(lambda g: "the source ended: the ring is gone" in g.text())
        g.type(b"q")
        assert g.ended() == 4
        _restored(g)


def test_a_feed_that_raises_does_not_take_the_terminal_with_it() -> None:
    """A fault of ours is still no reason to leave a broken terminal."""
    with glass("23", "--raise") as g:
        assert g.ended() == 1
        _restored(g)


def test_no_colour_is_written_where_none_is_wanted() -> None:
    """NO_COLOR, down to the bytes."""
    with glass("499", NO_COLOR="1") as g:
        g.until(_drawn)
        g.type(b"2")
        g.until(lambda g: "REMOTE" in g.text())
        g.type(b"j")
        g.until(lambda g: g.raw.count(b"\xe2\x96\x8c") > 1)
        styles = b" ".join(re.findall(rb"\x1b\[([0-9;]*)m", g.raw))
        assert {int(n) for n in re.split(rb"[; ]+", styles) if n} <= {0, 1, 2, 7, 39, 49}


def test_no_escape_of_a_process_name_reaches_the_terminal() -> None:
    """`\\x1b]0;owned` would set the title; what remains of it is text."""
    with glass("499", width=200, height=50) as g:
        g.until(_drawn)
        g.type(b"2")
        g.until(lambda g: "]0;owne" in g.text())
        assert b"\x1b]0;" not in g.raw
        assert b"\x9b31" not in g.raw.replace("\x9b".encode(), b"")


def test_the_first_screen_is_there_soon() -> None:
    """0.6 s on an idle machine, Python included. Of CPU time, as others may want the CPUs."""
    with glass("499") as g:
        g.until(_drawn)
        assert g.cpu_s() < 5.0 * slowness()


def test_it_works_in_sixteen_colours_at_the_smallest_size() -> None:
    """TERM says nothing of more; only the terminal's own colours are used."""
    with glass("499", width=80, height=24, TERM="linux") as g:
        g.until(_drawn)
        assert re.search(rb"[34]8;[25];", g.raw) is None


@pytest.mark.parametrize(("kind", "said"), [("dumb", "TERM is dumb"), ("", "TERM is not set")])
def test_a_terminal_that_cannot_be_drawn_on(kind: str, said: str) -> None:
    """It is told what to use instead, and no escape is written to it."""
    master, slave = os.openpty()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "tcpwatch", "replay", "docs/demo/demo.tcpw"],
            stdin=slave,
            stdout=slave,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={name: value for name, value in os.environ.items() if name != "TERM"}
            | ({"TERM": kind} if kind else {}),
            timeout=DEADLINE_S,
        )
        written, _, _ = select.select([master], [], [], 0)
    finally:
        os.close(master)
        os.close(slave)
    assert done.returncode == 2
    assert said in done.stderr
    assert "use tcpwatch events, life" in done.stderr
    assert not written


def test_it_ends_after_the_time_it_was_given() -> None:
    """--duration: the same ending as q, without a key."""
    feed = picture.Still(picture.connections(23))
    app = TcpwatchApp(feed, seconds=0.5)
    app.run(headless=True)
    assert app.return_code == 0
