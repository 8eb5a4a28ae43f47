"""Are the dashboards fit to be imported and read? What Grafana's linter asks for, and what keeps them readable."""

import itertools
import re

import pytest

from dashboards.source import files
from dashboards.source.queries import HARMFUL
from tcpwatch.verdicts import MEDIUM, RULES
from tests.dashboards.stock import ALERTS, BOARDS, GRAFANA, RECORDED, Json, asks_of, panels

# @grafana/data, valueFormats: the ones in use
UNITS = {"s", "bytes", "Bps", "percentunit", "short", "cps", "pps"}
COLUMNS = 24
VARIABLE = re.compile(r"\$\{?(\w+)")
OF_GRAFANA = {"__rate_interval", "__url_time_range", "__all_variables"}

each_board = pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)


def test_the_files_are_what_the_source_gives() -> None:
    """`make dashboards` would change nothing."""
    assert {path.name: path.read_text() for path in GRAFANA.iterdir()} == dict(files())


def test_there_are_the_five() -> None:
    assert set(BOARDS) == {f"tcpwatch-{name}" for name in ("overview", "listeners", "quality", "ports", "itself")}


@each_board
def test_names_last(board: Json) -> None:
    """The uid is the file's name, within Grafana's bounds, and nothing holds the number of one installation."""
    assert BOARDS[board["uid"]] is board
    assert 8 <= len(board["uid"]) <= 40
    assert board["title"].startswith("tcpwatch: ")
    assert board["description"]
    assert not {"id", "__inputs", "__requires", "iteration"} & set(board)
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))


@each_board
def test_times_are_relative(board: Json) -> None:
    assert board["time"]["to"] == "now"
    assert board["time"]["from"].startswith("now-")
    assert board["timezone"] == "browser"


@each_board
def test_every_panel_explains_itself(board: Json) -> None:
    """A title, a description of a sentence at least, a unit that Grafana knows, the data source that was chosen."""
    for panel in panels(board):
        where = f"{board['uid']}: {panel['title']}"
        assert panel["title"], where
        assert len(panel["description"]) >= 15, where
        assert panel["description"].endswith("."), where
        units = [panel["fieldConfig"]["defaults"]["unit"]]
        units += [
            one["value"]
            for override in panel["fieldConfig"]["overrides"]
            for one in override["properties"]
            if one["id"] == "unit"
        ]
        assert set(units) <= UNITS, where
        for target in (panel, *panel["targets"]):
            assert target["datasource"] == {"type": "prometheus", "uid": "${datasource}"}, where


@each_board
def test_queries_are_told_apart(board: Json) -> None:
    """By their letters, and on a panel with lines by legends that differ."""
    for panel in panels(board):
        targets = panel["targets"]
        assert targets
        assert len({target["refId"] for target in targets}) == len(targets)
        assert all(target["instant"] != target["range"] for target in targets)
        assert all(target["instant"] == (panel["type"] == "table") for target in targets)
        if panel["type"] == "timeseries":
            legends = [target["legendFormat"] for target in targets]
            assert len(set(legends)) == len(legends)
            assert "__auto" not in legends, panel["title"]


@each_board
def test_tables_show_each_number_once(board: Json) -> None:
    """Every query has a column, with a heading of its own and a unit."""
    for panel in panels(board):
        if panel["type"] != "table":
            continue
        organize = panel["transformations"][-1]["options"]
        letters = [target["refId"] for target in panel["targets"]]
        values = ["Value"] if len(letters) == 1 else [f"Value #{letter}" for letter in letters]
        headings = [organize["renameByName"][value] for value in values]
        assert [one["matcher"]["options"] for one in panel["fieldConfig"]["overrides"]] == headings
        assert len(set(organize["renameByName"].values())) == len(organize["renameByName"])
        assert organize["indexByName"].keys() == organize["renameByName"].keys()
        assert panel["options"]["sortBy"][0]["displayName"] in headings


@each_board
def test_nothing_overlaps(board: Json) -> None:
    """Panels lie within the grid's columns, none upon another, and rows of panels leave no gaps at the right."""
    places = [panel["gridPos"] for panel in board["panels"]]
    for place in places:
        assert place["x"] >= 0
        assert place["x"] + place["w"] <= COLUMNS
    for one, other in itertools.combinations(places, 2):
        apart = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        assert apart or one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
    for y in {place["y"] for place in places}:
        assert sum(place["w"] for place in places if place["y"] == y) == COLUMNS, (board["uid"], y)


@each_board
def test_variables_are_there_and_used(board: Json) -> None:
    """The data source first, then the job and the machine; whatever a query names, and nothing that none does."""
    variables = board["templating"]["list"]
    names = [variable["name"] for variable in variables]
    assert names[:3] == ["datasource", "job", "instance"]
    asked = {name for ask in asks_of(board) for name in VARIABLE.findall(ask.expr)}
    assert asked - OF_GRAFANA | {"datasource"} == set(names)
    for variable in variables:
        earlier = set(names[: names.index(variable["name"])])
        assert set(VARIABLE.findall(variable.get("definition", ""))) <= earlier


@each_board
def test_links_lead_somewhere(board: Json) -> None:
    """To the other dashboards, with the time and what was chosen."""
    (others,) = board["links"]
    assert others["type"] == "dashboards"
    assert set(others["tags"]) <= set(board["tags"])
    assert others["keepTime"]
    assert others["includeVars"]
    for panel in panels(board):
        for link in panel.get("links", ()):
            uid = link["url"].removeprefix("/d/").partition("?")[0]
            assert uid in BOARDS
            assert set(VARIABLE.findall(link["url"])) <= OF_GRAFANA


def test_findings_are_marked() -> None:
    """Where something was found wrong, every dashboard on connections shows when."""
    marked = {uid for uid, board in BOARDS.items() for one in board["annotations"]["list"] if one["name"] == "Findings"}
    assert marked == set(BOARDS) - {"tcpwatch-itself"}


def test_harm_is_what_verdicts_hold_for_harm() -> None:
    """The rules name the same verdicts as the dashboards, and those are what the rules of the verdicts say."""
    named = [found for rule in (*RECORDED, *ALERTS) for found in re.findall(r'verdict=~"(.*?)"', rule["expr"])]
    assert named == [HARMFUL]
    assert HARMFUL.split("|") == [rule.code for rule in RULES if rule.harm >= MEDIUM]
