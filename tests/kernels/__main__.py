"""`make test-kernels`: boots kernels, runs the lanes on each and says what came of it. It ends with 1 where anything
failed there, with 2 where nothing did but a kernel could not be had or did not come up (with --allow-untried that is
0). --write makes docs/kernels.md of it, which takes all kernels and lanes."""

import argparse
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path
from types import FrameType
from typing import Never, TypeVar

from tests.kernels import children, table
from tests.kernels.archive import KERNELS, Fetch, Kernel, Source, fetch
from tests.kernels.children import Trouble
from tests.kernels.flavours import compared
from tests.kernels.lanes import LANES, chosen
from tests.kernels.machine import boot
from tests.kernels.result import Result, gather, untried

Item = TypeVar("Item")
Found = TypeVar("Found")

TREE = Path(__file__).resolve().parents[2]
PAGE, RESULTS = TREE / "docs" / "kernels.md", TREE / "docs" / "kernels.json"
REPORT = "/dev/ttyS1"
BOOTS = 3  # of a guest that stands still, which is the emulator's doing
LEAST_S = 60.0  # is there time for another attempt?


def main() -> int:
    children.end_with_parent()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # ignored: nohup's
            signal.signal(number, interrupt)
    os.environ["PATH"] += ":/usr/local/sbin:/usr/sbin:/sbin"  # not on an ordinary user's in Debian: depmod, modprobe
    options = arguments(sys.argv[1:])
    about = {"date": f"{datetime.now(UTC):%Y-%m-%d}", "commit": commit()}
    try:
        results = tried(options)
    except KeyboardInterrupt as error:
        return 128 + error.args[0]
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))
    summarize(results)
    if options.write:
        write(results, about)
    return 0 if code(results) == 2 and options.allow_untried else code(results)


def code(results: list[Result]) -> int:
    if any(result["faults"] for result in results):
        return 1
    return 2 if any(result["trouble"] for result in results) else 0


def tried(options: argparse.Namespace) -> list[Result]:
    wanted = [source for source in KERNELS if not options.kernels or source.name in options.kernels]
    return run_all(lambda source: kernel(source, options), wanted, options.jobs)


def run_all(what: Callable[[Item], Found], items: Sequence[Item], jobs: int) -> list[Found]:
    """Of each item, in their order. An interrupt ends everything that runs before it goes on."""
    with ThreadPoolExecutor(jobs) as pool:
        try:
            return list(pool.map(what, items))
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            children.stop()
            raise


def arguments(given: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make test-kernels", description=__doc__)
    names = [source.name for source in KERNELS]
    jobs = max(1, len(os.sched_getaffinity(0)) * 3 // 4)
    parser.add_argument("--kernels", nargs="+", choices=names, default=[], help="only these")
    parser.add_argument("--lanes", nargs="+", choices=[lane.name for lane in LANES], default=[], help="only these")
    parser.add_argument("--jobs", type=int, default=jobs, help="guests at a time; each uses little more than a core")
    parser.add_argument("--minutes", type=float, default=60.0, help="how long a kernel may take, with all attempts")
    parser.add_argument("--attempts", type=int, default=1, help="how often to try a kernel on which something failed")
    parser.add_argument("--allow-untried", action="store_true", help="no archive and no emulator shall stop a release")
    parser.add_argument("--console", type=Path, help="a directory for what each guest wrote to its console")
    parser.add_argument("--json", type=Path, help="where to put the results")
    parser.add_argument("--write", action="store_true", help="put them into docs/kernels.md")
    options = parser.parse_args(given)
    if options.write and (options.kernels or options.lanes):
        parser.error("--write takes all kernels and lanes, as docs/kernels.md is of one run")
    return options


def kernel(source: Source, options: argparse.Namespace) -> Result:
    """What one kernel was found to do; if it has faults or trouble, by the last attempt."""
    lanes = chosen(source.name, options.lanes)
    with_headers = any(lane.with_headers for lane in lanes)
    try:
        here = fetch(source, Fetch(partial(say, source.name), with_headers, with_options=options.write))
    except Trouble as error:
        say(source.name, str(error))
        return untried(source.name, str(error))
    same = {"flavours": compared(here.options) if here.options else None}
    until = time.monotonic() + options.minutes * 60
    for boots in count(1):
        say(source.name, f"booting {here.release}")
        result = once(here, [lane.name for lane in lanes], until, options.console) | same | {"boots": boots}
        problems = [*result["faults"], *result["trouble"]]
        say(source.name, "\n".join([told(result), *problems]))
        most = options.attempts if result["faults"] else max(options.attempts, BOOTS)
        if not problems or boots >= most or until - time.monotonic() < LEAST_S:
            return result
        say(source.name, "trying again")
    raise AssertionError


def once(here: Kernel, lanes: Sequence[str], until: float, console: Path | None) -> Result:
    begin = time.monotonic()
    command = shlex.join([sys.executable, "-m", "tests.kernels.guest", REPORT, *lanes])
    try:
        run = boot(here, TREE, command, until - begin)
    except (Trouble, OSError) as error:
        return untried(here.name, str(error))
    if console:
        console.mkdir(parents=True, exist_ok=True)
        (console / f"{here.name}.txt").write_text(run.console)
    return gather(here.name, run) | {"seconds": round(time.monotonic() - begin)}


def told(result: Result) -> str:
    tests = result["tests"]
    passed = sum(test["outcome"] == "passed" for test in tests)
    return f"{passed} of {len(tests)} tests passed, in {result.get('seconds', 0)} s"


def summarize(results: list[Result]) -> None:
    """The last word: what was tried, and, to be heard, what was not."""
    for result in results:
        name = f"{result['name']} ({result['release']})" if result["release"] else result["name"]
        if result["faults"]:
            print(f"test-kernels: {name}: FAILED: {told(result)}; {result['faults'][0].splitlines()[0]}")
        elif result["trouble"]:
            print(f"test-kernels: {name}: NOT TRIED, so nothing is known of it: {result['trouble'][0].splitlines()[0]}")
        else:
            print(f"test-kernels: {name}: {told(result)}")
    sys.stdout.flush()


def write(results: list[Result], about: dict[str, str]) -> None:
    """docs/kernels.md, of what every kernel was tried for."""
    if any(result["trouble"] for result in results):
        say("docs/kernels.md", "left as it was, as not every kernel could be tried")
        return
    told = about | {"kernels": [table.kept(result) for result in results]}
    RESULTS.write_text(json.dumps(told, indent=1) + "\n")
    PAGE.write_text(table.page(told))
    say("docs/kernels.md", "written")


def commit() -> str:
    """Which one is tried, as far as git knows."""
    git = ("git", "-C", str(TREE))
    try:
        name = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True).stdout
        changed = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return name.strip() + (", with changes" if changed.strip() else "")


def interrupt(number: int, frame: FrameType | None) -> Never:
    raise KeyboardInterrupt(number)


def say(about: str, text: str) -> None:
    print(f"{about}: {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
