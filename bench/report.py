"""Shows results: as a table while the bench runs, and as docs/bench.md and docs/bench.json. Knows nothing of how they
were measured."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from bench.figures import Figure, Result, Target

_HEAD = ("what", "median", "min to max", "target", "met")
_MET = {True: "yes", False: "NO", None: ""}


def as_text(result: Result) -> str:
    """A table for a terminal."""
    rows = [_HEAD, *(_cells(figure) for figure in result.figures)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(_HEAD))]
    lines = ["  ".join(_place(row, widths)).rstrip() for row in rows]
    return "\n".join([f"\n{result.title}", *(f"  {line}" for line in lines), ""])


def as_markdown(machine: Mapping[str, str], results: Sequence[Result]) -> str:
    return "\n".join(_markdown(machine, results)) + "\n"


def as_json(machine: Mapping[str, str], results: Sequence[Result]) -> str:
    """{"machine": {...}, "results": [{name, title, how, taken, figures: [{name, unit, values, median, target,
    met}]}]}"""
    told = [{**asdict(result), "figures": [_figure(figure) for figure in result.figures]} for result in results]
    return json.dumps({"machine": dict(machine), "results": told}, indent=1, ensure_ascii=False) + "\n"


def results_of(text: str) -> list[Result]:
    """What as_json() wrote."""
    return [
        Result(told["name"], told["title"], told["how"], [_told(figure) for figure in told["figures"]], told["taken"])
        for told in json.loads(text)["results"]
    ]


def _told(figure: dict[str, Any]) -> Figure:
    target = None
    if figure["target"] is not None:
        sign, limit = figure["target"].split()
        target = Target(sign, float(limit))
    return Figure(figure["name"], figure["values"], figure["unit"], target)


def _figure(figure: Figure) -> dict[str, object]:
    target = None if figure.target is None else f"{figure.target.sign} {figure.target.limit:g}"
    return {
        "name": figure.name,
        "unit": figure.unit,
        "median": figure.median,
        "values": list(figure.values),
        "target": target,
        "met": figure.met,
    }


def _markdown(machine: Mapping[str, str], results: Sequence[Result]) -> Iterator[str]:
    yield "# What watching costs"
    yield ""
    yield (
        "Measured with `make bench`, written by it (`make bench ARGS=--write`, or a part at a time with `--only`); "
        "every value of every round is in [bench.json](bench.json). Those who are compared take turns within each "
        "round, and ratios are taken round by round, so that what the machine does besides falls on all of them; the "
        "median counts, and how far the lowest and the highest lie apart says how calm it was. Figures of another "
        "machine differ; the ratios should not differ much."
    )
    yield ""
    yield from _targets(results)
    for result in results:
        yield from (
            "",
            f"## {result.title}",
            "",
            f"{result.how} Taken {result.taken}.",
            "",
            f"| {' | '.join(_HEAD)} |",
            "|---|---:|---:|---:|---|",
        )
        yield from (f"| {' | '.join(_cells(figure))} |" for figure in result.figures)
    yield from ("", "## The machine", "", "| | |", "|---|---|")
    yield from (f"| {name} | {value} |" for name, value in machine.items())


def _targets(results: Sequence[Result]) -> Iterator[str]:
    yield from ("| target | wanted | median | met |", "|---|---:|---:|---|")
    for result in results:
        for figure in result.figures:
            if figure.target is not None:
                _, middle, _, wanted, met = _cells(figure)
                yield f"| {result.title}: {figure.name} | {wanted} | {middle} | {met} |"


def _cells(figure: Figure) -> tuple[str, ...]:
    spread = f"{number(min(figure.values), '')} to {number(max(figure.values), figure.unit)}"
    target = "" if figure.target is None else f"{figure.target.sign} {number(figure.target.limit, figure.unit)}"
    return figure.name, number(figure.median, figure.unit), spread, target, _MET[figure.met]


def number(value: float, unit: str) -> str:
    """Three digits that count: `0.974`, `28.3 k/s`, `1,204 ms`."""
    size = abs(value)
    places = 0 if size >= 100 or value == int(value) else 1 if size >= 10 else 2 if size >= 1 else 3
    text = f"{value:,.{places}f}"
    return f"{text} {unit}" if unit else text


def _place(row: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    for place, (text, width) in enumerate(zip(row, widths, strict=True)):
        yield text.ljust(width) if place in (0, len(widths) - 1) else text.rjust(width)
