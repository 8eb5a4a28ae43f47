"""Which path belongs to a cgroup number. The number the kernel keeps in a socket is the inode number of the cgroup's
directory, so one walk of the cgroup v2 mount answers for all."""

import os
from collections import deque

from tcpwatch import words

WALK_EVERY_S = 5.0  # an unknown number may cost a walk this often


class Cgroups:
    """mounts: a file in the form of /proc/self/mounts. most: how many cgroups are remembered, those nearest to the
    root first; bounds the memory and the walk."""

    def __init__(self, mounts: str = "/proc/self/mounts", most: int = 65_536) -> None:
        self.mount = mount_point(mounts)
        self._most = most
        self._paths: dict[int, str] = {}
        self._walk_at = float("-inf")
        self._nowhere: set[int] = set()

    def path(self, number: int, now: float) -> str | None:
        """The path below the mount ("/system.slice/nginx.service"); None where it is not known (yet, or any more).

        number: 0 is unknown. now: monotonic seconds."""
        unknown = number and number not in self._paths and number not in self._nowhere
        if unknown and self.mount is not None and now >= self._walk_at:
            self._paths = _walk(self.mount, self._most)
            self._walk_at = now + WALK_EVERY_S
            if number not in self._paths:
                self._nowhere.add(number)  # gone, or outside what we may see: looking again would not help
        return self._paths.get(number)


def _walk(mount: str, most: int) -> dict[int, str]:
    """Directory entries carry their inode number, so nothing is stat'ed but the root."""
    found = _root(mount)
    waiting = deque([""])
    while waiting and len(found) < most:
        parent = waiting.popleft()
        for number, name in _children(mount + parent)[: most - len(found)]:
            found[number] = words.clean(f"{parent}/{name}")
            waiting.append(f"{parent}/{name}")
    return found


def mount_point(mounts: str = "/proc/self/mounts") -> str | None:
    """Where cgroup v2 is mounted: the first such line; None without one."""
    try:
        with open(mounts, encoding="utf-8", errors="surrogateescape") as lines:
            fields = (line.split(" ") for line in lines)
            return next((_plain(field[1]) for field in fields if len(field) > 2 and field[2] == "cgroup2"), None)
    except OSError:
        return None


def _plain(field: str) -> str:
    """The kernel writes blanks and backslashes in mount points as octal numbers."""
    for code, character in ((r"\040", " "), (r"\011", "\t"), (r"\012", "\n"), (r"\134", "\\")):
        field = field.replace(code, character)
    return field


def _root(mount: str) -> dict[int, str]:
    try:
        return {os.stat(mount).st_ino: "/"}
    except OSError:
        return {}


def _children(directory: str) -> list[tuple[int, str]]:
    try:
        with os.scandir(directory) as entries:
            return [(entry.inode(), entry.name) for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:  # removed meanwhile
        return []
