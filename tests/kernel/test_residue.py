"""Is nothing left behind in the kernel, whatever way tcpwatch ends?"""

import json
import os
import re
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tcpwatch.scenarios.namespace import DEADLINE_S, Namespace, run

from .watch import Watch

KINDS = {"prog": "prog_id", "map": "map_id", "link": "link_id"}
Held = dict[str, set[int]]


def held_by(pid: int) -> Held:
    """The BPF objects a process has open, by number."""
    text = ""
    for path in Path(f"/proc/{pid}/fdinfo").iterdir():
        with suppress(FileNotFoundError):  # opened for a moment's look only
            text += path.read_text()
    return {kind: {int(n) for n in re.findall(rf"^{key}:\s*(\d+)", text, re.MULTILINE)} for kind, key in KINDS.items()}


def loaded() -> Held:
    """The BPF objects the kernel has, by number."""
    return {kind: {entry["id"] for entry in json.loads(run("bpftool", "-j", kind, "show"))} for kind in KINDS}


def names_in(*directories: str) -> set[str]:
    return {name for directory in directories if os.path.isdir(directory) for name in os.listdir(directory)}


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda end: end.name)
def test_nothing_is_left_in_the_kernel(room: Namespace, end: signal.Signals) -> None:
    """Programs, maps and links belong to file descriptors and go with the process; nothing is pinned or registered."""
    places = ("/sys/fs/bpf", "/sys/kernel/tracing", "/sys/kernel/debug")
    before = names_in(*places)
    with Watch("events", "--netns", room.name) as watch:
        ours = held_by(watch.process.pid)
        assert all(ours.values()), ours
        present = loaded()
        assert all(ours[kind] <= present[kind] for kind in KINDS)
        watch.end(end)
    give_up = time.monotonic() + DEADLINE_S
    while any(ours[kind] & left[kind] for left in [loaded()] for kind in KINDS):  # freed after a grace period
        assert time.monotonic() < give_up, loaded()
    assert names_in(*places) <= before
