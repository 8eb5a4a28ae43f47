"""In CI a skip is a failure, wherever it happens; elsewhere it stays a skip."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).resolve().parent.parent / "conftest.py"
SKIPS = {
    "in a test": "import pytest\ndef test_a(): pytest.skip('no BPF here')\n",
    "by a mark": "import pytest\n@pytest.mark.skip(reason='no BPF here')\ndef test_a(): pass\n",
    "of a module": "import pytest\npytest.skip('no BPF here', allow_module_level=True)\n",
    "in a fixture": "import pytest\n@pytest.fixture\ndef f(): pytest.skip('no BPF here')\ndef test_a(f): pass\n",
}
EXPECTED_FAILURE = "import pytest\n@pytest.mark.xfail\ndef test_a(): assert False\n"


def run(directory: Path, test: str, ci: str) -> subprocess.CompletedProcess[str]:
    shutil.copy(CONFTEST, directory)
    (directory / "test_one.py").write_text(test)
    (directory / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rs", "."]
    return subprocess.run(command, cwd=directory, env=os.environ | {"CI": ci}, capture_output=True, text=True)


@pytest.mark.parametrize("test", SKIPS.values(), ids=SKIPS.keys())
def test_a_skip_fails_in_ci_and_says_why(tmp_path: Path, test: str) -> None:
    """The run ends red, with the reason of the skip in its output."""
    done = run(tmp_path, test, ci="true")
    assert done.returncode != 0
    assert "no BPF here" in done.stdout
    assert "a skip is a failure" in done.stdout


@pytest.mark.parametrize("test", SKIPS.values(), ids=SKIPS.keys())
def test_a_skip_stays_a_skip_elsewhere(tmp_path: Path, test: str) -> None:
    """A person without the kernel's blessing still gets a run that is not red."""
    done = run(tmp_path, test, ci="")
    assert "1 skipped" in done.stdout
    assert "failed" not in done.stdout


def test_an_expected_failure_is_no_skip(tmp_path: Path) -> None:
    """pytest reports xfail as skipped; it is not one."""
    assert run(tmp_path, EXPECTED_FAILURE, ci="true").returncode == 0
