"""`make bench`: runs the measures, one table each, and with --write keeps them in docs/."""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bench import machine, progress, report
from bench.figures import Result
from bench.measures import MEASURES
from bench.scale import Scale
from bench.tools import Missing
from bench.workshop import ROOT, Workshop
from tcpwatch.errors import TcpwatchError


def main(argv: Sequence[str] | None = None) -> int:
    """0: measured; 1: a measure failed, or with --strict missed a target; 2: this machine lacks something."""
    options = _parse(argv)
    if os.geteuid():
        progress.say("loading BPF programs and making namespaces needs root: sudo make bench")
        return 2
    for number in (signal.SIGINT, signal.SIGTERM):  # also where a shell in the background had the first one ignored
        signal.signal(number, signal.default_int_handler)
    described = machine.describe()
    results: list[Result] = []
    failed = False
    try:
        with tempfile.TemporaryDirectory(prefix="tcpwatch-bench-") as into:
            _as_installed(Path(into))
            scale = _scale(options, Workshop(Path(into)))
            for name in options.only or MEASURES:
                progress.say(f"{name} ({scale.rounds} rounds)")
                try:
                    taken = f"{described['date']}, {described['tcpwatch']}, {scale.rounds} rounds"
                    results.append(replace(MEASURES[name](scale), taken=taken))
                except (RuntimeError, OSError, subprocess.SubprocessError, TcpwatchError) as error:
                    progress.say(f"{name} failed: {error}")
                    failed = True
                else:
                    _tell(report.as_text(results[-1]))
    except Missing as missing:
        progress.say(str(missing))
        return 2
    except KeyboardInterrupt:
        return 130
    if options.write:
        _write(described, results)
    return int(
        failed or (options.strict and any(figure.met is False for result in results for figure in result.figures))
    )


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description="What does watching cost, beside the other tools?")
    parser.add_argument("--only", action="append", choices=list(MEASURES), metavar="NAME", help=", ".join(MEASURES))
    parser.add_argument("--rounds", type=int, metavar="N", help="how often each measure is taken (default 5)")
    parser.add_argument("--quick", action="store_true", help="two short rounds with few sockets: to see that it works")
    parser.add_argument("--write", action="store_true", help="write docs/bench.md and docs/bench.json")
    parser.add_argument("--strict", action="store_true", help="exit with 1 where a target is missed")
    return parser.parse_args(argv)


def _scale(options: argparse.Namespace, workshop: Workshop) -> Scale:
    if options.quick:
        rounds = options.rounds or 2
        return Scale(workshop, rounds, rounds, seconds=1.0, sockets=4_000, connections=4_000, keys=1)
    rounds = options.rounds or 5
    return Scale(workshop, rounds, 3 * rounds, seconds=2.0, sockets=60_000, connections=100_000, keys=3)


def _as_installed(into: Path) -> None:
    """pip compiles what it installs, while make keeps root's byte code out of the tree: let there be some, elsewhere.
    Without it every start would compile everything."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = str(into / "bytecode")


def _write(described: dict[str, str], results: Sequence[Result]) -> None:
    """Beside what is there of other measures."""
    page, values = ROOT / "docs" / "bench.md", ROOT / "docs" / "bench.json"
    known = {result.name: result for result in report.results_of(values.read_text(encoding="utf-8"))}
    known |= {result.name: result for result in results}
    told = [known[name] for name in MEASURES if name in known]
    for path, text in ((page, report.as_markdown(described, told)), (values, report.as_json(described, told))):
        path.write_text(text, encoding="utf-8")
        progress.say(f"written: docs/{path.name}")


def _tell(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
