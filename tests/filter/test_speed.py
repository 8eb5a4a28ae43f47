"""Is a filter cheap enough for every tick, and free where there is none?"""

import subprocess
import sys
import time

import numpy as np
import pytest

from tcpwatch.filter import Names, parse
from tcpwatch.rows import CONNECTION
from tests.yardstick import slowness

pytestmark = pytest.mark.usefixtures("undisturbed")

ROWS = 100_000


def _rows() -> np.ndarray:
    dice = np.random.default_rng(23)
    rows = np.zeros(ROWS, CONNECTION)
    rows["family"] = 2
    rows["state"] = dice.integers(1, 12, ROWS)
    rows["laddr"][:, 10:12] = rows["raddr"][:, 10:12] = 255
    rows["raddr"][:, 12:] = dice.integers(0, 256, (ROWS, 4))
    rows["rport"] = dice.choice([80, 443, 8080], ROWS)
    rows["lport"] = dice.integers(1024, 65536, ROWS)
    rows["comm"] = dice.choice(np.array([b"nginx", b"curl", b"postgres", b""]), ROWS)
    rows["rtt_us"] = dice.choice([np.nan, 100.0, 60_000.0], ROWS)
    return rows


def test_a_mask_of_many_rows_is_quick() -> None:
    """A typical filter over 100,000 connections takes some milliseconds; five times that is still accepted."""
    rows = _rows()
    for text in (
        "state established and ( dport = :443 or comm = nginx ) and rtt > 50ms",
        "exclude listening dst 10.0.0.0/8 or comm = post*",
    ):
        read = parse(text)
        took = []
        for _ in range(5):
            begun = time.thread_time()
            chosen = read.mask(rows, Names())
            took.append(time.thread_time() - begun)
        assert 0 < chosen.sum() < ROWS
        assert min(took) < 0.05 * slowness(), text


def test_no_filter_loads_no_parser() -> None:
    """Starting without a filter does not pay for lark."""
    code = "import sys, tcpwatch.filter as f; f.parse('').fields; assert 'lark' not in sys.modules; f.parse('inet')"
    code += "; assert 'lark' in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
