"""The shape of what `tcpwatch doctor` found: made by doctor.py, drawn by text/doctor.py. Knows neither."""

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "missing", "refused", "info"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One fact. item: its group, "verdict", "probe", "privilege", "machine", "sysctl" or "namespace"."""

    item: str
    name: str
    status: Status
    value: str | int | None = None  # None where unknown
    reason: str = ""  # why it is so, or what it means
    cure: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """findings: the verdict first, then group by group. exit_code: 0 where tcpwatch can work, else 3 or 4."""

    findings: tuple[Finding, ...]
    exit_code: int
