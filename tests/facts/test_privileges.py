import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import tcpwatch
from tcpwatch.kernel import privileges

from .real import needs_root, sleeper, with_only

READ = "CAP_DAC_READ_SEARCH"
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
FIRST = """
import os
try:
    os.setpriority(os.PRIO_PROCESS, 0, os.getpriority(os.PRIO_PROCESS, 0) - 1)
    print("works")
except PermissionError:
    print("refused")
"""
FIND = "from tcpwatch.kernel.namespaces import discover; import sys; print(int(sys.argv[1]) in discover())"
# What the thread that gave up, one started by it, and a program executed by it may do; and one started before
GIVE_UP = """
import subprocess, sys, threading
from tcpwatch.kernel import privileges
def told(path="/proc/thread-self/status"):
    wanted = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs")
    with open(path) as lines:
        print(*(line.split()[1].lstrip("0") or "0" for line in lines if line.startswith(wanted)), flush=True)
go = threading.Event()
def wait_and_tell():
    go.wait()
    told()
before = threading.Thread(target=wait_and_tell)
before.start()
privileges.keep_only(sys.argv[1:])
told()
after = threading.Thread(target=told)
after.start()
after.join()
subprocess.run([sys.executable, "-c", "print(*(l.split()[1].lstrip('0') or '0' for l in open('/proc/self/status')"
    " if l.startswith(('Cap', 'NoNew'))), flush=True)"])
go.set()
before.join()
"""
TRY = """
import os
from tcpwatch.kernel import privileges
def bound(): os.chroot("/")
print(privileges.works_with_only((), bound), privileges.works_with_only(("CAP_SYS_ADMIN",), os.getpid))
bound()
print("here it still works")
"""
LATER = """
import sys
from tcpwatch.kernel import privileges
ask = (lambda: open("/proc/1/environ").close()) if "asks" in sys.argv else (lambda: None)
print(*sorted(privileges.needed_later("abroad" in sys.argv, ask)))
"""
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
    """Bits 39 and 21 are CAP_BPF and CAP_SYS_ADMIN; a bit without a meaning for tcpwatch (5) is passed over."""
    assert privileges.effective(status(tmp_path, 1 << 39 | 1 << 21 | 1 << 5)) == {"CAP_BPF", "CAP_SYS_ADMIN"}


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


def test_going_first_takes_sys_nice() -> None:
    """A thread may be put before others with it, and not without."""
    needs_root("setpriv")
    assert with_only(("CAP_SYS_NICE",), FIRST) == "works"
    assert with_only(("CAP_SYS_ADMIN",), FIRST) == "refused"


def test_the_own_namespace_needs_nothing() -> None:
    """entered() on the namespace one is in already works without any capability."""
    needs_root("setpriv")
    own = str(os.stat("/proc/self/ns/net").st_ino)
    assert with_only((), ENTER, "/proc/self/ns/net", own) == own


def test_what_is_given_up_is_gone_for_good() -> None:
    """From every set, for threads and programs started later too; what runs already is not touched."""
    needs_root("setpriv")
    held = ("CAP_SETPCAP", "CAP_SYS_ADMIN", "CAP_SYS_PTRACE", "CAP_BPF")
    here, after, executed, before = with_only(held, GIVE_UP, "CAP_SYS_PTRACE", "CAP_CHOWN").splitlines()
    assert here == after == f"0 {1 << 19:x} {1 << 19:x} 0 0 1"
    assert executed == "0 0 0 0 0 1"
    everything = f"{1 << 8 | 1 << 19 | 1 << 21 | 1 << 39:x}"
    assert before == f"{everything} {everything} {everything} {everything} {everything} 0"


def test_giving_up_needs_no_privilege() -> None:
    """Whoever has none can promise to gain none. The bounding set stays, which no_new_privs makes meaningless."""
    needs_root("setpriv")
    here, *_ = with_only((), GIVE_UP, "CAP_BPF").splitlines()
    assert here == "0 0 0 0 0 1"


def test_an_attempt_costs_nothing() -> None:
    """What fails without a capability is told from what works, and the capability is still there afterwards."""
    needs_root()
    done = subprocess.run([sys.executable, "-c", TRY], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["False True", "here it still works"]


@pytest.mark.parametrize(
    ("arguments", "kept"),
    [
        ((), ""),
        (("abroad",), "CAP_SYS_ADMIN CAP_SYS_PTRACE"),
        (("asks",), "CAP_BPF CAP_PERFMON"),  # as where the kernel refuses every call of bpf() without CAP_BPF
    ],
)
def test_what_is_needed_later_is_found_out_by_trying(arguments: tuple[str, ...], kept: str) -> None:
    """Other namespaces take two capabilities; the own one takes none, unless the kernel wants them for every call."""
    needs_root()
    done = subprocess.run([sys.executable, "-c", LATER, *arguments], capture_output=True, text=True, check=True)
    closed = set() if privileges.works_with_only((), lambda: open(privileges.__file__).close()) else {READ}
    assert set(done.stdout.split()) == set(kept.split()) | closed


def test_modules_in_a_closed_home_stay_readable(tmp_path: Path) -> None:
    """Under sudo they may lie where root without capabilities may not go; more of them are imported later."""
    needs_root()
    home = tmp_path / "home"
    shutil.copytree(Path(tcpwatch.__file__).parent, home / "tcpwatch", ignore=shutil.ignore_patterns("__pycache__"))
    os.chown(home, 65534, 65534)
    home.chmod(0o700)
    surroundings = os.environ | {"PYTHONPATH": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", LATER]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=surroundings, cwd="/")
    assert done.stdout.split() == [READ]


@pytest.mark.parametrize("hidden", [True, False])
def test_processes_that_proc_hides_stay_visible(hidden: bool) -> None:
    """Where /proc is mounted with hidepid, CAP_SYS_PTRACE names other users' processes, so it is kept."""
    needs_root("unshare", "mount", "setpriv")
    options = "-o hidepid=invisible" if hidden else ""
    caps = "+sys_ptrace,+dac_read_search"
    somebody = f"setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps={caps} --ambient-caps={caps}"
    mount_and_run = f'mount -t proc {options} proc /proc && exec {somebody} "$0" "$@"'
    command = ["unshare", "--mount", "sh", "-c", mount_and_run, sys.executable, "-c", LATER]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd="/")
    assert ("CAP_SYS_PTRACE" in done.stdout.split()) == hidden
