"""Under which name does a recording come to be, and may it? A file of its own that only its owner reads, never through
a link, never in place of another one unless that is asked for."""

import os
import re
import stat
import time
from contextlib import suppress

from tcpwatch import words
from tcpwatch.errors import TcpwatchError, UsageError
from tcpwatch.recording.format import SIGNATURE

_STAMP = "%Y%m%d-%H%M%S"
_STAMP_MOST = 64  # what it adds to a name: the time, a finding's code, a number
_STAMPED = r"-\d{8}-\d{6}(-[a-z][a-z0-9_]*)?(_\d+)?"


def check(path: str, force: bool = False, stamps: bool = False) -> None:
    """Say early what Beginning would say later. stamps: names made by stamped() are meant. Raises UsageError or
    TcpwatchError that name the file."""
    if not path:
        raise UsageError("a recording needs a name", "use -o FILE")
    shown = words.clean(path)
    if os.path.lexists(path):
        found = os.lstat(path).st_mode
        if stat.S_ISDIR(found):
            raise UsageError(f"cannot write {shown}: it is a directory", "name a file in it")
        if stat.S_ISLNK(found) and not force:
            raise UsageError(f"cannot write {shown}: it is a link", "choose another name, or add --force to replace it")
        if not stat.S_ISREG(found) and not stat.S_ISLNK(found):
            raise UsageError(f"cannot write {shown}: it is no regular file", "choose another name")
        if not force:
            raise _taken(path)
    parent = os.path.dirname(path) or "."
    if not os.path.isdir(parent):
        raise UsageError(f"cannot write {shown}: there is no directory {words.clean(parent)}", "make it first")
    most = os.pathconf(parent, "PC_NAME_MAX") - (_STAMP_MOST if stamps else 0)
    if len(os.fsencode(os.path.basename(path))) > most:
        raise UsageError(f"cannot write {shown}: its name is too long", f"use at most {most} bytes")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise TcpwatchError(f"cannot write {shown}: the directory {words.clean(parent)} may not be written to")


class Beginning:
    """A new file that gets its name when something is in it, so that whoever finds it can read it. Where a file system
    knows no nameless files, it has its name from the start."""

    def __init__(self, path: str, force: bool = False) -> None:
        """force: what has the name loses it, be it a link. Raises as check() does."""
        self._path, self._force = path, force
        check(path, force)
        try:
            self.descriptor, self._named = self._open()
            if os.geteuid() == 0 and os.environ.get("SUDO_UID", "").isdecimal():
                with suppress(OSError, OverflowError):  # a file system without owners; a number that is no user's
                    os.fchown(self.descriptor, int(os.environ["SUDO_UID"]), -1)  # who called sudo gets it
        except FileExistsError:
            raise _taken(path) from None
        except OSError as error:
            raise _failed(path, error) from error

    def appear(self) -> None:
        """Raises as check() does; the descriptor stays open."""
        if self._named:
            return
        try:
            self._make_room()
            # with a directory given, Python asks for the link to be followed that leads to the nameless file
            os.link(f"/proc/self/fd/{self.descriptor}", self._path, src_dir_fd=self.descriptor, follow_symlinks=True)
        except FileExistsError:
            raise _taken(self._path) from None
        except OSError as error:
            raise _failed(self._path, error) from error
        self._named = True

    def vanish(self) -> None:
        """As if it had never been."""
        if self._named:
            os.unlink(self._path)

    def _open(self) -> tuple[int, bool]:
        how = os.O_WRONLY | os.O_CLOEXEC
        if os.path.isdir("/proc/self/fd"):
            with suppress(OSError):
                return os.open(os.path.dirname(self._path) or ".", how | os.O_TMPFILE, 0o600), False
        self._make_room()
        return os.open(self._path, how | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), True

    def _make_room(self) -> None:
        if self._force:
            with suppress(FileNotFoundError):
                os.unlink(self._path)  # emptying it would leave it to whoever has it open


def _failed(path: str, error: OSError) -> TcpwatchError:
    return TcpwatchError(f"cannot write {words.clean(path)}: {error.strerror}")


def _taken(path: str) -> UsageError:
    return UsageError(f"cannot write {words.clean(path)}: it exists already", "choose another name, or add --force")


def stamped(path: str, unix_ns: int, why: str = "") -> str:
    """`caught-20250301-142311.tcpw` for `caught.tcpw`, in local time; a name that nobody has yet. why: one word."""
    root, extension = os.path.splitext(path)
    stem = f"{root}-{time.strftime(_STAMP, time.localtime(unix_ns / 1e9))}{f'-{why}' if why else ''}"
    names = (f"{stem}{suffix}{extension}" for suffix in ("", *(f"_{n}" for n in range(2, 1000))))
    return next((name for name in names if not os.path.lexists(name)), f"{stem}{extension}")


def thin_out(path: str, most: int, present: str) -> list[str]:
    """Delete the oldest of what stamped(path) named, of whatever run, until there are `most` left with the present one;
    what it deleted. What is no recording is neither counted nor touched."""
    parent, base = os.path.split(path)
    root, extension = os.path.splitext(base)
    alike = re.compile(re.escape(root) + _STAMPED + re.escape(extension))
    spared = os.path.basename(present)
    found: list[tuple[int, str]] = []
    with suppress(OSError), os.scandir(parent or ".") as entries:
        ours = (one for one in entries if alike.fullmatch(one.name) and one.name != spared and _is_recording(one))
        found.extend((one.stat(follow_symlinks=False).st_mtime_ns, one.name) for one in ours)
    deleted = []
    for _, name in sorted(found)[: max(0, len(found) + 1 - most)]:
        with suppress(OSError):
            os.unlink(os.path.join(parent, name))
            deleted.append(os.path.join(parent, name))
    return deleted


def _is_recording(entry: "os.DirEntry[str]") -> bool:
    if not entry.is_file(follow_symlinks=False):
        return False
    with suppress(OSError):
        descriptor = os.open(entry.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            return os.read(descriptor, len(SIGNATURE)) in (SIGNATURE, b"")
        finally:
            os.close(descriptor)
    return False
