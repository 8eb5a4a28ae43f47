"""How is a kernel run? Under QEMU without the help of this CPU's virtualisation, which not every machine has or has in
working order. Knows nothing of what the guest does."""

import json
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.kernels.archive import CannotFetch, Kernel
from tests.kernels.image import build

QEMU = "qemu-system-x86_64"
CPUS = 2
MEMORY_MB = 2048
_COMMAND_LINE = (
    "console=ttyS0 quiet loglevel=3 panic=-1 mitigations=off random.trust_cpu=on "
    # measured while others took the emulator's time, the TSC's rate was wrong: a minute lasted a second
    "clocksource=acpi_pm tsc=unstable "
    # that a CPU stood still is the emulator's doing
    "nowatchdog rcupdate.rcu_cpu_stall_suppress=1"
)
_BEGIN_S = 240.0  # until the guest says its first word: 15 as a rule
_BOOTS = 3

Report = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Run:
    """What became of a guest. report: the objects it wrote to its second serial line, one a line; if there are none it
    did not boot. console: the text on its first. ended: it switched itself off in time."""

    report: Report
    console: str
    ended: bool


def boot(kernel: Kernel, tree: Path, command: str, limit_s: float) -> Run:
    """Runs the command, a shell's, as root in the tree, on that kernel. One that hangs before it has begun is booted
    again."""
    with tempfile.TemporaryDirectory(prefix="tcpwatch-kernel-") as scratch:
        here = Path(scratch)
        console, report = here / "console", here / "report"
        start = build(kernel, tree, command, here / "start.cpio")
        for _ in range(_BOOTS):
            report.unlink(missing_ok=True)
            ended = _run(_qemu(kernel, start, console, report), report, limit_s)
            said = console.read_text(errors="replace") if console.exists() else ""
            run = Run(_parse(report), said.replace("\r", ""), ended)
            if run.report:
                break
        return run


def _qemu(kernel: Kernel, start: Path, console: Path, report: Path) -> list[str]:
    def share(tag: str, path: Path) -> list[str]:
        return ["-virtfs", f"local,path={path},mount_tag={tag},security_model=none,readonly=on,multidevs=remap"]

    return [
        *("setpriv", "--pdeathsig", "KILL"),  # no guest outlives whoever wanted it
        QEMU,
        *("-accel", "tcg,thread=multi", "-cpu", "max", "-smp", str(CPUS), "-m", str(MEMORY_MB)),
        *("-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-nic", "none"),
        *("-kernel", str(kernel.image), "-initrd", str(start), "-append", _COMMAND_LINE),
        *share("root", Path("/")),
        *share("modules", (kernel.modules / "lib" / "modules").resolve()),
        *(share("headers", kernel.headers) if kernel.headers else ()),
        *("-serial", f"file:{console}", "-serial", f"file:{report}"),
    ]


def _run(command: list[str], report: Path, limit_s: float) -> bool:
    """Whether it ended by itself: in time, and with a beginning in time."""
    try:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    except FileNotFoundError as error:
        raise CannotFetch(f"{QEMU} is not here (setup/packages python3 kernels)") from error
    try:
        try:
            said, _ = process.communicate(timeout=min(_BEGIN_S, limit_s))
        except subprocess.TimeoutExpired:
            if not _parse(report):
                raise
            said, _ = process.communicate(timeout=max(0.0, limit_s - _BEGIN_S))
    except subprocess.TimeoutExpired:
        return False
    finally:
        process.kill()
        process.wait()
    if process.returncode:
        raise CannotFetch(f"{QEMU}: exit {process.returncode}: {said.decode(errors='replace').strip()}")
    return True


def _parse(report: Path) -> Report:
    lines = report.read_text(errors="replace").splitlines() if report.exists() else []
    found = []
    for line in filter(None, map(str.strip, lines)):
        try:
            found.append(json.loads(line))
        except ValueError:  # the guest was stopped in the middle of it
            break
    return found
