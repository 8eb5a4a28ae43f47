"""What is asked of a recording, and does it make sense together? Checked before anything is attached or opened."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tcpwatch.errors import UsageError
from tcpwatch.recording.keys import key_of
from tcpwatch.recording.redact import Redactor
from tcpwatch.verdicts import HARMS, NONE

STDOUT = "-"
FLIGHT_BYTES = 256 << 20
_LEAST_BYTES = 1 << 20
_LEAST_S = 1.0
_SECOND_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Orders:
    """output: a file's name; STDOUT. keep_ns: only in memory, so much of it, until something happens. severity: of a
    finding that makes it happen; None: none does."""

    output: str
    force: bool = False
    max_bytes: int | None = None
    max_age_ns: int | None = None
    max_files: int | None = None
    keep_ns: int | None = None
    severity: int | None = None
    redactor: Redactor | None = None


def orders(options: Mapping[str, Any]) -> Orders:
    """options: output (text), force (truth), max_size (bytes), max_age, keep (seconds), max_files (number), on_finding
    (one of HARMS), redact (None: as it is; "", "-" or a file: see keys.key_of); all but the first may be None or
    absent. Raises UsageError; asks a person for a passphrase if need be."""
    asked = {name: value for name, value in options.items() if value is not None}
    keep_s, age_s, max_bytes = asked.get("keep"), asked.get("max_age"), asked.get("max_size")
    for name, value, least, unit in (
        ("--keep", keep_s, _LEAST_S, "second"),
        ("--max-age", age_s, _LEAST_S, "second"),
        ("--max-size", max_bytes, _LEAST_BYTES, "megabyte"),
    ):
        if value is not None and value < least:
            raise UsageError(f"{name} has to be a {unit} at least")
    _agree(asked)
    word = asked.get("redact")
    return Orders(
        output=asked["output"],
        force=bool(asked.get("force")),
        max_bytes=max_bytes,
        max_age_ns=None if age_s is None else round(age_s * _SECOND_NS),
        max_files=asked.get("max_files"),
        keep_ns=None if keep_s is None else round(keep_s * _SECOND_NS),
        severity=_severity(asked.get("on_finding")),
        redactor=None if word is None else Redactor(key_of(word)),
    )


def _agree(asked: Mapping[str, Any]) -> None:
    if asked["output"] == STDOUT and asked.keys() & {"keep", "max_size", "max_age", "max_files"}:
        raise UsageError("standard output is one stream, not several files", "use -o FILE")
    if "on_finding" in asked and "keep" not in asked:
        raise UsageError("--on-finding writes out what --keep holds", "say how much to hold: --keep 10m")
    if "max_age" in asked and "keep" in asked:
        raise UsageError("--max-age is for files, and --keep holds no file", "--keep already says how old")
    if "max_files" in asked and not asked.keys() & {"keep", "max_size", "max_age"}:
        raise UsageError("--max-files needs to know when a file is full", "add --max-size or --max-age")
    if asked.get("force") and asked.keys() & {"keep", "max_size", "max_age"}:
        raise UsageError("--force replaces one file; here each has a new name", "leave --force out")


def _severity(word: str | None) -> int | None:
    if word is None:
        return None
    if word not in HARMS[NONE + 1 :]:
        raise UsageError(f"{word!r} is no severity", f"use {', '.join(HARMS[NONE + 1 :])}")
    return HARMS.index(word)
