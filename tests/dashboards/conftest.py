"""What these tests need from the machine, and the one run that most of them look at."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tcpwatch.errors import TcpwatchError
from tcpwatch.scenarios.show import check
from tests.dashboards.watched import Watched, watch


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """Scenarios under a live `tcpwatch serve` and a real Prometheus. They end with these tests, as others
    count what is left behind. A skip fails where CI says that nothing lacks."""
    if not shutil.which("prometheus"):
        pytest.skip("prometheus is missing: Debian's package of that name has it")
    try:
        check()
    except TcpwatchError as lacking:
        pytest.skip(str(lacking))
    directory: Path = tmp_path_factory.mktemp("prometheus")
    with watch(directory) as seen:
        yield seen
