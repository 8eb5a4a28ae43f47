"""Do the rules hold? promtool's own checks and the tests of when each alert fires, and the page that explains them."""

import re
import shutil
import subprocess

import pytest

from tcpwatch.health.rules import RULES
from tests.dashboards.stock import ALERTS, CASES, PROMETHEUS, RECORDED, RUNBOOK, Json

RULE_FILES = sorted(PROMETHEUS.glob("*.rules.yml"))
TESTS = sorted((PROMETHEUS / "tests").glob("*.yml"))
SEVERITIES = {"critical", "warning", "info"}
DEADLINE_S = 120

each_alert = pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])


def promtool(*arguments: str) -> str:
    if not shutil.which("promtool"):
        pytest.skip("promtool is missing: Debian's package prometheus has it")
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, timeout=DEADLINE_S)
    assert not done.returncode, done.stdout + done.stderr
    return done.stdout


def test_promtool_takes_the_rules() -> None:
    """It finds nothing wrong, and all of them."""
    counts = re.findall(r"SUCCESS: (\d+) rules found", promtool("check", "rules", *map(str, RULE_FILES)))
    assert sum(map(int, counts)) == len(ALERTS) + len(RECORDED)


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_alerts_fire_when_they_should(path: object) -> None:
    """Each case of the files that promtool reads."""
    assert "SUCCESS" in promtool("test", "rules", str(path))


@each_alert
def test_each_has_a_case_in_which_it_fires_and_one_in_which_not(alert: Json) -> None:
    """By their names, and by what they expect."""
    expected: dict[str, list[list[Json]]] = {"fires": [], "does not fire": []}
    for case in CASES:
        for what, found in expected.items():
            if re.match(rf"{alert['alert']} {what}\b", case["name"]):
                found += [test["exp_alerts"] for test in case["alert_rule_test"] if test["alertname"] == alert["alert"]]
    assert expected["fires"]
    assert all(expected["fires"])
    assert expected["does not fire"]
    assert not any(expected["does not fire"])


@each_alert
def test_each_says_what_whoever_it_wakes_needs(alert: Json) -> None:
    """How bad, in one line what and where, in another how much, and where it is explained. None fires at once."""
    assert alert["alert"].startswith("Tcpwatch")
    assert alert["for"] != "0s"
    assert alert["labels"]["severity"] in SEVERITIES
    assert set(alert["annotations"]) == {"summary", "description", "runbook_url"}
    assert alert["annotations"]["runbook_url"] == f"docs/alerts.md#{alert['alert'].lower()}"
    assert alert["annotations"]["description"].endswith(".")


def test_names_are_told_apart() -> None:
    for rules, key in ((ALERTS, "alert"), (RECORDED, "record")):
        names = [rule[key] for rule in rules]
        assert len(names) == len(set(names))


def test_the_page_explains_each_alert_once() -> None:
    """In the order of the rules, each under a heading of its own with words below it; the table has the severities."""
    page = RUNBOOK.read_text()
    sections = re.findall(r"^### (\w+)\n\n(.+)$", page, re.MULTILINE)
    assert [name for name, _ in sections] == [alert["alert"] for alert in ALERTS]
    told = {
        severity: set(re.findall(r"`(Tcpwatch\w+)`", names))
        for severity, names in re.findall(r"^\| (critical|info) \| .*? \| (.*) \|$", page, re.MULTILINE)
    }
    assert told == {
        severity: {alert["alert"] for alert in ALERTS if alert["labels"]["severity"] == severity}
        for severity in ("critical", "info")
    }


def test_findings_with_an_alert_of_their_own_exist() -> None:
    """The one for all others leaves out such codes only as the health view really knows."""
    (rule,) = (alert for alert in ALERTS if alert["alert"] == "TcpwatchHighFinding")
    left_out = re.findall(r'code!~"(.*?)"', rule["expr"])[0].split("|")
    assert {*left_out} < {one.code for one in RULES if one.severity == "high"}
