"""Compiles the bench's own C programs, into a directory that goes with the run."""

import runpy
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from bench.tools import find

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent


@dataclass(frozen=True, slots=True)
class Workshop:
    """into: where what is compiled and what the runs write goes."""

    into: Path

    def load(self) -> str:
        """The connect/close load."""
        return str(self._program("load"))

    def crowd(self) -> str:
        """The holder of many connections."""
        return str(self._program("crowd"))

    def feed(self) -> Path:
        """The BPF object that fills a ring."""
        return self._object("feed")

    def nothing(self) -> Path:
        """The BPF object whose programs do nothing."""
        return self._object("nothing")

    def _object(self, name: str) -> Path:
        """Compiled as tcpwatch's own is."""
        target = self.into / f"{name}.o"
        if not target.exists():
            flags = runpy.run_path(str(ROOT / "bpf" / "build.py"))["FLAGS"]
            order = "bpfel" if sys.byteorder == "little" else "bpfeb"
            place = ["-I", str(ROOT / "bpf"), "-target", order]
            _run(find("clang"), *flags, *place, "-c", str(HERE / f"{name}.bpf.c"), "-o", str(target))
        return target

    def _program(self, name: str) -> Path:
        target = self.into / name
        if not target.exists():
            _run(find("cc"), "-O2", "-Wall", "-pthread", str(HERE / f"{name}.c"), "-o", str(target))
        return target


def _run(*command: str) -> None:
    subprocess.run(command, check=True)
