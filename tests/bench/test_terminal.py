"""Does the terminal say when something stood on the screen?"""

import sys
from pathlib import Path

import pytest

from bench.terminal import Terminal

# answers each key 0.2 s later; ends with Ctrl-C
PROGRAM = """
import sys, time, tty
tty.setraw(0)
print("ready", end="", flush=True)
while (key := sys.stdin.buffer.raw.read(1)) != b"\\x03":
    print("\\r\\nhalf an answer", end="", flush=True)
    time.sleep(0.2)
    print(f" to {key.decode()}", end="", flush=True)
"""
LATER_S = 0.2


def test_a_key_is_timed_until_its_answer_is_whole(tmp_path: Path) -> None:
    """Output that is not yet the answer does not stop the clock, and the screen has all that came."""
    with Terminal([sys.executable, "-c", PROGRAM], tmp_path) as terminal:
        terminal.until(lambda screen: "ready" in screen.display[0])
        took = terminal.press(b"x", lambda screen: "to x" in screen.display[1])
        assert LATER_S <= took < 100 * LATER_S
        assert terminal.text().splitlines()[:2] == ["ready", "half an answer to x"]


def test_an_answer_that_never_comes_is_an_error(tmp_path: Path) -> None:
    """A program that has ended is not waited for, and what it showed is told."""
    with (
        Terminal([sys.executable, "-c", "print('no')"], tmp_path) as terminal,
        pytest.raises(RuntimeError, match="it shows:\nno"),
    ):
        terminal.until(lambda screen: "yes" in screen.display[0])
