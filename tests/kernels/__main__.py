"""`make test-kernels`: boots kernels, runs the lanes on each and says what came of it. It ends with 1 where anything
failed there, with 2 where nothing did but a kernel could not be had or did not boot. --write makes docs/kernels.md of
it, and of what was found on the other kernels before."""

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
from tests.kernels.lanes import LANES, chosen
from tests.kernels.machine import Run, boot

Result = dict[str, Any]

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
    if any(result["faults"] for result in results):
        return 1
    return 2 if any(result["trouble"] for result in results) else 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make test-kernels", description=__doc__)
    names = [source.name for source in KERNELS]
    parser.add_argument("--kernels", nargs="+", choices=names, default=[], help="only these")
    parser.add_argument("--lanes", nargs="+", choices=[lane.name for lane in LANES], default=[], help="only these")
    parser.add_argument("--jobs", type=int, default=2, help="guests at a time; each has two CPUs")
    parser.add_argument("--minutes", type=float, default=45.0, help="how long a guest may take")
    parser.add_argument("--attempts", type=int, default=1, help="how often to try a kernel on which something failed")
    parser.add_argument("--console", type=Path, help="a directory for what each guest wrote to its console")
    parser.add_argument("--json", type=Path, help="where to put the results")
    parser.add_argument("--write", action="store_true", help="put them into docs/kernels.md")
    return parser.parse_args()


def attempt(source: Source, options: argparse.Namespace) -> Result:
    """One kernel's result; if it has faults or trouble, of the last attempt."""
    for left in reversed(range(options.attempts)):
        result = once(source, options)
        for problem in (*result["faults"], *result["trouble"]):
            say(source.name, problem)
        if not (result["faults"] or result["trouble"]):
            break
        if left:
            say(source.name, "trying again")
    return result


def once(source: Source, options: argparse.Namespace) -> Result:
    begin = time.monotonic()
    lanes = chosen(source.name, options.lanes)
    command = [sys.executable, "-m", "tests.kernels.guest", REPORT, *(lane.name for lane in lanes)]
    try:
        kernel = fetch(source, any(lane.with_headers for lane in lanes))
        say(source.name, f"booting {kernel.release}")
        run = boot(kernel, TREE, shlex.join(command), options.minutes * 60)
    except CannotFetch as error:
        return gather(source.name, Run([], "", False)) | {"trouble": [str(error)]}
    result = gather(source.name, run)
    if options.console:
        options.console.mkdir(parents=True, exist_ok=True)
        (options.console / f"{source.name}.txt").write_text(run.console)
    tests = result["tests"]
    passed = sum(test["outcome"] == "passed" for test in tests)
    say(source.name, f"{passed} of {len(tests)} tests passed in {time.monotonic() - begin:.0f} s")
    return result


def gather(name: str, run: Run) -> Result:
    """The guest's report, as docs/kernels.md and a later reader want it. faults: what failed there; trouble: why
    nothing is known; each a text."""
    told: dict[str, list[dict[str, Any]]] = {}
    for entry in run.report:
        told.setdefault(entry.pop("what"), []).append(entry)
    tests = told.get("test", [])
    result: Result = {
        "name": name,
        "release": next((entry["release"] for entry in told.get("begin", ())), ""),
        "tests": tests,
        "doctor": {entry["hooks"]: entry["findings"] for entry in told.get("doctor", ())},
        "instructions": next((entry["instructions"] for entry in told.get("verifier", ())), {}),
        "left": [left for entry in told.get("residue", ()) for left in entry["left"]],
        "log": [line for entry in told.get("log", ()) for line in entry["lines"]],
        "trouble": [],
    }
    bad = [test for test in tests if test["outcome"] != "passed"]
    faults = [f"{test['lane']}: {test['name']} {test['outcome']}\n{test['why']}" for test in bad]
    faults += [f"left behind: {left}" for left in result["left"]]
    faults += [f"kernel log: {line}" for line in result["log"]]
    last = "; the console's last lines:\n" + "\n".join(run.console.splitlines()[-25:])
    if not run.report:
        result["trouble"] = [f"it did not boot{last}"]
    elif "end" not in told:
        faults.append(("it did not come to its end" if run.ended else "it took too long") + last)
    return result | {"faults": faults}


def write(results: list[Result]) -> None:
    """Into what docs/kernels.md says of other kernels, but for those of which nothing is known."""
    known = {result["name"]: result for result in json.loads(RESULTS.read_text())} if RESULTS.exists() else {}
    for result in (table.kept(result) for result in results if result["release"]):
        # of the same kernel, lanes that were not run this time hold as they were
        lanes = {test["lane"] for test in result["tests"]}
        before = known.get(result["name"], {"release": None})
        if before["release"] == result["release"]:
            result["tests"] = [test for test in before["tests"] if test["lane"] not in lanes] + result["tests"]
            result["doctor"] = before["doctor"] | result["doctor"]
        known[result["name"]] = result
    kept = [known[source.name] for source in KERNELS if source.name in known]
    RESULTS.write_text(json.dumps(kept, indent=1) + "\n")
    PAGE.write_text(table.page(kept))


def say(kernel: str, text: str) -> None:
    print(f"{kernel}: {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
