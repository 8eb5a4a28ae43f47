"""What does a run of the matrix say, for people? docs/kernels.md, made from the results of a run and nothing else."""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

from tests.kernels.lanes import LANES, Lane
from tests.kernels.result import Result

_INTRODUCTION = """\
# Kernels

tcpwatch asks the kernel what it has, never which version it is. This is what it found on each of these, all of Debian,
and which tests passed there. `make test-kernels` boots them under QEMU (emulated, so slowly) with this tree inside, and
with `ARGS=--write` makes this page. `ARGS="--kernels 6.1 newest"` tries some of them.
"""
_SIGNS = {"ok": "yes", "missing": "–", "refused": "refused"}


def kept(result: Result) -> Result:
    """What a page is made of, without what only a person would read."""
    shown = {lane.name for lane in LANES if not lane.asked_for}
    found = [test for test in result["tests"] if test["lane"] in shown]
    tests = [{name: test[name] for name in ("lane", "name", "outcome")} for test in found]
    doctor = {hooks: [_kept(found) for found in told if _is_hook(found)] for hooks, told in result["doctor"].items()}
    same = {name: result[name] for name in ("name", "release", "instructions", "left", "log", "boots", "flavours")}
    return {**same, "tests": tests, "doctor": doctor}


def _is_hook(found: dict[str, Any]) -> bool:
    return found["item"] == "probe" and "/" in found["name"]


def _kept(found: dict[str, Any]) -> dict[str, Any]:
    return {name: found[name] for name in ("item", "name", "status", "value", "reason")}


def page(run: dict[str, Any]) -> str:
    """run: its date and commit; kernels: one of each as kept() left it, in the order of the columns; apart: if anything
    was not of this run, what that was."""
    results = run["kernels"]
    rooms = (_lanes(results), _hooks(results), _verifier(results), _flavours(results))
    apart = f" {run['apart']}" if "apart" in run else ""
    when = f"The run that made this page was on {run['date']}, of commit {run['commit']}.{apart}\n"
    return "\n".join([_INTRODUCTION, when, *chain.from_iterable(rooms)])


def _lanes(results: Sequence[Result]) -> Iterable[str]:
    """How many tests of each lane passed where."""
    yield from (
        "## Tests",
        "",
        "Passed of those that were run; they count exactly: nothing too many, nothing too few. A dash: the bcc of this",
        "run, Debian 12's, does not compile with the headers of that kernel ([loaders.md](loaders.md)).",
        "",
    )
    yield from _head("lane", results)
    for lane in LANES:
        if not lane.asked_for:
            yield _row(f"{lane.name}: {lane.what}", (_passed(result, lane) for result in results))
    yield _row("the kernel's log stays empty", ("yes" if not result["log"] else "no" for result in results))
    yield _row("nothing is left in the kernel", ("yes" if not result["left"] else "no" for result in results))
    yield _row("boots that it took", (str(result["boots"]) for result in results))
    yield ""


def _passed(result: Result, lane: Lane) -> str:
    if lane.kernels and result["name"] not in lane.kernels:
        return "–"
    outcomes = [test["outcome"] for test in result["tests"] if test["lane"] == lane.name]
    return f"{outcomes.count('passed')} of {len(outcomes)}" if outcomes else "not run"


def _hooks(results: Sequence[Result]) -> Iterable[str]:
    """What is attached by which loader, and what is missed where it is not."""
    yield from (
        "## Hooks",
        "",
        "What `tcpwatch doctor` says there, run by root. Where a dash has no reason below, other hooks tell of it.",
        "",
    )
    for loader in (lane.hooks for lane in LANES if lane.hooks):
        if had := [result for result in results if loader in result["doctor"]]:
            yield from _hooks_by(loader, had)


def _hooks_by(loader: str, results: Sequence[Result]) -> Iterable[str]:
    probes = [{found["name"]: found for found in result["doctor"][loader]} for result in results]
    names = list(dict.fromkeys(name for found in probes for name in found))
    yield from (f"### {loader}", "")
    yield from _head("hook", results)
    for name in names:
        what = next(found[name]["value"] for found in probes if name in found)
        yield _row(f"`{name}`: {what}", (_sign(found.get(name)) for found in probes))
    lacks = {
        name: found[name]["reason"] for found in probes for name in names if name in found and found[name]["reason"]
    }
    yield from ("", "Where a hook is not there, or not all of it:", "")
    yield from (f"- `{name}`: {reason}" for name, reason in lacks.items())
    yield ""


def _sign(probe: dict[str, Any] | None) -> str:
    if probe is None:
        return "–"
    return "partly" if probe["status"] == "ok" and probe["reason"] else _SIGNS[probe["status"]]


def _verifier(results: Sequence[Result]) -> Iterable[str]:
    """How many instructions the verifier looked at."""
    yield from (
        "## The verifier's work",
        "",
        "Instructions it looked at for each program; it gives up at 1,000,000.",
        "",
    )
    yield from _head("program", results)
    for name in sorted({name for result in results for name in result["instructions"]}):
        counts = (result["instructions"].get(name) for result in results)
        yield _row(f"`{name}`", ("–" if count is None else f"{count:,}" for count in counts))
    yield ""


def _flavours(results: Sequence[Result]) -> Iterable[str]:
    """What may be different where it is the flavour for clouds."""
    yield from (
        "## The flavour for clouds",
        "",
        "The ordinary flavour was run; the one for clouds lacks 9p, by which guests reach this tree. Both are of the",
        "same source. Compared here are the options of TCP, BPF, BTF, tracing and probes that they are built with,",
        "as Debian's `linux-config` packages have them.",
        "",
    )
    yield from _head("option", results)
    yield _row("options compared", (str(result["flavours"]["options"]) for result in results))
    yield _row("not the same (ordinary, cloud)", (_differing(result["flavours"]["differing"]) for result in results))
    yield ""


def _differing(options: dict[str, list[str]]) -> str:
    return ", ".join(f"`{name}` ({', '.join(has)})" for name, has in options.items()) or "none"


def _head(what: str, results: Sequence[Result]) -> Iterable[str]:
    yield _row(what, (f"{result['name']} ({result['release']})" for result in results))
    yield _row("---", ("---" for _ in results))


def _row(first: str, cells: Iterable[str]) -> str:
    return f"| {first} | {' | '.join(cells)} |"
