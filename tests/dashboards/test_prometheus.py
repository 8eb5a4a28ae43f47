"""Does it all work together? A real Prometheus scrapes a live `tcpwatch serve` while there is real trouble: every query
gives data, alerts fire for what they are for, and the numbers are the kernel's own."""

import math

import pytest
from promql_parser import BinaryExpr, parse

from tcpwatch.scenarios import SCENARIOS
from tcpwatch.scenarios.stage import ENDS, End
from tests.dashboards import trouble
from tests.dashboards.stock import ALERTS, BOARDS, PANEL_ASKS, RECORDED, Ask, choices, filled
from tests.dashboards.watched import GONE, LIVE, SMALL, N, Watched

ALERTS_OF = [(alert, name, case.end) for name, case in trouble.PLAYED.items() for alert in case.alerts]
ALERTS_OF += [(alert, "", "client") for alert in trouble.LASTING]


def named(rule: dict[str, str]) -> str:
    return rule.get("alert") or rule["record"]


def has_data(watched: Watched, expr: str) -> bool:
    found = watched.prometheus.ever(expr, watched.begin_s, watched.end_s)
    return any(not math.isnan(value) for _, values in found for value in values)


@pytest.mark.parametrize("ask", PANEL_ASKS, ids=lambda ask: ask.where)
def test_every_panel_shows_something(watched: Watched, ask: Ask) -> None:
    """Of the namespaces with the trouble, whatever the lines are chosen to be by."""
    for by in choices(BOARDS[ask.where.partition(":")[0]], "by") if "$by" in ask.expr else [""]:
        assert has_data(watched, filled(ask.expr, by, "10s", instance=LIVE, netns=watched.own)), by


@pytest.mark.parametrize("rule", RECORDED, ids=named)
def test_every_recorded_series_is_there(watched: Watched, rule: dict[str, str]) -> None:
    own = f'{{instance="{LIVE}", netns=~"{watched.own}"}}'
    assert has_data(watched, rule["record"] + ("" if rule["record"].startswith("fleet:") else own))


@pytest.mark.parametrize(("alert", "name", "end"), ALERTS_OF)
def test_alerts_fire_for_real_trouble(watched: Watched, alert: str, name: str, end: End) -> None:
    """In its namespace, and of the machine that it is on."""
    assert watched.fired(alert, f'instance="{LIVE}", netns="{watched.rooms[name, end]}"')


@pytest.mark.parametrize("alert", trouble.ELSEWHERE)
def test_other_alerts_fire(watched: Watched, alert: str) -> None:
    """For all of the machine, for an exporter that is not there, for one that has too few series."""
    instance = {"TcpwatchDown": GONE, "TcpwatchSeriesOverflow": SMALL}.get(alert, LIVE)
    assert watched.fired(alert, f'instance="{instance}"')


@pytest.mark.parametrize("alert", [alert for alert in ALERTS if alert["alert"] in trouble.NOT_PLAYED], ids=named)
def test_what_the_others_look_at_is_there(watched: Watched, alert: dict[str, str]) -> None:
    """Of alerts on what is not played at least the number that they compare."""
    comparison = parse(alert["expr"])
    assert isinstance(comparison, BinaryExpr)
    assert has_data(watched, comparison.lhs.prettify())


def test_every_alert_is_looked_at() -> None:
    looked_at = {alert for alert, _, _ in ALERTS_OF} | {*trouble.ELSEWHERE, *trouble.NOT_PLAYED}
    assert looked_at == {alert["alert"] for alert in ALERTS}


def test_rules_are_evaluated_without_errors(watched: Watched) -> None:
    groups = watched.prometheus.ask("rules")["groups"]
    health = {rule["name"]: (rule["health"], rule.get("lastError")) for group in groups for rule in group["rules"]}
    assert len(health) == len(ALERTS) + len(RECORDED)
    assert set(health.values()) == {("ok", None)}


@pytest.mark.parametrize("name", trouble.PLAYED)
def test_the_numbers_are_the_kernels(watched: Watched, name: str) -> None:
    """Every counter of both namespaces of a scenario, by Prometheus and by /proc/net/netstat, over the same span."""
    for end in ENDS:
        span = watched.spans[name, end]
        assert span.told == span.happened
    assert any(watched.spans[name, "client"].happened.values())


@pytest.mark.parametrize("name", trouble.PLAYED)
def test_the_verdicts_are_counted(watched: Watched, name: str) -> None:
    """Each connection under judgement once: as many ends with its verdict in its namespace."""
    for end, verdict in SCENARIOS[name].verdicts.items():
        found = watched.ended(name, end)
        assert found.get(verdict) == N, found
