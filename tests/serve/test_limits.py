"""How many clients are there room for?"""

import subprocess
import sys

import pytest

ASK = "import sys; from tcpwatch.serve.limits import limits; print(limits(int(sys.argv[1])).connections)"


@pytest.mark.parametrize(
    ("files", "scrapes", "connections"),
    [(20_000, 40, 256), (20_000, 0, 256), (20_000, 300, 600), (20_000, 100_000, 4096), (1024, 300, 480), (40, 40, 30)],
)
def test_watching_keeps_its_descriptors(files: int, scrapes: int, connections: int) -> None:
    """As many as are wanted; of a process that may open few files, no more than half of those."""
    command = ["prlimit", f"--nofile={files}:{files}", sys.executable, "-c", ASK, str(scrapes)]
    assert int(subprocess.check_output(command)) == connections
