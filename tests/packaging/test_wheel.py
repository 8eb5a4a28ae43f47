"""What `pip install .` installs: one wheel for every CPU, with both objects in it and nothing that does not belong."""

import email
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

import tcpwatch

OBJECTS = ("tcpwatch/kernel/objects/tcpwatch.bpfel.o", "tcpwatch/kernel/objects/tcpwatch.bpfeb.o")


def names(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


@pytest.fixture
def installed(wheel: Path, tmp_path: Path) -> Path:
    """The `bin` of a fresh environment that has the wheel, and behind it the dependencies of the one we run in."""
    venv.create(tmp_path / "env")
    python = tmp_path / "env" / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, str(wheel)], check=True)
    (site,) = (tmp_path / "env" / "lib").glob("python*/site-packages")
    # A .pth inside that directory, such as our own editable install, does not count from here
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python.parent


def test_the_wheel_serves_every_cpu(wheel: Path) -> None:
    """BPF bytecode depends on the byte order alone, so there is no platform in the name."""
    assert wheel.name == f"tcpwatch_ebpf-{tcpwatch.__version__}-py3-none-any.whl"


def test_the_wheel_holds_both_objects(wheel: Path) -> None:
    """Once each, non-empty."""
    with zipfile.ZipFile(wheel) as archive:
        sizes = {name: archive.getinfo(name).file_size for name in archive.namelist() if name.endswith(".o")}
    assert sorted(sizes) == sorted(OBJECTS)
    assert min(sizes.values()) > 1000


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path, tree: Path) -> None:
    """Every file of the package, and the C for bcc; no tests, no caches."""
    package = {str(path.relative_to(tree)) for path in (tree / "tcpwatch").rglob("*") if path.is_file()}
    sources = {f"tcpwatch/kernel/{path.relative_to(tree)}" for path in (tree / "bpf").rglob("*.[ch]")}
    held = {name for name in names(wheel) if ".dist-info/" not in name}
    assert "tcpwatch/kernel/bpf/tcpwatch.bpf.c" in sources
    assert held == package | sources | set(OBJECTS)
    assert not [name for name in held - sources if Path(name).suffix not in (".py", ".o", ".lark", ".tcss", ".typed")]


def test_the_wheel_names_its_dependencies(wheel: Path) -> None:
    """Four; everything else is an extra."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = email.message_from_bytes(archive.read(name))
    needed = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert sorted(line.split("<")[0].split(">")[0] for line in needed) == [
        *("bcrypt", "h11", "lark", "numpy", "prometheus-client", "pyyaml", "textual", "zstandard"),
    ]
    assert metadata["Requires-Python"] == ">=3.11"


def test_the_command_works_where_the_wheel_is_installed(installed: Path, tmp_path: Path) -> None:
    """From another directory, and from the wheel's files and not the tree's."""
    done = subprocess.run([installed / "tcpwatch", "--version"], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert tcpwatch.__version__ in done.stdout
    where = [str(installed / "python"), "-c", "import tcpwatch; print(tcpwatch.__file__)"]
    assert subprocess.check_output(where, cwd=tmp_path, text=True).startswith(str(tmp_path))


@pytest.mark.skipif(os.geteuid() != 0, reason="loading programs needs root")
def test_bcc_compiles_the_c_that_the_wheel_brings(installed: Path, tmp_path: Path) -> None:
    """There is no clone beside it to take it from."""
    command = [str(installed / "tcpwatch"), "events", "--loader", "bcc", "--duration", "0.1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "compiled by bcc" in done.stderr
    where = [str(installed / "python"), "-c", "from tcpwatch.kernel.loaders import bcc; print(bcc.sources())"]
    assert subprocess.check_output(where, cwd=tmp_path, text=True).startswith(str(tmp_path))


def test_without_clang_the_build_stops_and_says_what_to_install(tree: Path, tmp_path: Path) -> None:
    """A wheel without programs would fail later and elsewhere."""
    for tool in ("python3", "env"):
        (tmp_path / tool).symlink_to(shutil.which(tool) or sys.executable)
    pip = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(tmp_path)]
    env = os.environ | {"PATH": str(tmp_path)}
    done = subprocess.run([*pip, str(tree)], env=env, capture_output=True, text=True)
    assert done.returncode != 0
    assert "apt-get install clang llvm" in done.stdout + done.stderr
    assert not list(tmp_path.glob("*.whl"))
