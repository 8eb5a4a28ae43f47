"""Where the programs are that tcpwatch is compared with, and what to install where one is missing."""

import os
import shutil

_PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))
_PACKAGES = {
    "tcplife": "libbpf-tools",
    "tcpstates": "libbpf-tools",
    "iperf3": "iperf3",
    "tcpdump": "tcpdump",
    "ss": "iproute2",
    "ip": "iproute2",
    "sysctl": "procps",
    "cc": "gcc libc6-dev",
    "clang": "clang",
}


class Missing(Exception):
    """A program that a measure needs is not here; the message says which package brings it."""


def find(name: str) -> str:
    """The path of one of _PACKAGES. Raises Missing."""
    for candidate in (name, f"{name}-libbpf"):  # Debian 13 renames libbpf-tools' programs where bcc's bear their names
        if path := shutil.which(candidate, path=_PATH):
            return path
    raise Missing(f"{name} is not installed: apt-get install {_PACKAGES[name]}")
