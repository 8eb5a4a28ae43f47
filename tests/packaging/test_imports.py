"""Commands that draw nothing do not pay for Textual: 0.2 s and 30 MB."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import sys
from tcpwatch import cli
sys.argv = ["tcpwatch", *sys.argv[1:]]
try:
    cli.main()
except SystemExit:
    pass
loaded = sorted({name.partition(".")[0] for name in sys.modules} & {"textual", "rich"})
sys.exit(f"loaded: {loaded}" if loaded else 0)
"""


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="reading the kernel's sockets needs root")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["events", "--help"],
        ["life", "--help"],
        ["doctor"],
        pytest.param(["snapshot", "--count", "1"], marks=needs_root),
    ],
    ids=" ".join,
)
def test_headless_commands_do_not_load_textual(arguments: list[str]) -> None:
    """Nor Rich, which comes with it."""
    done = subprocess.run([sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout
