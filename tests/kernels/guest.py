"""What happens inside of a guest? Runs the lanes one after the other and tells of each, of the kernel's own log and of
what is left behind, one JSON object a line. To be run there: python -m tests.kernels.guest PLACE LANE..."""

import json
import os
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from tcpwatch.scenarios.namespace import DEADLINE_S
from tests.kernels.lanes import LANES, Lane
from tests.kernels.verifier import instructions

PYTHON = sys.executable
ALIVE_S = 10.0  # after that much silence whoever listens is told that it goes on
CLOCK = Path("/sys/devices/system/clocksource/clocksource0/current_clocksource")
# What kernels say of every flood, by design (tcp_syn_flood_action()), and of a machine that stands still now and then,
# as an emulated one does where others take its time
_EXPECTED = ("Possible SYN flooding on port", "clocksource: ", "hrtimer: interrupt took", "interrupt took too long")

_telling = threading.Lock()


def main() -> None:
    open_up(Path(PYTHON).resolve(), Path.cwd())
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    place, wanted = sys.argv[1], set(sys.argv[2:])
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # what is written here is gone with the guest
    over = threading.Event()
    with open(place, "w", encoding="utf-8") as out:
        tell(out, "begin", release=os.uname().release, clock=CLOCK.read_text().strip())
        threading.Thread(target=live, args=(out, over), daemon=True).start()
        before, said = loaded(), len(kernel_log())
        for lane in LANES:
            if lane.name in wanted:
                run(lane, out)
        tell(out, "verifier", instructions=instructions())
        tell(out, "residue", left=left_behind(before))
        tell(out, "log", lines=[line for line in kernel_log()[said:] if not any(e in line for e in _EXPECTED)])
        over.set()
        tell(out, "end")


def run(lane: Lane, out: IO[str]) -> None:
    subprocess.run(["sh", "-ec", lane.prepare], check=True)
    try:
        if lane.hooks:
            tell(out, "doctor", hooks=lane.hooks, findings=doctor(lane))
        for test in pytest(lane):
            tell(out, "test", lane=lane.name, **test)
    finally:
        subprocess.run(["sh", "-ec", lane.restore], check=True)


def open_up(*paths: Path) -> None:
    """Somebody without privileges is to run what lies in a home directory; it is opened in the guest alone."""
    for path in paths:
        for directory in path.parents:
            directory.chmod(directory.stat().st_mode | 0o055)


def doctor(lane: Lane) -> list[dict[str, Any]]:
    options = ["--format", "jsonl", "--loader", lane.loader]
    command = [*lane.prefix.split(), PYTHON, "-m", "tcpwatch", "doctor", *options]
    done = subprocess.run(command, capture_output=True, text=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def pytest(lane: Lane) -> Iterator[dict[str, Any]]:
    """name, outcome, seconds and, of a failure, its last lines."""
    results = Path("/run/results.xml")
    results.unlink(missing_ok=True)
    options = ["-p", "no:cacheprovider", "-p", "tests.kernels.patience", "-q", f"--junitxml={results}"]
    chosen = {"PREFIX": lane.prefix, "LOADER": lane.loader, "BYTES": "100_000"}
    environment = os.environ | {f"TCPWATCH_TESTS_{name}": value for name, value in chosen.items()}
    done = subprocess.run([PYTHON, "-m", "pytest", *options, *lane.tests], env=environment)
    if not results.exists():
        yield {"name": "pytest", "outcome": "failed", "seconds": 0.0, "why": f"exit {done.returncode}"}
        return
    for case in ET.parse(results).iter("testcase"):
        bad = next((part for part in case if part.tag in ("failure", "error", "skipped")), None)
        outcome = "passed" if bad is None else "skipped" if bad.tag == "skipped" else "failed"
        yield {
            "name": f"{case.get('classname')}::{case.get('name')}",
            "outcome": outcome,
            "seconds": float(case.get("time") or 0),
            "why": "" if bad is None else f"{bad.get('message')}\n{bad.text}"[-3000:],
        }


def left_behind(before: set[str]) -> list[str]:
    """What there is in the kernel that was not there before, once everything was freed that is going to be."""
    give_up = time.monotonic() + DEADLINE_S
    while (left := loaded() - before) and time.monotonic() < give_up:
        time.sleep(0.2)
    return sorted(left)


def loaded() -> set[str]:
    """The BPF objects the kernel has, but for those it made itself."""
    found: set[str] = set()
    for kind in ("prog", "map", "link"):
        said = subprocess.run(["bpftool", "-j", kind, "show"], capture_output=True, text=True).stdout
        found |= {
            f"{kind} {entry.get('name') or entry.get('type')} {entry['id']}" for entry in json.loads(said or "[]")
        }
    return found


def kernel_log() -> list[str]:
    """Its warnings and worse."""
    said = subprocess.run(["dmesg", "--level", "emerg,alert,crit,err,warn"], capture_output=True, text=True)
    return said.stdout.splitlines()


def live(out: IO[str], over: threading.Event) -> None:
    while not over.wait(ALIVE_S):
        tell(out, "alive")


def tell(out: IO[str], what: str, **facts: Any) -> None:
    """up_s: since the kernel began."""
    line = json.dumps({"what": what, "up_s": round(time.monotonic(), 1), **facts}) + "\n"
    with _telling:
        out.write(line)
        out.flush()


if __name__ == "__main__":
    main()
