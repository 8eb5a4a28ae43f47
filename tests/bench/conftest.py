"""What the harness needs from the machine, and its compiled programs."""

import os
from pathlib import Path

import pytest

from bench import tools
from bench.workshop import Workshop


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """Compiles as the bench does. Skips where namespaces cannot be made or a tool is missing."""
    if os.geteuid():
        pytest.skip("the bench needs root, to make namespaces and to load BPF programs")
    for name in ("ip", "sysctl", "ss", "cc", "clang"):
        try:
            tools.find(name)
        except tools.Missing as missing:
            pytest.skip(str(missing))
    return Workshop(Path(tmp_path_factory.mktemp("bench")))
