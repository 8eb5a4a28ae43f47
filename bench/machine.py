"""What the figures were taken on: CPU, kernel, versions of everything compared."""

import os
import platform
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from bench.tools import find
from tcpwatch.kernel import libbpf


def describe() -> dict[str, str]:
    """Name -> value, in the order to be shown."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "cpu": f"{_processor()}, {os.cpu_count()} cores",
        "memory": f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') >> 30} GB",
        "kernel": f"{platform.release()} {platform.machine()}",
        "load before": " ".join(f"{load:.1f}" for load in os.getloadavg()),
        "python": f"{platform.python_version()}, NumPy {np.__version__}",
        "libbpf": libbpf.version(),
        "tcpwatch": _commit(),
        "libbpf-tools": _package("libbpf-tools"),
        "bcc": _package("python3-bpfcc"),
        "iproute2": _said([find("ss"), "-V"]),
        "iperf3": _said([find("iperf3"), "--version"]),
    }


def _processor() -> str:
    found = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(encoding="ascii"), re.MULTILINE)
    return found[1] if found else platform.processor() or "unknown"


def _commit() -> str:
    changed = _said(["git", "status", "--porcelain", "tcpwatch", "bpf"])
    return _said(["git", "rev-parse", "--short", "HEAD"]) + (" and changes not committed" if changed != "–" else "")


def _package(name: str) -> str:
    return _said(["dpkg-query", "--show", "--showformat", "${Version}", name])


def _said(command: list[str]) -> str:
    """The first line a command prints; a dash where it cannot be run or says nothing."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return "–"
    return done.stdout.split("\n", 1)[0].strip() or "–"
