"""What these tests need from the machine, and the one run of every scenario that most of them look at."""

import os

import pytest

from tcpwatch.errors import TcpwatchError
from tcpwatch.scenarios.show import check

from .shown import Shown, show_all


@pytest.fixture(scope="session", autouse=True)
def machine() -> None:
    """Skips where the machine lacks something, and fails where CI says that it lacks nothing."""
    try:
        check()
    except TcpwatchError as lacking:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(str(lacking))


@pytest.fixture(scope="session")
def shown() -> dict[str, Shown]:
    """Every scenario, run once with 23 connections, by name."""
    return show_all()
