"""How is a kernel run? Under QEMU without the help of this CPU's virtualisation, which not every machine has or has in
working order. Knows nothing of what the guest does, but that it says something now and then."""

import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.kernels.archive import Kernel
from tests.kernels.children import pause, started
from tests.kernels.image import build

QEMU = "qemu-system-x86_64"
# The least that our packages run on, as emulating what newer ones have takes twice the time; without rdrand, whoever
# asks for a random number waits half a minute
CPU = "Nehalem,+rdrand"
CPUS = 2
MEMORY_MB = 2048
_COMMAND_LINE = (
    "console=ttyS0 panic=-1 mitigations=off random.trust_cpu=on "
    # measured while others took the emulator's time, the TSC's rate was wrong: a minute lasted a second
    "clocksource=acpi_pm tsc=unstable "
    # that a CPU stood still is the emulator's doing
    "nowatchdog rcupdate.rcu_cpu_stall_suppress=1 sysctl.kernel.hung_task_timeout_secs=0"
)
# A guest says something every 10 s, by its own clock, and while it boots all the time; but for Python's first start
SILENCE_S = 300.0
_LOOK_S = 0.5

Report = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Run:
    """What became of a guest. report: the objects it wrote to its second serial line, one a line; if there are none it
    did not boot. console: the text on its first. cut: why it was ended, "" where it ended by itself."""

    report: Report
    console: str
    cut: str = ""


def boot(kernel: Kernel, tree: Path, command: str, limit_s: float) -> Run:
    """Runs the command, a shell's, as root in the tree, on that kernel. Raises Trouble, Stopped."""
    with tempfile.TemporaryDirectory(prefix="tcpwatch-kernel-") as scratch:
        here = Path(scratch)
        console, report = here / "console", here / "report"
        start = build(kernel, tree, command, here / "start.cpio")
        return watch(_qemu(kernel, start, console, report), console, report, limit_s)


def watch(command: Sequence[str], console: Path, report: Path, limit_s: float, silence_s: float = SILENCE_S) -> Run:
    """Runs it until it ends, or takes longer than the limit, or has written to neither file for so long."""
    output = console.with_name("emulator")
    with output.open("wb") as file, started(command, file) as process:
        cut = ""
        begin = heard = time.monotonic()
        size = 0
        while not cut and process.poll() is None:
            pause(_LOOK_S)
            now = time.monotonic()
            grown = sum(path.stat().st_size for path in (console, report) if path.exists())
            if grown != size:
                size, heard = grown, now
            if now - begin > limit_s:
                cut = f"it was not done in {limit_s:.0f} s"
            elif now - heard > silence_s:
                cut = f"it stood still: {silence_s:.0f} s without a word, {now - begin:.0f} s after its start"
        code = process.returncode
    if code:
        said = output.read_text(errors="replace").strip()[-2000:]
        how = f"was ended by signal {-code}" if code < 0 else f"ended with {code}"
        cut = f"{command[0]} {how}{said and f': {said}'}"
    said = console.read_text(errors="replace") if console.exists() else ""
    return Run(_parse(report), said.replace("\r", ""), cut)


def _qemu(kernel: Kernel, start: Path, console: Path, report: Path) -> list[str]:
    def share(tag: str, path: Path) -> list[str]:
        return ["-virtfs", f"local,path={path},mount_tag={tag},security_model=none,readonly=on,multidevs=remap"]

    return [
        QEMU,
        *("-accel", "tcg,thread=multi", "-cpu", CPU, "-smp", str(CPUS), "-m", str(MEMORY_MB)),
        *("-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-nic", "none"),
        *("-kernel", str(kernel.image), "-initrd", str(start), "-append", _COMMAND_LINE),
        *share("root", Path("/")),
        *share("modules", (kernel.modules / "lib" / "modules").resolve()),
        *(share("headers", kernel.headers) if kernel.headers else ()),
        *("-serial", f"file:{console}", "-serial", f"file:{report}"),
    ]


def _parse(report: Path) -> Report:
    lines = report.read_text(errors="replace").splitlines() if report.exists() else []
    found = []
    for line in filter(None, map(str.strip, lines)):
        try:
            found.append(json.loads(line))
        except ValueError:  # the guest was stopped in the middle of it
            break
    return found
