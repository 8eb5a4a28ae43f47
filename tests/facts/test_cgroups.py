import ctypes
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tcpwatch.kernel.cgroups import WALK_EVERY_S, Cgroups, mount_point

from .real import needs_root


def mounts(root: Path, where: Path) -> str:
    file = root / "mounts"
    escaped = str(where).replace(" ", r"\040")
    file.write_text(f"tmpfs /run tmpfs rw 0 0\ncgroup /old cgroup rw,cpu 0 0\ncgroup2 {escaped} cgroup2 rw 0 0\n")
    return str(file)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A mount with two services, at a path with a blank in it."""
    top = tmp_path / "my cgroups"
    (top / "system.slice/nginx.service").mkdir(parents=True)
    (top / "system.slice/ssh.service").mkdir()
    (top / "cgroup.procs").touch()
    return top


def number(directory: Path) -> int:
    return directory.stat().st_ino


def test_numbers_become_paths(tmp_path: Path, tree: Path) -> None:
    """At any depth, and the root; a file is no cgroup."""
    found = Cgroups(mounts(tmp_path, tree))
    assert found.path(number(tree), 0) == "/"
    assert found.path(number(tree / "system.slice"), 0) == "/system.slice"
    assert found.path(number(tree / "system.slice/nginx.service"), 0) == "/system.slice/nginx.service"
    assert found.path(number(tree / "cgroup.procs"), 0) is None


def test_zero_is_unknown(tmp_path: Path, tree: Path) -> None:
    """The kernel's zero is never looked for."""
    assert Cgroups(mounts(tmp_path, tree)).path(0, 0) is None


def test_a_new_cgroup_is_found_when_the_next_walk_is_due(tmp_path: Path, tree: Path) -> None:
    """Not before: unknown numbers must not cost a walk each."""
    found = Cgroups(mounts(tmp_path, tree))
    assert found.path(number(tree), 100) == "/"
    (tree / "late.service").mkdir()
    late = number(tree / "late.service")
    assert found.path(late, 100 + WALK_EVERY_S / 2) is None
    assert found.path(late, 100 + WALK_EVERY_S) == "/late.service"


def test_the_walk_is_bounded(tmp_path: Path, tree: Path) -> None:
    """What lies nearest to the root is kept."""
    found = Cgroups(mounts(tmp_path, tree), most=2)
    assert found.path(number(tree / "system.slice"), 0) == "/system.slice"
    assert found.path(number(tree / "system.slice/ssh.service"), 0) is None


def test_names_are_cleaned(tmp_path: Path, tree: Path) -> None:
    """Anyone who owns a cgroup may make a directory with an escape sequence in its name, and others inside."""
    odd = tree / "a\x1b[2Jb"
    (odd / "inside").mkdir(parents=True)
    assert Cgroups(mounts(tmp_path, tree)).path(number(odd / "inside"), 0) == "/a?[2Jb/inside"


def test_without_cgroup_v2_nothing_is_known(tmp_path: Path) -> None:
    """A machine with version 1 only."""
    (tmp_path / "mounts").write_text("cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n")
    assert mount_point(str(tmp_path / "mounts")) is None
    assert Cgroups(str(tmp_path / "mounts")).path(17, 0) is None


@pytest.fixture
def real() -> Iterator[Path]:
    """A cgroup made in this machine's own hierarchy."""
    needs_root()
    mount = mount_point()
    if mount is None:
        pytest.skip("needs cgroup v2")
    made = Path(mount, f"tw-facts-{os.getpid()}", "inner")
    made.mkdir(parents=True)
    yield made
    made.rmdir()
    made.parent.rmdir()


class Handle(ctypes.Structure):
    """struct file_handle with room for a cgroup's, which is its number."""

    _fields_ = (("bytes", ctypes.c_uint), ("kind", ctypes.c_int), ("number", ctypes.c_uint64))


def kernels_number(directory: Path) -> int:
    """The kernel's own number of a cgroup, as bpf_get_current_cgroup_id() would give it."""
    handle, mount = Handle(8, 0, 0), ctypes.c_int()
    libc = ctypes.CDLL(None, use_errno=True)
    at_fdcwd = -100
    done = libc.name_to_handle_at(at_fdcwd, bytes(directory), ctypes.byref(handle), ctypes.byref(mount), 0)
    assert done == 0, os.strerror(ctypes.get_errno())
    return int(handle.number)


def test_a_real_cgroup(real: Path) -> None:
    """The path is found under the number that the kernel itself uses."""
    assert Cgroups().path(kernels_number(real), 0) == f"/{real.parent.name}/inner"
