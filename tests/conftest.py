"""What holds for every test: in CI nothing is skipped, nothing is written into the tree, and what a test was kept from
seeing is no fault of what it tests."""

import gc
import os
import signal
import tempfile
from collections.abc import Generator, Iterator
from typing import Any

import pytest
from _pytest.runner import runtestprotocol
from hypothesis import HealthCheck, configuration, settings

IN_CI = os.environ.get("CI", "").lower() not in ("", "0", "false")
PLAYED_AGAIN = "played_again"
LOOK_AT_THE_KERNEL = ("kernel", "loaders")  # rooms of which every test is marked so


def pytest_configure(config: pytest.Config) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # by a shell that runs us in the background; what we start
        signal.signal(signal.SIGINT, signal.default_int_handler)  # is to be ended with it, and would inherit that
    # The suite runs as root in a tree that may be somebody else's
    home = tempfile.TemporaryDirectory(prefix="tcpwatch-hypothesis-")
    config.add_cleanup(home.cleanup)
    configuration.set_hypothesis_home_dir(home.name)
    # A machine that is slow for a moment is no fault of what is tested; what has to be fast has a test that times it
    settings.register_profile(
        "tcpwatch", deadline=None, derandomize=IN_CI, suppress_health_check=[HealthCheck.too_slow]
    )
    settings.load_profile("tcpwatch")
    config.addinivalue_line("markers", f"{PLAYED_AGAIN}: where it failed and could not see what happened (again.py)")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent.name in LOOK_AT_THE_KERNEL:
            item.add_marker(PLAYED_AGAIN)


def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    if item.get_closest_marker(PLAYED_AGAIN) is None:
        return None
    from tests import again

    reporter = item.config.pluginmanager.get_plugin("terminalreporter")
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    reports = again.played(
        lambda: runtestprotocol(item, log=False, nextitem=nextitem),
        lambda why: reporter and reporter.write_line(f"\n{item.nodeid}: {why}"),
    )
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    fail_if_skipped(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    fail_if_skipped(report)
    return report


def fail_if_skipped(report: Any) -> None:
    """A skip says that the machine lacks something. In CI it must not: what is never run there is run nowhere."""
    if not IN_CI or not report.skipped or hasattr(report, "wasxfail"):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
    report.outcome = "failed"
    report.longrepr = f"{reason}\nIn CI (CI is set) a skip is a failure: everything a test needs must be there."


@pytest.fixture
def undisturbed() -> Iterator[None]:
    """For what measures its own time: after thousands of tests a collection of garbage takes half a second."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()
