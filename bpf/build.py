#!/usr/bin/env python3
"""Compiles tcpwatch.bpf.c into the package, once per byte order. The only place that knows the compile command: make,
the wheel's build hook and a bare `python3 bpf/build.py` all come here, so it needs nothing but the standard library."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
SOURCE = HERE / "tcpwatch.bpf.c"
OBJECTS = HERE.parent / "tcpwatch" / "kernel" / "objects"
HEADERS = Path("/usr/include")
BYTE_ORDERS = ("el", "eb")  # BPF bytecode depends on the byte order of the CPU and on nothing else of it

FLAGS = [
    "-g",  # the BTF that libbpf relocates by is made from debug information
    "-O2",  # the verifier refuses what clang emits below this
    "-mcpu=v3",  # 32-bit ALU and atomics: every kernel with the iterators has them
    *("-Wall", "-Wextra", "-Wno-unused-parameter", "-Werror"),
    "-nostdinc",  # the host's C headers describe the host, not the BPF target
    *("-isystem", str(HEADERS)),
    f"-ffile-prefix-map={HERE.parent}=.",  # the same object wherever the tree lies
]


class CannotBuild(Exception):
    """The objects could not be compiled; the message says why and what to do."""


def build(into: Path = OBJECTS) -> list[Path]:
    """Compile both objects into the directory `into`; their paths. CannotBuild if a tool is missing or fails."""
    require_tools()
    into.mkdir(parents=True, exist_ok=True)
    return [compile_one(order, into / f"tcpwatch.bpf{order}.o") for order in BYTE_ORDERS]


def require_tools() -> None:
    missing = [package for package, present in tools().items() if not present]
    if missing:
        packages = " ".join(missing)
        raise CannotBuild(
            f"the BPF programs cannot be compiled: {packages} not found.\n"
            f"On Debian or Ubuntu: apt-get install {packages}"
        )


def tools() -> dict[str, bool]:
    """Debian package -> whether what we need of it is here."""
    return {
        "clang": shutil.which("clang") is not None,
        "llvm": shutil.which("llvm-strip") is not None,
        "libbpf-dev": (HEADERS / "bpf" / "bpf_helpers.h").exists(),
    }


def compile_one(order: str, target: Path) -> Path:
    # Renamed into place when whole: a reader, or a build that was interrupted, never meets half an object
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        draft = Path(scratch) / target.name
        run(["clang", *FLAGS, "-target", f"bpf{order}", "-c", str(SOURCE), "-o", str(draft)])
        run(["llvm-strip", "-g", str(draft)])  # drops DWARF, keeps BTF
        return draft.replace(target)


def run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise CannotBuild(f"the BPF programs do not compile:\n  {' '.join(command)}\n{done.stderr}")


def main() -> int:
    try:
        built = build()
    except CannotBuild as error:
        print(error, file=sys.stderr)
        return 1
    for path in built:
        print(f"built {path.relative_to(HERE.parent)} ({path.stat().st_size} bytes)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
