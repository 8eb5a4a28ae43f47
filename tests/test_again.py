"""Is a test played again where it could not see what happened, with everything made anew, and only there?"""

import re
import subprocess
import sys
from pathlib import Path

from tests.again import PLAYS

TREE = Path(__file__).parents[1]
TESTS = """
import pytest
from tests import again

plays = {"seen late": 0, "never seen": 0, "wrong": 0}

@pytest.fixture
def fresh():
    return []

@pytest.fixture(scope="module", autouse=True)
def tell():
    yield
    print("plays", plays)

def play(name, fresh):
    plays[name] += 1
    assert fresh == []
    fresh.append(name)

@pytest.mark.played_again
def test_seen_late(fresh):
    play("seen late", fresh)
    again.note_skipped(plays["seen late"] < 3)
    assert plays["seen late"] == 3

@pytest.mark.played_again
def test_never_seen(fresh):
    play("never seen", fresh)
    again.note_skipped(1)
    assert False

def test_wrong(fresh):
    play("wrong", fresh)
    again.note_skipped(1)
    assert False
"""


def test_what_was_hidden_is_played_again(tmp_path: Path) -> None:
    """So often at the most; and what is wrong all the same, or has no need to look, stays so."""
    (tmp_path / "test_some.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    options = ["-p", "tests.conftest", "-p", "no:cacheprovider", "-c", str(tmp_path / "pytest.ini"), "-s"]
    command = [sys.executable, "-m", "pytest", *options, str(tmp_path)]
    done = subprocess.run(command, cwd=TREE, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "2 failed, 1 passed" in done.stdout
    assert str({"seen late": 3, "never seen": PLAYS, "wrong": 1}) in done.stdout
    # more times where others use the kernel meanwhile, and it keeps something of that from its hooks
    assert len(re.findall(r"the kernel left out a hook \d+ times: played again", done.stdout)) == 2 + PLAYS - 1
