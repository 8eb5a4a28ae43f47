import os
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tcpwatch.errors import UsageError
from tcpwatch.kernel.namespaces import ALL, Place, discover, entered, naming_mark, own_netns, resolve

from .real import DEADLINE_S, needs_root, sleeper, with_only

RESOLVE = """
import sys
from tcpwatch.errors import NotPermitted
from tcpwatch.kernel.namespaces import resolve
try:
    resolve(sys.argv[1])
except NotPermitted as error:
    print(error.what)
"""


@pytest.fixture
def named() -> Iterator[Place]:
    """A namespace made by `ip netns add`, where nobody lives."""
    needs_root("ip")
    name = f"tw-facts-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    path = f"/run/netns/{name}"
    yield Place(os.stat(path).st_ino, path, name)
    subprocess.run(["ip", "netns", "delete", name], check=False)


def inode() -> int:
    return os.stat("/proc/thread-self/ns/net").st_ino


def test_the_own_namespace_is_always_found(tmp_path: Path) -> None:
    """Even where no other process may be looked at."""
    (tmp_path / "self").symlink_to("/proc/self")
    assert discover(str(tmp_path), "/nowhere", "/nowhere") == {
        own_netns(): Place(own_netns(), f"{tmp_path}/self/ns/net")
    }


def test_processes_that_end_meanwhile_are_passed_over(tmp_path: Path) -> None:
    """A directory without ns/net (a process that just ended) and names that are no processes do no harm."""
    (tmp_path / "4242").mkdir()
    (tmp_path / "sys").mkdir()
    assert discover(str(tmp_path), "/nowhere", "/nowhere") == {}


def test_a_name_without_its_mount_is_no_namespace(tmp_path: Path) -> None:
    """What `ip netns add` leaves when it fails half-way is an ordinary file with an ordinary inode number."""
    (tmp_path / "left-over").touch()
    assert discover("/nowhere", str(tmp_path), "/nowhere") == {}


def test_a_named_namespace_without_processes_is_found(named: Place) -> None:
    """By its name, with the path that stays."""
    assert discover()[named.inode] == named


def test_another_mark_for_another_name(tmp_path: Path) -> None:
    """So that nobody has to look at all names to know that there is none new."""
    os.utime(tmp_path, ns=(0, 0))  # clocks are coarse: what follows at once has another time all the same
    before = naming_mark(str(tmp_path), "/nowhere")
    assert naming_mark(str(tmp_path), "/nowhere") == before
    (tmp_path / "blue").touch()
    assert naming_mark(str(tmp_path), "/nowhere") != before


def test_the_name_beats_the_process(named: Place) -> None:
    """A process lives inside, and still the name and the lasting path are given."""
    with sleeper("ip", "netns", "exec", named.name):
        assert discover()[named.inode] == named


def test_a_namespace_of_a_process_is_found() -> None:
    """Nobody named it: it is found through the process that lives there."""
    needs_root("unshare")
    with sleeper("unshare", "--net") as pid:
        inside = os.stat(f"/proc/{pid}/ns/net").st_ino
        assert discover()[inside] == Place(inside, f"/proc/{pid}/ns/net")


def test_entering_moves_this_thread_only(named: Place) -> None:
    """Inside, this thread is there and another one is not; outside, all is as before."""
    home = inode()
    inside = threading.Event()
    with ThreadPoolExecutor(1) as other:
        seen = other.submit(lambda: inside.wait(DEADLINE_S) and inode())
        with entered(named):
            assert inode() == named.inode
            inside.set()
            assert seen.result(DEADLINE_S) == home
    assert inode() == home


def test_an_error_inside_leads_home_too(named: Place) -> None:
    """Whatever happens in there, the thread comes back."""
    home = inode()
    with pytest.raises(ZeroDivisionError), entered(named):
        raise ZeroDivisionError
    assert inode() == home


def test_no_descriptor_stays_open(named: Place) -> None:
    """Neither inside (only the way home is held) nor afterwards: an open one would keep a dead namespace alive."""
    before = set(os.listdir("/proc/self/fd"))
    with entered(named):
        held = {os.stat(f"/proc/self/fd/{fd}").st_ino for fd in os.listdir("/proc/self/fd") if _is_open(fd)}
        assert named.inode not in held
    assert set(os.listdir("/proc/self/fd")) == before


def _is_open(fd: str) -> bool:
    return os.path.exists(f"/proc/self/fd/{fd}")


def test_a_namespace_that_has_ended_is_not_found(named: Place) -> None:
    """Its path is gone: FileNotFoundError, and the thread is where it was."""
    home = inode()
    subprocess.run(["ip", "netns", "delete", named.name], check=True)
    with pytest.raises(FileNotFoundError, match=f"{named.name} has ended"), entered(named):
        pass
    assert inode() == home


def test_a_path_that_leads_elsewhere_is_not_entered(named: Place) -> None:
    """A process number was reused, or a name: the inode number tells."""
    stale = Place(named.inode + 1, named.path)
    with pytest.raises(FileNotFoundError, match="leads elsewhere"), entered(stale):
        pass


PLACES = {7: Place(7, "/run/netns/blue", "blue"), 8: Place(8, "/proc/1/ns/net"), 9: Place(9, "/run/netns/8", "8")}


@pytest.mark.parametrize(("word", "meant"), [("all", ALL), ("blue", 7), ("7", 7), ("8", 9)])
def test_words_for_namespaces(word: str, meant: int) -> None:
    """A name wins over the same digits as a number."""
    assert resolve(word, PLACES) == meant


def test_self_and_paths(named: Place) -> None:
    """`self` is the namespace we live in; a path is looked at."""
    assert resolve("self") == own_netns()
    assert resolve(named.path) == named.inode
    assert resolve(f"/proc/{os.getpid()}/ns/net") == own_netns()
    assert resolve(named.name) == named.inode


def test_an_unknown_name_says_what_exists() -> None:
    """The cure lists names first, then the numbers of those without one, but for our own, which is `self`."""
    meant = "use all for every namespace, self for the one tcpwatch runs in"
    ours = {own_netns(): Place(own_netns(), "/proc/self/ns/net")}
    with pytest.raises(UsageError, match="green") as caught:
        resolve("green", PLACES | ours)
    assert caught.value.cure == f"{meant}, or one of 8, blue, 8 (no name)"
    with pytest.raises(UsageError) as alone:
        resolve("green", ours)
    assert alone.value.cure == meant


def test_a_long_list_is_cut() -> None:
    """A machine with a thousand containers does not answer with a thousand lines."""
    with pytest.raises(UsageError) as caught:
        resolve("green", {i: Place(i, "", f"n{i:04}") for i in range(1, 1010)})
    assert caught.value.cure.endswith("n0012 and 997 more")


@pytest.mark.parametrize("path", ["/proc/self/ns/pid", "/dev/null", "/nowhere/at/all"])
def test_a_path_to_something_else_is_refused(path: str) -> None:
    """Another kind of namespace, a device, nothing."""
    with pytest.raises(UsageError, match=path):
        resolve(path)


def test_a_path_we_may_not_open_is_a_matter_of_permission() -> None:
    """Not "no such namespace"."""
    needs_root("setpriv", "unshare")
    with sleeper("unshare", "--net") as pid:
        assert (
            with_only((), RESOLVE, f"/proc/{pid}/ns/net") == f"/proc/{pid}/ns/net cannot be opened (Permission denied)"
        )
