"""The recording that `make demo` shows: is it whole, worth showing, and free of the machine that made it?"""

import json
import subprocess
import sys
from pathlib import Path

from tcpwatch.recording.reader import Recording

SHOWN = {"refused", "no_answer", "accept_queue_full", "lossy_path", "out_of_ports", "stalled_zero_window"}


def test_it_is_whole(root: Path) -> None:
    """From its first frame to its index, with nothing lost."""
    with Recording(root / "docs" / "demo" / "demo.tcpw") as recording:
        frames = list(recording.frames())
        assert (recording.complete, recording.dropped) == (True, None)
    assert frames[-1].final
    assert not frames[-1].tally["lost"].any()
    assert sum(frame.snapshot is not None for frame in frames) > 10


def test_it_shows_trouble(root: Path) -> None:
    """Replayed without the kernel, many kinds of it, 23 times each."""
    command = [sys.executable, "-m", "tcpwatch", "life", "--from", "docs/demo/demo.tcpw", "--format", "jsonl"]
    lives = [
        json.loads(line) for line in subprocess.check_output(command, cwd=root, stderr=subprocess.DEVNULL).splitlines()
    ]
    counts = {verdict: sum(life["verdict"] == verdict for life in lives) for verdict in SHOWN}
    assert counts == dict.fromkeys(SHOWN, 23)


def test_it_tells_nothing_of_its_maker(root: Path) -> None:
    """Neither names nor paths nor cgroups of that machine."""
    with Recording(root / "docs" / "demo" / "demo.tcpw") as recording:
        frames = list(recording.frames())
    assert {frame.host.name for frame in frames} == {"demo"}
    assert not any(frame.cgroups for frame in frames)
    told = {text for frame in frames for one in frame.processes for text in (one.command, one.cgroup)}
    assert not any("/" in text for text in told)
    assert all(name.startswith("tw-") for frame in frames for _, name in frame.namespaces)
