"""What these tests need from the machine, and the one busy day of three servers that most of them look at."""

import os
import shutil

import pytest

from tcpwatch.errors import TcpwatchError
from tcpwatch.scenarios.show import check
from tests import again

from .daemons import postgres_tool
from .day import Day, live_through

ATTEMPTS = 3
TOOLS = ("nginx", "redis-server", "redis-benchmark", "ab", "curl", "openssl", "ss", "setpriv", "tcpdump")


def _missing() -> str:
    absent = [tool for tool in TOOLS if not shutil.which(tool)]
    absent += [tool for tool in ("postgres", "initdb", "pgbench") if not postgres_tool(tool)]
    return f"healthy traffic needs the commands {', '.join(absent)}" if absent else ""


@pytest.fixture(scope="session", autouse=True)
def machine() -> None:
    """Skips where the machine lacks something, and fails where CI says that it lacks nothing."""
    try:
        check()
        lacking = _missing()
    except TcpwatchError as error:
        lacking = str(error)
    if lacking:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(lacking)


@pytest.fixture(scope="session")
def day(machine: None) -> Day:
    """Another one where the machine stood still: a SYN that is sent again for that is no sign of health."""
    return again.undisturbed(live_through, ATTEMPTS)
