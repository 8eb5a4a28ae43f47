"""What only the machine at hand can say about a word in a filter: the port of a service, the inode of a namespace's
file. The one module of this room that asks it."""

import os
import socket


def service_port(name: str) -> int | None:
    """The TCP port of a service in /etc/services; None if there is none of that name."""
    try:
        return socket.getservbyname(name, "tcp")
    except (OSError, ValueError):  # ValueError: a name no encoding or C string can hold
        return None


def inode(path: str) -> int | None:
    """The inode number behind a path; None if it cannot be looked at."""
    try:
        return os.stat(path).st_ino
    except (OSError, ValueError):
        return None
