"""What is known of a kernel after a guest has run it? Made of the guest's report and nothing else."""

from typing import Any

from tests.kernels.machine import Run

Result = dict[str, Any]


def gather(name: str, run: Run) -> Result:
    """The guest's report, as docs/kernels.md and a later reader want it. faults: what failed there; trouble: why
    not everything was tried; each a text."""
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
    if "end" not in told:
        if run.cut:
            result["trouble"] = [run.cut + last]
        elif not run.report:
            result["trouble"] = [f"it did not boot{last}"]
        else:
            faults.append(f"it ended before it was done{last}")
    return result | {"faults": faults}


def untried(name: str, why: str) -> Result:
    return gather(name, Run([], "")) | {"trouble": [why]}
