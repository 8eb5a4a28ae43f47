import ctypes
import os
import re
import sys
import time
from pathlib import Path

import pytest

from tcpwatch.kernel.processes import COMMAND_LENGTH, describe

from .real import sleeper

TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
SECOND_NS = 1_000_000_000


def fake(root: Path, *, comm: bytes = b"nginx", cmdline: bytes = b"", cgroup: str = "0::/\n", ticks: int = 0) -> str:
    """A /proc with process 42; ticks: when it started, as /proc counts."""
    home = root / "42"
    home.mkdir()
    (home / "comm").write_bytes(comm + b"\n")
    (home / "cmdline").write_bytes(cmdline)
    (home / "cgroup").write_text(cgroup)
    fields = " ".join(str(ticks if number == 22 else number) for number in range(4, 53))
    (home / "stat").write_bytes(b"42 (" + comm + b") S " + fields.encode() + b"\n")
    return str(root)


def test_arguments_are_joined_by_blanks(tmp_path: Path) -> None:
    """As ps shows them."""
    process = describe(42, proc=fake(tmp_path, cmdline=b"/usr/sbin/nginx\0-g\0daemon off;\0"))
    assert process is not None
    assert (process.comm, process.command) == ("nginx", "/usr/sbin/nginx -g daemon off;")


def test_what_a_terminal_would_obey_is_taken_out(tmp_path: Path) -> None:
    """Escape sequences in the name, the arguments and the cgroup; bytes that are no UTF-8."""
    proc = fake(tmp_path, comm=b"\x1b[2J", cmdline=b"a\x1b]0;x\x07\0\xff\xfe\0", cgroup="0::/a\x1b[31m\n")
    process = describe(42, proc=proc)
    assert process is not None
    shown = process.comm + process.command + process.cgroup
    assert "[2J" in shown
    assert not re.search("[\x00-\x1f\x7f-\x9f]", shown)


def test_a_long_command_line_is_cut(tmp_path: Path) -> None:
    """Java's are tens of thousands of characters; the cut is shown."""
    process = describe(42, proc=fake(tmp_path, cmdline=b"java\0" + b"-Dx=" + "ü".encode() * 40_000 + b"\0"))
    assert process is not None
    assert len(process.command) == COMMAND_LENGTH
    assert process.command.startswith("java -Dx=ü")
    assert process.command.endswith("ü…")


@pytest.mark.parametrize(
    ("lines", "path"),
    [
        ("0::/system.slice/nginx.service\n", "/system.slice/nginx.service"),
        ("12:memory:/docker/ab\n1:name=systemd:/x\n0::/user.slice\n", "/user.slice"),
        ("12:memory:/docker/ab\n", ""),
        ("0::/system.slice/gone.service (deleted)\n", "/system.slice/gone.service"),
        ("0::/odd/0::name\n", "/odd/0::name"),
    ],
)
def test_the_cgroup_is_the_one_of_version_2(tmp_path: Path, lines: str, path: str) -> None:
    """The line that begins with 0::, whatever stands around it."""
    process = describe(42, proc=fake(tmp_path, cgroup=lines))
    assert process is not None
    assert process.cgroup == path


def test_nobody_is_described_by_nothing(tmp_path: Path) -> None:
    """A process that has ended."""
    assert describe(42, proc=str(tmp_path)) is None


@pytest.mark.parametrize(
    ("slept_s", "started_s", "same"),
    [
        (0, 100, True),  # at that very time
        (0, 101, False),  # a second later: the number was given to another process
        (0, 99, False),
        (3600, 3700, True),  # all of the sleep came before it started
        (3600, 100, True),  # none of it
        (3600, 3702, False),
    ],
)
def test_a_reused_number_is_not_described(tmp_path: Path, slept_s: int, started_s: int, same: bool) -> None:
    """The kernel's record says 100 s after boot, not counting sleep; /proc counts it."""
    proc = fake(tmp_path, comm=b"a) b (c", ticks=started_s * os.sysconf("SC_CLK_TCK"))
    process = describe(42, 100 * SECOND_NS, proc, suspended_ns=slept_s * SECOND_NS)
    assert (process is not None) is same
    assert process is None or process.start_ns == 100 * SECOND_NS


def test_a_real_process() -> None:
    """A child, started between two looks at the clock: its true start lies in between, an hour before does not."""
    before = time.monotonic_ns()
    with sleeper() as pid:
        assert time.monotonic_ns() - before < 30 * SECOND_NS
        ticks = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
        slept_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.monotonic_ns()
        process = describe(pid, ticks * TICK_NS - slept_ns)
        assert process is not None
        assert process.command.startswith(f"{sys.executable} -c import sys")
        assert f"0::{process.cgroup}" in Path(f"/proc/{pid}/cgroup").read_text().splitlines() or not process.cgroup
        assert describe(pid, ticks * TICK_NS - slept_ns - 3600 * SECOND_NS) is None
    assert describe(pid) is None


def test_a_process_may_call_itself_anything() -> None:
    """PR_SET_NAME with an escape sequence, read back through the real /proc."""
    libc = ctypes.CDLL(None)
    old = Path("/proc/self/comm").read_bytes().rstrip(b"\n")
    libc.prctl(15, b"\x1b[2J) x", 0, 0, 0)
    try:
        process = describe(os.getpid())
    finally:
        libc.prctl(15, old, 0, 0, 0)
    assert process is not None
    assert process.comm == "?[2J) x"
