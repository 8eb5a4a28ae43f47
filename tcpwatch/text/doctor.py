"""Draws what the doctor found, as text for people or as JSON lines for programs. Judges nothing."""

import json
import os
import textwrap
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import TextIO

from tcpwatch.errors import UsageError
from tcpwatch.findings import Finding, Report

_TITLES = {
    "probe": "Hooks and iterators",
    "privilege": "Privileges",
    "machine": "Machine",
    "sysctl": "Sysctls (those under net. are this network namespace's)",
    "namespace": "Network namespaces",
}
_MARKS = {"ok": "✓ ok      ", "missing": "– missing ", "refused": "✗ refused ", "info": "          "}
_MOST_NAMESPACES = 8  # a machine may have thousands; JSON lines hold them all
_NARROWEST, _WIDEST, _PIPE = 40, 100, 80  # columns
_ROOM_FOR_VALUE = 20
_INDENT = "      "


def write(report: Report, form: str, out: TextIO) -> None:
    """form: "text" or "jsonl"; anything else raises UsageError."""
    if form == "jsonl":
        out.writelines(_json_lines(report))
    elif form == "text":
        out.writelines(f"{line}\n" for line in _text(report, _columns(out)))
    else:
        raise UsageError(f"doctor has no format {form!r}", "use --format text or --format jsonl")


def _json_lines(report: Report) -> Iterator[str]:
    for finding in report.findings:
        record = {
            "schema": 1,
            "item": finding.item,
            "name": finding.name,
            "status": finding.status,
            "value": finding.value,
            "reason": finding.reason or None,
            "cure": finding.cure or None,
        }
        yield json.dumps(record, ensure_ascii=False) + "\n"


def _columns(out: TextIO) -> int:
    columns = os.get_terminal_size(out.fileno()).columns if out.isatty() else _PIPE
    return min(max(columns, _NARROWEST), _WIDEST)


def _text(report: Report, columns: int) -> Iterator[str]:
    for item, group in groupby(report.findings, key=lambda finding: finding.item):
        findings = list(group)
        if item == "verdict":
            yield from _verdict(findings[0], columns)
            continue
        yield from ("", _TITLES[item])
        shown = findings[:_MOST_NAMESPACES] if item == "namespace" else findings
        yield from _group(shown, columns)
        if len(findings) > len(shown):
            yield f"{_INDENT}and {len(findings) - len(shown)} more (--format jsonl lists all)"


def _verdict(finding: Finding, columns: int) -> Iterator[str]:
    text = f"{finding.value}: {finding.reason}" if finding.reason else str(finding.value)
    yield from textwrap.wrap(text, columns)
    if finding.cure:
        yield from _wrapped(finding.cure, columns, "→ ")


def _group(findings: list[Finding], columns: int) -> Iterator[str]:
    """A reason or a cure that was just given is not given again."""
    width = max(len(finding.name) for finding in findings)
    marked = any(finding.status != "info" for finding in findings)
    said: tuple[str, str] = ("", "")
    for finding in findings:
        yield from _headline(finding, _MARKS[finding.status] if marked else "", width, columns)
        if finding.reason and finding.reason != said[0]:
            yield from _wrapped(finding.reason, columns)
        if finding.cure and finding.cure != said[1]:
            yield from _wrapped(finding.cure, columns, "→ ")
        said = (finding.reason, finding.cure)


def _headline(finding: Finding, mark: str, width: int, columns: int) -> Iterable[str]:
    start = f"  {mark}{finding.name:<{width}}  "
    hanging = " " * len(start) if columns - len(start) >= _ROOM_FOR_VALUE else _INDENT
    value = "–" if finding.value is None else str(finding.value)
    return textwrap.wrap(start + value, columns, subsequent_indent=hanging, break_on_hyphens=False)


def _wrapped(text: str, columns: int, mark: str = "") -> Iterable[str]:
    indent = _INDENT + " " * len(mark)
    return textwrap.wrap(text, columns, initial_indent=_INDENT + mark, subsequent_indent=indent, break_on_hyphens=False)
