"""Is nothing left behind, whatever way a scenario ends? Namespaces, processes and devices, after a good end, an
exception and every signal."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tcpwatch.errors import TcpwatchError
from tcpwatch.scenarios import SCENARIOS
from tcpwatch.scenarios.namespace import DEADLINE_S, run
from tcpwatch.scenarios.show import choose, play
from tcpwatch.scenarios.stage import Stage

# a relay, a firewall, a flood: everything that there can be to tidy up
KINDS = ["lossy_path", "reset_by_peer_idle", "syn_queue_full_flood"]
SCRIPT = """
import sys
from tcpwatch.scenarios import SCENARIOS
def audience(moment, stage):
    if moment == "ready":
        print("ready", flush=True)
while True:
    SCENARIOS[sys.argv[1]].run(audience=audience)
"""
SOON_S = 30.0


def residue(pid: int) -> list[str]:
    """What there is of a process's namespaces, of devices in ours that are named for it, and of its descendants."""
    found = [name for name in os.listdir("/run/netns") if name.startswith(f"tw-{pid}-")]
    found += [name for name in os.listdir("/sys/class/net") if name.startswith(f"{pid}-")]
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                command = (entry / "cmdline").read_bytes()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if f"tw-{pid}-".encode() in command:
                found.append(command.decode())
            elif b"scenarios/party.py" in command or b"scenarios/syns.py" in command:
                found += parted(entry, pid)
    return found


def parted(entry: Path, pid: int) -> list[str]:
    """An actor shows its namespace only by being in it, and its origin only by its parent."""
    try:
        parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [f"actor {entry.name}"] if parent == pid else []


def until_gone(pid: int) -> list[str]:
    """What is left when it had time enough."""
    give_up = time.monotonic() + SOON_S
    while (left := residue(pid)) and time.monotonic() < give_up:
        time.sleep(0.05)
    return left


@pytest.mark.parametrize("name", KINDS)
def test_after_a_good_end(name: str) -> None:
    """At once: run() returns when all is tidied up. Meanwhile there was something."""
    seen: list[str] = []
    SCENARIOS[name].run(3, audience=lambda moment, stage: seen.extend(residue(os.getpid())))
    assert any(entry.startswith("tw-") for entry in seen)
    assert any(entry.startswith("actor") for entry in seen)
    assert not residue(os.getpid())


class LostInterest(Exception):
    pass


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("moment", ["ready", "over"])
def test_after_an_exception(name: str, moment: str) -> None:
    """From the audience, at the beginning or at the end."""

    def leave(now: str, stage: Stage) -> None:
        if now == moment:
            raise LostInterest

    with pytest.raises(LostInterest):
        SCENARIOS[name].run(3, audience=leave)
    assert not residue(os.getpid())


def test_after_losing_interest_in_the_middle() -> None:
    """While a step runs in another process that would go on for much longer."""
    begin, left = time.monotonic(), []

    def leave() -> None:
        if time.monotonic() > begin + 0.5:
            left.append(time.monotonic())
            raise LostInterest

    with pytest.raises(LostInterest):
        SCENARIOS["stalled_zero_window"].run(3, glance=leave)
    assert time.monotonic() < left[0] + SCENARIOS["stalled_zero_window"].seconds - 1
    assert not residue(os.getpid())


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda end: end.name)
def test_after_a_signal(name: str, end: signal.Signals) -> None:
    """Also one that leaves no time to tidy up."""
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT, name], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.2)  # somewhere in the middle
        give_up = time.monotonic() + SOON_S
        while not residue(process.pid):  # it was just over, and begins again
            assert time.monotonic() < give_up
        process.send_signal(end)
        process.wait(DEADLINE_S)
        assert not until_gone(process.pid)


def test_an_actor_that_fails_is_told_of() -> None:
    """With its own words, and without residue."""
    with pytest.raises(TcpwatchError, match="Connection refused"), Stage() as stage:
        stage.client.do("connect", **stage.there)
    assert not residue(os.getpid())


def test_stop_ends_the_show() -> None:
    """In the middle of things, long before each has been looked at for long enough, with nothing left."""
    stop, begun = threading.Event(), []

    def begin(name: str, line: str) -> None:
        begun.append(name)
        if len(begun) == 3:
            stop.set()

    play(choose([]), begin, stop, look_s=SOON_S)
    assert len(begun) == 3
    assert not residue(os.getpid())


def test_our_own_namespace_is_left_alone() -> None:
    """No rule, no route and no device of ours is touched."""
    looks = (("nft", "list", "ruleset"), ("ip", "route", "show", "table", "all"), ("ip", "-o", "link", "show"))

    def look() -> list[str]:  # a router's routes have a time to live; other processes' cables come by here
        passing = rf"^\d+: (?!{os.getpid()}-)\d+-\d+t[:@].*\n|expires \d+sec"
        return [re.sub(passing, "", run(*one), flags=re.MULTILINE) for one in looks]

    before = look()
    SCENARIOS["reset_by_us_linger"].run(3)
    assert look() == before
