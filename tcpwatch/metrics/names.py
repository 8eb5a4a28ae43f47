"""How do names from outside become label values? Cleaned of what a terminal or a log could stumble over, short, and of
a cgroup only the part that people call it by. Pure text."""

from tcpwatch.containers import container_id
from tcpwatch.words import clean

_MOST = 64  # characters
_ID = 12  # of a container's id, as engines show it
_UNITS = (".service", ".scope", ".socket", ".mount", ".swap", ".slice")


def label(raw: bytes | str) -> str:
    """raw: bytes are cut at the first NUL, as the kernel's comm is."""
    return clean(raw)[:_MOST]


def cgroup_label(path: str) -> str:
    """`3f4e1c2ab90d` for a container, else `nginx.service`, else the last part of the path. "" is unknown, and so it
    stays; the root is `/`."""
    container = container_id(path)
    if container:
        return container[:_ID]
    parts = [part for part in path.split("/") if part]
    if not parts:
        return path[:1]
    return label(next((part for part in reversed(parts) if part.endswith(_UNITS)), parts[-1]))
