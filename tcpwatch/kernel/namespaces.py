"""Which network namespaces exist here, what they are called and how to step into one. Knows nothing of sockets, and
holds no foreign namespace open, since that would keep a dead container's network alive."""

import ctypes
import errno
import fcntl
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TypeVar

from tcpwatch import words
from tcpwatch.errors import NotPermitted, UsageError

ALL = 0
Found = TypeVar("Found")

_CLONE_NEWNET = 0x40000000
_NS_GET_NSTYPE = 0xB703
_HOST_AS_DOCKER_CALLS_IT = "default"
_RUN, _DOCKER = "/run/netns", "/run/docker/netns"
_SHOWN = 12  # namespaces in a message


@dataclass(frozen=True, slots=True)
class Place:
    """A network namespace and a path that opens it. name: "" where nobody named it."""

    inode: int
    path: str
    name: str = ""


def own_netns() -> int:
    """The inode number of the network namespace this process lives in."""
    return os.stat("/proc/self/ns/net").st_ino


def discover(proc: str = "/proc", run: str = _RUN, docker: str = _DOCKER) -> dict[int, Place]:
    """Every network namespace this process may see, by inode number; its own is always among them.

    A named namespace has the path that outlives processes. Costs about 10 us per process."""
    found = named(run, docker)
    for place in _held_by_processes(proc):
        found.setdefault(place.inode, place)
    return found


def named(run: str = _RUN, docker: str = _DOCKER) -> dict[int, Place]:
    """Those that somebody named, by inode number. run: where ip netns, podman and CNI keep theirs; these names win."""
    return {place.inode: place for directory in (docker, run) for place in _named(directory)}


def naming_mark(run: str = _RUN, docker: str = _DOCKER) -> tuple[int, ...]:
    """Another one whenever a name came or went: two system calls that save looking at all of them."""
    mark = []
    for directory in (run, docker):
        with suppress(OSError):
            mark.append(os.stat(directory).st_mtime_ns)
    return tuple(mark)


def _named(directory: str) -> Iterator[Place]:
    filesystem = os.stat("/proc/self/ns/net").st_dev
    for entry in _entries(directory):
        with suppress(OSError):
            about = entry.stat()
            # a file without its mount is what is left of a namespace whose making failed
            if about.st_dev == filesystem:
                name = "" if entry.name == _HOST_AS_DOCKER_CALLS_IT else words.clean(entry.name)
                yield Place(about.st_ino, entry.path, name)


def _held_by_processes(proc: str) -> Iterator[Place]:
    own = f"{proc}/self/ns/net"
    paths = (f"{entry.path}/ns/net" for entry in _entries(proc) if entry.name.isdecimal())
    for path in (own, *paths):
        # it ended meanwhile, or it is another user's and CAP_SYS_PTRACE is missing
        with suppress(OSError):
            yield Place(int(os.readlink(path)[len("net:[") : -1]), path)  # half the cost of stat


def _entries(directory: str) -> Iterator[os.DirEntry[str]]:
    with suppress(OSError), os.scandir(directory) as entries:
        yield from entries


@contextmanager
def entered(place: Place) -> Iterator[None]:
    """The calling thread lives in `place` meanwhile (other threads stay). Needs CAP_SYS_ADMIN, also to come back,
    unless the thread is there already.

    Raises FileNotFoundError where the namespace has ended, PermissionError where we may not enter."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if os.fstat(home).st_ino == place.inode:
            yield
            return
        _enter(place)
        try:
            yield
        finally:
            _setns(home)
    finally:
        os.close(home)


def apart(call: Callable[[], Found]) -> Found:
    """What `call` gives back, from a thread of its own if this is the main one. For whoever enters namespaces: a
    process is taken to live where its main thread does, and whoever takes a namespace away ends those that live there
    (`ip netns pids`)."""
    if threading.current_thread() is not threading.main_thread():
        return call()
    found: list[Found] = []
    raised: list[BaseException] = []

    def run() -> None:
        try:
            found.append(call())
        except BaseException as error:  # noqa: BLE001 - it is the caller's
            raised.append(error)

    thread = threading.Thread(target=run, name="apart", daemon=True)
    try:
        thread.start()
    except RuntimeError:  # no room for another thread (pids.max)
        return call()
    thread.join()
    if raised:
        raise raised[0]
    return found[0]


def refused(places: Iterable[Place]) -> dict[int, str]:
    """Those of them that we may not enter, by inode number, with the reason."""
    return apart(lambda: _refused(places))


def _refused(places: Iterable[Place]) -> dict[int, str]:
    found = {}
    for place in places:
        try:
            with entered(place):
                pass
        except PermissionError as error:
            found[place.inode] = str(error.strerror)
        except OSError:  # it has ended meanwhile
            continue
    return found


def has_tcp_sockets() -> bool:
    """Whether the namespace the calling thread is in holds any TCP socket: a snapshot of one walks the whole machine's
    tables, and most namespaces have none. Counts TIME_WAIT; half-open ones come with their listener."""
    return any(_tcp_sockets(f"/proc/thread-self/net/{name}") for name in ("sockstat", "sockstat6"))


def _tcp_sockets(path: str) -> bool:
    """`TCP: inuse 1 orphan 2 tw 110371 alloc 123 mem 851`, `TCP6: inuse 0`; inuse and tw are the namespace's own."""
    try:
        with open(path, encoding="ascii", errors="replace") as lines:
            words_ = next((line.split() for line in lines if line.startswith("TCP")), [])
    except OSError:
        return True  # cannot tell: look
    counts = dict(zip(words_[1::2], words_[2::2]))
    return counts.get("inuse", "1") != "0" or counts.get("tw", "0") != "0"


