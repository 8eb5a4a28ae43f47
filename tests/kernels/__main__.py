"""`make test-kernels`: boots kernels, runs the lanes on each, says what came of it, and ends with 1 where anything
failed. --write makes docs/kernels.md of it and of what was found on the other kernels before."""

import argparse
import json
import shlex
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.kernels import table
from tests.kernels.archive import KERNELS, CannotFetch, Source, fetch
from tests.kernels.lanes import LANES
from tests.kernels.machine import Run, boot

TREE = Path(__file__).resolve().parents[2]
PAGE, RESULTS = TREE / "docs" / "kernels.md", TREE / "docs" / "kernels.json"
REPORT = "/dev/ttyS1"


def main() -> int:
    options = arguments()
    wanted = [source for source in KERNELS if not options.kernels or source.name in options.kernels]
    with ThreadPoolExecutor(options.jobs) as pool:
        results = list(pool.map(lambda source: attempt(source, options), wanted))
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))
    if options.write:
        write(results)
    return int(any(result["faults"] for result in results))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make test-kernels", description=__doc__)
    names = [source.name for source in KERNELS]
    parser.add_argument("--kernels", nargs="+", choices=names, default=[], help="only these")
    parser.add_argument("--lanes", nargs="+", choices=[lane.name for lane in LANES], default=[], help="only these")
    parser.add_argument("--jobs", type=int, default=2, help="guests at a time; each has two CPUs")
    parser.add_argument("--minutes", type=float, default=20.0, help="how long a guest may take")
    parser.add_argument("--console", type=Path, help="a directory for what each guest wrote to its console")
    parser.add_argument("--json", type=Path, help="where to put the results")
    parser.add_argument("--write", action="store_true", help="put them into docs/kernels.md")
    return parser.parse_args()


def attempt(source: Source, options: argparse.Namespace) -> dict[str, Any]:
    """One kernel's result; what went wrong is in its faults, one line each."""
    begin = time.monotonic()
    command = [sys.executable, "-m", "tests.kernels.guest", REPORT, *options.lanes]
    try:
        kernel = fetch(source)
        say(source.name, f"booting {kernel.release}")
        run = boot(kernel, TREE, shlex.join(command), options.minutes * 60)
    except CannotFetch as error:
        say(source.name, str(error))
        return gather(source.name, Run([], "", False)) | {"faults": [str(error)]}
    result = gather(source.name, run)
    if options.console:
        options.console.mkdir(parents=True, exist_ok=True)
        (options.console / f"{source.name}.txt").write_text(run.console)
    tests = result["tests"]
    passed = sum(test["outcome"] == "passed" for test in tests)
    say(source.name, f"{passed} of {len(tests)} tests passed in {time.monotonic() - begin:.0f} s")
    for fault in result["faults"]:
        say(source.name, fault)
    return result


def gather(name: str, run: Run) -> dict[str, Any]:
    """The guest's report, as docs/kernels.md and a later reader want it."""
    told: dict[str, list[dict[str, Any]]] = {}
    for entry in run.report:
        told.setdefault(entry.pop("what"), []).append(entry)
    tests = told.get("test", [])
    result: dict[str, Any] = {
        "name": name,
        "release": next((entry["release"] for entry in told.get("begin", ())), "did not boot"),
        "tests": tests,
        "doctor": next((entry["findings"] for entry in told.get("doctor", ()) if entry["lane"] == "normal"), []),
        "instructions": next((entry["instructions"] for entry in told.get("verifier", ())), {}),
        "left": [left for entry in told.get("residue", ()) for left in entry["left"]],
        "log": [line for entry in told.get("log", ()) for line in entry["lines"]],
    }
    bad = [test for test in tests if test["outcome"] != "passed"]
    faults = [f"{test['lane']}: {test['name']} {test['outcome']}\n{test['why']}" for test in bad]
    faults += [f"left behind: {left}" for left in result["left"]]
    faults += [f"kernel log: {line}" for line in result["log"]]
    if "end" not in told:
        why = "it did not come to its end" if run.ended else "it took too long"
        faults.append(f"{why}; the console's last lines:\n" + "\n".join(run.console.splitlines()[-25:]))
    return result | {"faults": faults}


def write(results: list[dict[str, Any]]) -> None:
    """Into what docs/kernels.md says of other kernels."""
    known = {result["name"]: result for result in json.loads(RESULTS.read_text())} if RESULTS.exists() else {}
    for result in map(table.kept, results):
        # of the same kernel, lanes that were not run this time hold as they were
        lanes = {test["lane"] for test in result["tests"]}
        before = known.get(result["name"], {"release": ""})
        if before["release"] == result["release"]:
            result["tests"] = [test for test in before["tests"] if test["lane"] not in lanes] + result["tests"]
            result["doctor"] = result["doctor"] or before["doctor"]
        known[result["name"]] = result
    kept = [known[source.name] for source in KERNELS if source.name in known]
    RESULTS.write_text(json.dumps(kept, indent=1) + "\n")
    PAGE.write_text(table.page(kept))


def say(kernel: str, text: str) -> None:
    print(f"{kernel}: {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
