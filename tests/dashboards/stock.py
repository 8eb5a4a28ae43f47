"""What is committed under dashboards/: Grafana's files, their panels and queries, and Prometheus' rules. Reads, and
judges nothing."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
DASHBOARDS = ROOT / "dashboards"
GRAFANA = DASHBOARDS / "grafana"
PROMETHEUS = DASHBOARDS / "prometheus"
RUNBOOK = ROOT / "docs" / "alerts.md"

Json = dict[str, Any]

BOARDS: dict[str, Json] = {path.stem: json.loads(path.read_text()) for path in sorted(GRAFANA.glob("*.json"))}


def rules(name: str) -> list[Json]:
    """name: of the file, "recording" or "alerting"."""
    groups = yaml.safe_load((PROMETHEUS / f"{name}.rules.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


RECORDED = rules("recording")
ALERTS = rules("alerting")
CASES: list[Json] = [
    case for path in sorted((PROMETHEUS / "tests").glob("*.yml")) for case in yaml.safe_load(path.read_text())["tests"]
]


@dataclass(frozen=True)
class Ask:
    """One query. where: who asks, in words. legend: as of the panel; "" for those without. shown: the labels that a
    table has columns for."""

    where: str
    expr: str
    legend: str = ""
    shown: tuple[str, ...] = ()
    instant: bool = False


def panels(board: Json) -> list[Json]:
    """Those that show something: rows do not."""
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def shown_labels(panel: Json) -> tuple[str, ...]:
    organized = [one["options"]["renameByName"] for one in panel.get("transformations", ()) if one["id"] == "organize"]
    return tuple(name for names in organized for name in names if not name.startswith("Value"))


def asks_of(board: Json) -> Iterator[Ask]:
    for panel in panels(board):
        for target in panel["targets"]:
            where = f"{board['uid']}: {panel['title']} ({target['refId']})"
            legend = "" if target["legendFormat"] == "__auto" else target["legendFormat"]
            yield Ask(where, target["expr"], legend, shown_labels(panel), target["instant"])
    for annotation in board["annotations"]["list"]:
        if "expr" in annotation:
            yield Ask(f"{board['uid']}: annotation {annotation['name']}", annotation["expr"])


PANEL_ASKS = tuple(ask for board in BOARDS.values() for ask in asks_of(board))
RECORDED_ASKS = tuple(Ask(rule["record"], rule["expr"]) for rule in RECORDED)
ALERT_ASKS = tuple(Ask(rule["alert"], rule["expr"]) for rule in ALERTS)


def choices(board: Json, name: str) -> list[str]:
    """The values of a variable that offers a few texts."""
    found = [one for one in board["templating"]["list"] if one["name"] == name]
    return [option["value"] for one in found for option in one["options"]]


def filled(expr: str, by: str = "port, role", rate: str = "5m", **chosen: str) -> str:
    """As Grafana asks it. chosen: by the names of variables; all others stand at All."""
    text = expr.replace("$__rate_interval", rate).replace("$by", by)
    return re.sub(r'"\$(\w+)"', lambda found: json.dumps(chosen.get(found[1], ".*")), text)
