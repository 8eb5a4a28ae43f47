"""What kinds of panels are there? A number, lines over time, a heatmap of a histogram, a table; each with its title, a
description and a unit. JSON as Grafana 10 to 12 read it."""

from dataclasses import dataclass
from typing import Any

from dashboards.source.board import DATASOURCE, Json
from dashboards.source.queries import Query

UNKNOWN = "–"
GREEN, YELLOW, RED = "green", "yellow", "red"

# Grafana's names of the units in use
SECONDS, BYTES, BYTES_PER_S, RATIO, COUNT, PER_S = "s", "bytes", "Bps", "percentunit", "short", "cps"
SEGMENTS_PER_S, CORES = "pps", "percentunit"

Steps = dict[float, str]
CALM: Steps = {}  # nothing that would be good or bad


def number(title: str, about: str, unit: str, expr: str, steps: Steps, width: int = 3, leads: str = "") -> Json:
    """One number, as of now, with its course behind it. steps: from which value on it has which colour. leads: the uid
    of the dashboard that tells more."""
    options: Json = {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "colorMode": "value" if steps else "none",
        "graphMode": "area",
        "justifyMode": "auto",
        "orientation": "auto",
        "textMode": "auto",
    }
    levels = [{"color": GREEN, "value": None}, *({"color": color, "value": value} for value, color in steps.items())]
    defaults = {"unit": unit, "noValue": UNKNOWN, "thresholds": {"mode": "absolute", "steps": levels}, "mappings": []}
    panel = _panel("stat", title, about, (width, 4), [Query(expr)], defaults, options)
    return panel | ({"links": [_leading_to(leads)]} if leads else {})


def lines(
    title: str, about: str, unit: str, *queries: Query, width: int = 8, height: int = 8, stacked: bool = False
) -> Json:
    """Each query's series over time."""
    custom: Json = {
        "drawStyle": "line",
        "lineInterpolation": "linear",
        "lineWidth": 1,
        "fillOpacity": 30 if stacked else 8,
        "showPoints": "auto",
        "pointSize": 4,
        "spanNulls": False,
        "axisPlacement": "auto",
        "axisLabel": "",
        "scaleDistribution": {"type": "linear"},
        "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
        "thresholdsStyle": {"mode": "off"},
    }
    defaults = {"unit": unit, "min": 0, "noValue": UNKNOWN, "color": {"mode": "palette-classic"}, "custom": custom}
    options = {
        "legend": {"showLegend": True, "displayMode": "table", "placement": "bottom", "calcs": ["lastNotNull", "max"]},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    return _panel("timeseries", title, about, (width, height), queries, defaults, options)


def heat(title: str, about: str, unit: str, histogram: str, where: str, width: int = 8, height: int = 8) -> Json:
    """How a histogram's observations are spread, over time. histogram: its name without `_bucket`."""
    options = {
        "calculate": False,
        "cellGap": 1,
        "color": {
            "mode": "scheme",
            "scheme": "Oranges",
            "fill": "dark-orange",
            "scale": "exponential",
            "exponent": 0.5,
            "steps": 64,
            "reverse": False,
        },
        "cellValues": {"unit": PER_S},
        "exemplars": {"color": "rgba(255,0,255,0.7)"},
        "filterValues": {"le": 1e-9},
        "legend": {"show": True},
        "rowsFrame": {"layout": "auto"},
        "showValue": "never",
        "tooltip": {"show": True, "mode": "single", "yHistogram": True},
        "yAxis": {"unit": unit, "axisPlacement": "left", "reverse": False},
    }
    query = Query(f"sum by (le) (rate({histogram}_bucket{{{where}}}[$__rate_interval]))", "{{le}}")
    custom: Json = {
        "scaleDistribution": {"type": "linear"},
        "hideFrom": {"legend": False, "tooltip": False, "viz": False},
    }
    return _panel("heatmap", title, about, (width, height), [query], {"unit": unit, "custom": custom}, options)


@dataclass(frozen=True, slots=True)
class Column:
    """A number of each line of a table. steps: as of number()."""

    title: str
    unit: str
    expr: str
    steps: Steps


def table(title: str, about: str, labels: dict[str, str], *columns: Column, width: int = 24, height: int = 9) -> Json:
    """One line for each set of labels, the highest of the first column on top, as of now. labels: which ones are shown,
    and under which heading."""
    shown = {**labels, **{_value(place, columns): column.title for place, column in enumerate(columns)}}
    organize: Json = {
        "excludeByName": {"Time": True},
        "indexByName": {name: place for place, name in enumerate(shown)},
        "renameByName": shown,
    }
    defaults = {"unit": COUNT, "noValue": UNKNOWN, "custom": {"align": "auto", "filterable": True, "inspect": False}}
    options = {
        "showHeader": True,
        "cellHeight": "sm",
        "footer": {"show": False, "reducer": ["sum"], "countRows": False, "fields": []},
        "sortBy": [{"displayName": columns[0].title, "desc": True}],
    }
    panel = _panel("table", title, about, (width, height), [Query(one.expr) for one in columns], defaults, options)
    panel["fieldConfig"]["overrides"] = [_override(column) for column in columns]
    panel["transformations"] = [{"id": "merge", "options": {}}, {"id": "organize", "options": organize}]
    return panel


def _value(place: int, columns: tuple[Column, ...]) -> str:
    """How Grafana calls a query's numbers: by the query, unless there is only one."""
    return "Value" if len(columns) == 1 else f"Value #{_letter(place)}"


def _override(column: Column) -> Json:
    properties: list[Json] = [{"id": "unit", "value": column.unit}]
    if column.steps:
        steps = [{"color": "text", "value": None}, *({"color": c, "value": v} for v, c in column.steps.items())]
        properties += [
            {"id": "thresholds", "value": {"mode": "absolute", "steps": steps}},
            {"id": "custom.cellOptions", "value": {"type": "color-text"}},
        ]
    return {"matcher": {"id": "byName", "options": column.title}, "properties": properties}


def _panel(
    kind: str, title: str, about: str, size: tuple[int, int], queries: Any, defaults: Json, options: Json
) -> Json:
    width, height = size
    return {
        "type": kind,
        "title": title,
        "description": about,
        "datasource": DATASOURCE,
        "gridPos": {"w": width, "h": height},
        "targets": [_target(kind, place, query) for place, query in enumerate(queries)],
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": options,
    }


def _target(kind: str, place: int, query: Query) -> Json:
    of_now = kind == "table"
    return {
        "refId": _letter(place),
        "datasource": DATASOURCE,
        "editorMode": "code",
        "expr": query.written(),
        "legendFormat": query.legend or "__auto",
        "format": {"table": "table", "heatmap": "heatmap"}.get(kind, "time_series"),
        "instant": of_now,
        "range": not of_now,
    }


def _letter(place: int) -> str:
    return "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[place]


def _leading_to(uid: str) -> Json:
    return {"title": "more", "url": f"/d/{uid}?${{__url_time_range}}&${{__all_variables}}", "targetBlank": False}
