"""What do all dashboards have in common? Variables, links to each other, the findings as annotations, and rows of
panels laid out on Grafana's grid of 24 columns. The JSON model is that of schema 38, which Grafana 10.0 reads and later
ones migrate."""

import json
from dataclasses import dataclass
from typing import Any

from dashboards.source.queries import Query

Json = dict[str, Any]

COLUMNS = 24
DATASOURCE: Json = {"type": "prometheus", "uid": "${datasource}"}
_TAG = "tcpwatch"
_SCHEMA = 38
_ALPHABETICAL, _NUMERICAL = 1, 3
_ON_TIME_RANGE = 2


@dataclass(frozen=True, slots=True)
class Variable:
    """A choice of several values of a label, or all. of: the metric that has it. missing: the label may be absent, as
    an unknown one is, or one that `--labels` leaves out."""

    name: str
    label: str
    of: str
    missing: bool = False
    numbers: bool = False

    def json(self) -> Json:
        query = f"label_values({Query(self.of).written()}, {self.name})"
        return {
            "type": "query",
            "name": self.name,
            "label": self.label,
            "datasource": DATASOURCE,
            "definition": query,
            "query": {"query": query, "refId": f"{self.name} values"},
            "refresh": _ON_TIME_RANGE,
            "sort": _NUMERICAL if self.numbers else _ALPHABETICAL,
            "multi": True,
            "includeAll": True,
            "allValue": ".*" if self.missing else ".+",
            "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
            "options": [],
            "regex": "",
            "hide": 0,
            "skipUrlSync": False,
        }


@dataclass(frozen=True, slots=True)
class Choice:
    """A choice of one of a few texts. options: by the name that is shown; the first is chosen."""

    name: str
    label: str
    options: dict[str, str]

    def json(self) -> Json:
        shown = [{"text": text, "value": value, "selected": False} for text, value in self.options.items()]
        shown[0]["selected"] = True
        return {
            "type": "custom",
            "name": self.name,
            "label": self.label,
            "query": ", ".join(f"{text} : {_escaped(value)}" for text, value in self.options.items()),
            "current": shown[0],
            "options": shown,
            "multi": False,
            "includeAll": False,
            "hide": 0,
            "skipUrlSync": False,
        }


JOB = Variable("job", "Job", "tcpwatch_build_info")
INSTANCE = Variable("instance", "Machine", 'tcpwatch_build_info{job=~"$job"}')
NETNS = Variable("netns", "Namespace", "tcpwatch_kernel_sent_segments_total{MACHINE}")


@dataclass(frozen=True, slots=True)
class Board:
    """uid: for ever, as links and bookmarks hold it. rows: the panels of each, by its title. variables: after those for
    the data source, the job and the machine."""

    uid: str
    title: str
    about: str
    rows: dict[str, list[Json]]
    variables: tuple[Variable | Choice, ...] = (NETNS,)
    findings: bool = True

    def json(self) -> Json:
        return {
            "uid": self.uid,
            "title": self.title,
            "description": self.about,
            "tags": [_TAG],
            "schemaVersion": _SCHEMA,
            "version": 1,
            "editable": True,
            "graphTooltip": 1,
            "timezone": "browser",
            "time": {"from": "now-1h", "to": "now"},
            "refresh": "30s",
            "templating": {"list": [_datasource(), *(one.json() for one in (JOB, INSTANCE, *self.variables))]},
            "annotations": {"list": [_own_annotations(), *([_findings()] if self.findings else [])]},
            "links": [_others()],
            "panels": _laid_out(self.rows),
        }

    def text(self) -> str:
        return json.dumps(self.json(), indent=2, ensure_ascii=False) + "\n"


def _escaped(value: str) -> str:
    return value.replace(",", "\\,")  # a bare comma would end the option


def _datasource() -> Json:
    return {
        "type": "datasource",
        "name": "datasource",
        "label": "Data source",
        "query": "prometheus",
        "current": {},
        "options": [],
        "regex": "",
        "refresh": 1,
        "multi": False,
        "includeAll": False,
        "hide": 0,
        "skipUrlSync": False,
    }


def _others() -> Json:
    return {
        "type": "dashboards",
        "title": "tcpwatch",
        "tags": [_TAG],
        "asDropdown": False,
        "includeVars": True,
        "keepTime": True,
        "targetBlank": False,
        "icon": "external link",
        "tooltip": "",
        "url": "",
    }


def _own_annotations() -> Json:
    """What users note by hand, which every dashboard of Grafana shows."""
    return {
        "builtIn": 1,
        "name": "Annotations & Alerts",
        "type": "dashboard",
        "datasource": {"type": "grafana", "uid": "-- Grafana --"},
        "enable": True,
        "hide": True,
        "iconColor": "rgba(0, 211, 255, 1)",
    }


def _findings() -> Json:
    """From when to when something was wrong, on every panel with a time axis."""
    return {
        "name": "Findings",
        "datasource": DATASOURCE,
        "enable": True,
        "hide": False,
        "iconColor": "orange",
        "expr": Query('max by (instance, severity, code) (tcpwatch_findings{MACHINE, severity!="low"}) > 0').written(),
        "step": "60s",
        "titleFormat": "{{code}}",
        "textFormat": "{{severity}}, on {{instance}}",
        "tagKeys": "severity,code,instance",
        "useValueForTime": False,
    }


def _laid_out(rows: dict[str, list[Json]]) -> list[Json]:
    """From left to right, then into the next line, which begins below the highest of this one."""
    found: list[Json] = []
    y = 0
    for title, panels in rows.items():
        found.append(
            {"type": "row", "title": title, "collapsed": False, "panels": [], "gridPos": _at(0, y, COLUMNS, 1)}
        )
        x, y, height = 0, y + 1, 0
        for panel in panels:
            width, own_height = panel["gridPos"]["w"], panel["gridPos"]["h"]
            if x + width > COLUMNS:
                x, y, height = 0, y + height, 0
            found.append(panel | {"gridPos": _at(x, y, width, own_height)})
            x, height = x + width, max(height, own_height)
        y += height
    return [{"id": number} | panel for number, panel in enumerate(found, 1)]


def _at(x: int, y: int, width: int, height: int) -> Json:
    return {"x": x, "y": y, "w": width, "h": height}
