"""Do all queries ask for what tcpwatch has? Every metric, every label and every function of every panel and rule."""

import re

import pytest

from tests.dashboards.metrics import COUNTERS, GAUGES
from tests.dashboards.promql import Labels, Objection, Reader, selectors
from tests.dashboards.stock import ALERT_ASKS, ALERTS, BOARDS, PANEL_ASKS, RECORDED_ASKS, Ask, asks_of, choices, filled

LEGEND = re.compile(r"{{\s*(\w+)\s*}}")
DOWN = {"up": {"instance"}}
IN_TEXT = re.compile(r"\$labels\.(\w+)")


def recorded() -> dict[str, Labels]:
    """The labels of each recorded series, of which later ones may be made."""
    reader = Reader()
    for ask in RECORDED_ASKS:
        reader.recorded[ask.where] = reader.labels(ask.expr)
    return reader.recorded


ALL = Reader(recorded())


def named(ask: Ask) -> str:
    return ask.where


@pytest.mark.parametrize("ask", PANEL_ASKS, ids=named)
def test_what_panels_ask_for(ask: Ask) -> None:
    """It exists, without the recorded series: the dashboards work without the rules. Labels that legends and tables
    show are there, for one choice of what to group by at least."""
    board = BOARDS[ask.where.partition(":")[0]]
    labels = [Reader().labels(filled(ask.expr, by)) for by in choices(board, "by") or [""]]
    assert {*LEGEND.findall(ask.legend), *ask.shown} <= frozenset().union(*labels)


def test_the_reader_objects() -> None:
    """To what would give nothing, or nonsense."""
    for wrong in (
        "tcpwatch_no_such_thing",
        "sum(tcpwatch_resets_total)",
        "rate(tcpwatch_connections[5m])",
        'tcpwatch_connections{verdict="clean"}',
        "sum by (verdict) (tcpwatch_connections)",
        "histogram_quantile(0.9, sum by (port) (rate(tcpwatch_rtt_seconds_bucket[5m])))",
        "sum by (port) (tcpwatch_connections) / sum by (role) (tcpwatch_connections)",
        "tcpwatch_ports_free / tcpwatch_snapshot_sockets",
    ):
        with pytest.raises(Objection):
            ALL.labels(wrong)


def test_recorded_series_have_the_labels_of_their_level() -> None:
    """The first word of a name says what it is by."""
    levels = {
        "service": {"job", "instance", "netns", "port", "role"},
        "listener": {"job", "instance", "netns", "port", "comm", "cgroup"},
        "netns": {"job", "instance", "netns"},
        "fleet": {"job", "port", "role"},
    }
    assert ALL.recorded
    for name, labels in ALL.recorded.items():
        assert labels == levels[name.split(":")[0]], name


@pytest.mark.parametrize("ask", ALERT_ASKS, ids=named)
def test_what_alerts_ask_for(ask: Ask) -> None:
    """It exists, and so do the labels that their texts name."""
    texts = [text for rule in ALERTS if rule["alert"] == ask.where for text in rule["annotations"].values()]
    labels = ALL.labels(ask.expr)
    assert {name for text in texts for name in IN_TEXT.findall(text)} <= labels
    assert {"job", "instance"} <= labels


def test_panels_heed_the_variables() -> None:
    """Every selector is bound to what is chosen at the top, as far as its metric has such labels. Of machines that are
    down there is nothing to choose."""
    for board in BOARDS.values():
        variables = {variable["name"] for variable in board["templating"]["list"]}
        for ask in asks_of(board):
            for selector in selectors(ask.expr.replace("$__rate_interval", "5m").replace("$by", "port")):
                bound = {matcher.name: matcher.value for matcher in selector.matchers.matchers}
                heeded = {"job", "instance", "netns"} & variables & (COUNTERS | GAUGES)[str(selector.name)]
                assert {name for name in heeded if bound.get(name) == f"${name}"} >= heeded - DOWN.get(
                    str(selector.name), set()
                ), (ask.where, selector.name)


def test_rates_follow_the_zoom() -> None:
    """Panels take rates over what Grafana finds right for the time shown and the interval of scrapes."""
    for ask in PANEL_ASKS:
        assert set(re.findall(r"\[(.*?)\]", ask.expr)) <= {"$__rate_interval"}, ask
