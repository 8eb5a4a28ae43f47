"""Does memory stay as it is, however many peers come and go beside a hundred thousand connections?"""

import json
import subprocess
import sys
from pathlib import Path

from . import passing

ROOT = Path(__file__).parents[2]
MOST_MB = 23  # 48 bytes kept of each peer of the second half would be more


def test_memory_is_flat() -> None:
    """With a million distinct peers, in a process of its own; the second half of them adds nothing to speak of."""
    command = [sys.executable, "-m", "tests.metrics.passing"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=1200, check=True, cwd=ROOT)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    print(done.stdout)
    assert [line["peers"] for line in lines] == [250_000, 500_000, 750_000, 1_000_000]
    assert all(line["connections"] >= passing.STANDING for line in lines)
    assert lines[-1]["opened"] == 1_000_000
    assert max(line["series"] for line in lines) <= passing.MOST_SERIES
    assert lines[-1]["resident_mb"] - lines[1]["resident_mb"] < MOST_MB