def _enter(place: Place) -> None:
    called = f"network namespace {place.name or place.inode}"
    try:
        descriptor = os.open(place.path, os.O_RDONLY | os.O_CLOEXEC)
    except PermissionError as error:
        raise PermissionError(error.errno, f"{called} may not be opened: CAP_SYS_PTRACE missing", place.path) from error
    except OSError as error:  # ESRCH or EINVAL, too, while the process that held it is dying
        raise FileNotFoundError(errno.ENOENT, f"{called} has ended", place.path) from error
    try:
        if os.fstat(descriptor).st_ino != place.inode:
            raise FileNotFoundError(errno.ENOENT, f"{called} has ended, its path leads elsewhere now", place.path)
        _setns(descriptor)
    except PermissionError as error:
        raise PermissionError(error.errno, f"{called} may not be entered: CAP_SYS_ADMIN missing", place.path) from error
    finally:
        os.close(descriptor)


def _setns(descriptor: int) -> None:
    """os.setns exists from Python 3.12 on."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, _CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def resolve(word: str, places: Mapping[int, Place] | None = None) -> int:
    """The inode number meant by `--netns all|self|NAME|PATH|INODE`; ALL (0) for all.

    places: what exists (default: discover()). Raises UsageError that says what exists, NotPermitted for a path that
    may not be looked at."""
    if word == "all":
        return ALL
    if not word:
        raise UsageError("--netns needs a name", "use all, self, a name, a path or an inode number")
    if word == "self":
        return own_netns()
    if "/" in word:
        return _inode_of(word)
    known = discover() if places is None else places
    named = next((place.inode for place in known.values() if place.name == word), None)
    if named is not None:
        return named
    if word.isdecimal() and int(word) in known:
        return int(word)
    raise UsageError(f"no network namespace is called {words.clean(word)!r}", _choices(known))


def _choices(known: Mapping[int, Place]) -> str:
    """Names first; our own needs none."""
    choices = sorted(place.name for place in known.values() if place.name)
    nameless = (place.inode for place in known.values() if not place.name and place.inode != own_netns())
    choices += [f"{inode} (no name)" for inode in sorted(nameless)]
    more = len(choices) - _SHOWN
    listed = ", ".join(choices[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
    meant = "use all for every namespace, self for the one tcpwatch runs in"
    return f"{meant}, or one of {listed}" if listed else meant


def _inode_of(path: str) -> int:
    shown = words.clean(path)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except PermissionError as error:
        raise NotPermitted(
            f"{shown} cannot be opened ({error.strerror})", "run it as root: sudo tcpwatch ..."
        ) from error
    except OSError as error:
        raise UsageError(
            f"{shown} cannot be opened ({error.strerror})", "ls -l /run/netns lists the named ones"
        ) from error
    try:
        kind = fcntl.ioctl(descriptor, _NS_GET_NSTYPE)
    except OSError:
        kind = 0
    finally:
        inode = os.fstat(descriptor).st_ino
        os.close(descriptor)
    if kind != _CLONE_NEWNET:
        raise UsageError(
            f"{shown} is not a network namespace", "give a path such as /proc/PID/ns/net or /run/netns/NAME"
        )
    return inode
