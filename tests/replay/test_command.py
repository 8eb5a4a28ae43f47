"""What does `tcpwatch replay` say when its screen is gone?"""

import sys
from pathlib import Path

import pytest

from bench.terminal import Terminal
from tcpwatch.recording.reader import Recording
from tcpwatch.recording.writer import Writer

from . import town

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("damaged", [False, True])
def test_damage_that_was_met_is_said_in_the_end(tmp_path: Path, damaged: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """In full, as on the screen there may be no room for it; with the exit code of a bad file."""
    monkeypatch.setattr("bench.terminal._DEADLINE_S", 120.0)  # a busy machine takes long to load all of it
    path = tmp_path / "town.tcpw"
    writer = Writer(path)
    for frame in town.frames(10):
        writer.write(frame)
    writer.close()
    if damaged:
        raw = bytearray(path.read_bytes())
        with Recording(path) as recording:
            raw[recording.segments[-1].offset + 3000] ^= 1
        path.write_bytes(raw)
    with Terminal([sys.executable, "-m", "tcpwatch", "replay", str(path)], ROOT) as terminal:
        terminal.until(lambda screen: "nginx" in terminal.text() or "1 Health" in terminal.text())
        terminal.press(b">", lambda screen: "the recording ends here" in terminal.text())
        terminal.press(b"q", lambda screen: terminal.process.poll() is not None or not damaged or said(terminal))
        terminal.rest(0.2)
        assert terminal.process.wait(60) == (5 if damaged else 0)
        assert said(terminal) is damaged


def said(terminal: Terminal) -> bool:
    return "tcpwatch: the recording is damaged at byte" in terminal.text()
