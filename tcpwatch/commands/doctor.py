"""`tcpwatch doctor`: what this kernel, these privileges and these sysctls allow."""

import sys
from argparse import Namespace
from io import TextIOWrapper
from typing import TYPE_CHECKING

from tcpwatch import doctor
from tcpwatch.errors import TcpwatchError
from tcpwatch.frame import Probe
from tcpwatch.kernel.programs import Knobs, Programs
from tcpwatch.text.doctor import write

if TYPE_CHECKING:
    from tcpwatch.filter import Filter


def run(options: Namespace, _expression: str, _wanted: "Filter | None") -> int:
    failure: TcpwatchError | None = None
    probes: tuple[Probe, ...] = ()
    ring_bytes, loader = options.ring_mb << 20, ""
    try:
        programs = Programs(ring_bytes, Knobs(), options.loader)
        probes, ring_bytes, loader = programs.probes, programs.ring_bytes, programs.loader
        programs.close()
    except TcpwatchError as error:
        failure = error
    report = doctor.examine(probes, ring_bytes, failure, loader)
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a locale without check marks
    write(report, options.format, sys.stdout)
    sys.stdout.flush()
    return report.exit_code
