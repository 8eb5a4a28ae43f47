import os
import subprocess
import sys
from pathlib import Path

import pytest

from tcpwatch.kernel import privileges

from .real import needs_root, sleeper, with_only

BPF_AND_PERFMON = ("CAP_BPF", "CAP_PERFMON")

LOAD = """
import os, sys
from importlib import resources
from tcpwatch.kernel import libbpf
name = f"tcpwatch.bpf{'el' if sys.byteorder == 'little' else 'eb'}.o"
image = resources.files("tcpwatch.kernel") / "objects" / name
def attempt(program):
    opened = libbpf.Object(image.read_bytes())
    try:
        opened.choose(lambda name: name == program)
        opened.load()
        link = opened.attach(program)
        if program.startswith("each_"):
            walk = libbpf.open_iterator(link)
            while os.read(walk, 65536): pass
            os.close(walk)
        return "works"
    except PermissionError:
        return "refused"
    finally:
        opened.close()
print(*map(attempt, ("on_inet_sock_set_state", "each_tcp", "each_task_file")))
"""
ENTER = """
import os, sys
from tcpwatch.kernel.namespaces import Place, entered
try:
    with entered(Place(int(sys.argv[2]), sys.argv[1])):
        print(os.stat("/proc/thread-self/ns/net").st_ino)
except PermissionError as error:
    print(error.strerror)
"""
FIND = "from tcpwatch.kernel.namespaces import discover; import sys; print(int(sys.argv[1]) in discover())"
REQUIRE = """
from tcpwatch.errors import NotPermitted
from tcpwatch.kernel import privileges
try:
    privileges.require()
    print("permitted")
except NotPermitted as error:
    print(error.what, error.cure, sep="|")
"""


def status(root: Path, mask: int) -> str:
    (root / "self").mkdir()
    (root / "self/status").write_text(f"Name:\tx\nCapPrm:\t0000000000000000\nCapEff:\t{mask:016x}\nCapBnd:\t0\n")
    return str(root)


def test_effective_capabilities_are_read_by_name(tmp_path: Path) -> None:
    """Bits 39 and 21 are CAP_BPF and CAP_SYS_ADMIN; a bit without a meaning for tcpwatch (0) is passed over."""
    assert privileges.effective(status(tmp_path, 1 << 39 | 1 << 21 | 1)) == {"CAP_BPF", "CAP_SYS_ADMIN"}


@pytest.mark.parametrize(
    ("held", "lacking"),
    [
        ((), BPF_AND_PERFMON),
        (("CAP_BPF",), ("CAP_PERFMON",)),
        (("CAP_NET_ADMIN", "CAP_SYS_PTRACE"), BPF_AND_PERFMON),
        (BPF_AND_PERFMON, ()),
        (("CAP_SYS_ADMIN",), ()),
    ],
)
def test_what_is_missing_is_named(held: tuple[str, ...], lacking: tuple[str, ...]) -> None:
    """CAP_SYS_ADMIN stands in for both, nothing else does."""
    assert privileges.missing(held=frozenset(held)) == lacking


def test_ptrace_has_no_stand_in() -> None:
    """CAP_SYS_ADMIN does not include CAP_SYS_PTRACE."""
    assert privileges.missing(("CAP_SYS_PTRACE",), frozenset({"CAP_SYS_ADMIN"})) == ("CAP_SYS_PTRACE",)


@pytest.mark.parametrize("root", [True, False])
def test_no_cure_touches_the_interpreter(root: bool) -> None:
    """setcap on python would give every script of every user these capabilities."""
    assert "setcap" not in privileges.cure(privileges.NEEDED, root)


@pytest.mark.parametrize(
    ("held", "outcome"),
    [
        ((), "refused"),
        (("CAP_BPF",), "refused"),
        (("CAP_PERFMON",), "refused"),
        (BPF_AND_PERFMON, "works"),
        (("CAP_SYS_ADMIN",), "works"),
    ],
)
def test_the_kernel_agrees_about_what_is_needed(held: tuple[str, ...], outcome: str) -> None:
    """What missing() says is what the kernel does, for hooks and for both iterators."""
    needs_root("setpriv")
    assert with_only(held, LOAD) == f"{outcome} {outcome} {outcome}"
    assert bool(privileges.missing(held=frozenset(held))) == (outcome == "refused")


def test_require_names_exactly_what_is_missing() -> None:
    """With CAP_BPF alone only CAP_PERFMON is asked for."""
    needs_root("setpriv")
    what, cure = with_only(("CAP_BPF",), REQUIRE).split("|")
    assert "CAP_PERFMON missing" in what
    assert "CAP_BPF" not in what
    assert "--cap-add PERFMON" in cure


def test_require_is_content_with_the_two() -> None:
    """Nothing more is needed to watch this namespace."""
    needs_root("setpriv")
    assert with_only(BPF_AND_PERFMON, REQUIRE) == "permitted"


def test_a_user_namespace_gives_no_capabilities_that_count() -> None:
    """All capabilities of a rootless container are not enough, and the reason is said."""
    needs_root("unshare")
    command = ["unshare", "--user", "--map-root-user", sys.executable, "-c", REQUIRE]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "in a user namespace only" in done.stdout


def test_entering_another_network_namespace_takes_sys_admin() -> None:
    """CAP_NET_ADMIN is not enough, and the refusal names what is."""
    needs_root("setpriv", "unshare")
    with sleeper("unshare", "--net") as pid:
        path = f"/proc/{pid}/ns/net"
        inode = str(os.stat(path).st_ino)
        assert with_only(("CAP_SYS_ADMIN", "CAP_SYS_PTRACE"), ENTER, path, inode) == inode
        refusal = with_only(("CAP_NET_ADMIN", "CAP_SYS_PTRACE"), ENTER, path, inode)
    assert "CAP_SYS_ADMIN missing" in refusal


def test_finding_namespaces_of_processes_takes_sys_ptrace() -> None:
    """Without it, a namespace that only a more privileged process holds is not found; CAP_SYS_ADMIN does not help."""
    needs_root("setpriv", "unshare")
    with sleeper("unshare", "--net") as pid:
        inode = str(os.stat(f"/proc/{pid}/ns/net").st_ino)
        assert with_only(("CAP_SYS_PTRACE",), FIND, inode) == "True"
        assert with_only(("CAP_SYS_ADMIN",), FIND, inode) == "False"


def test_the_own_namespace_needs_nothing() -> None:
    """entered() on the namespace one is in already works without any capability."""
    needs_root("setpriv")
    own = str(os.stat("/proc/self/ns/net").st_ino)
    assert with_only((), ENTER, "/proc/self/ns/net", own) == own
