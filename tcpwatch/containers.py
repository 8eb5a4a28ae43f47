"""Which container does a cgroup path belong to? Pure text: knows no container engine and asks none."""

import re

# One segment of the path: "docker-<id>.scope", "cri-containerd-<id>.scope", "libpod-<id>", "<id>",
# "kubepods-besteffort-pod<uid>.slice:cri-containerd:<id>"; on ECS and Fargate "<32 digits>-<number>"
_SEGMENT = re.compile(r"(?:[\w.:-]*[-:])?([0-9a-f]{64}|(?<![\w-])[0-9a-f]{32}-[0-9]{5,})(?:\.scope)?", re.ASCII)
_MONITOR = "conmon"  # podman and CRI-O put the container's minder into a cgroup of its own, named after the container


def container_id(cgroup_path: str) -> str | None:
    """The id of the innermost container on the path (64 hexadecimal digits nearly everywhere); None outside of one."""
    for segment in reversed(cgroup_path.split("/")):
        match = _SEGMENT.fullmatch(segment)
        if match and _MONITOR not in segment:
            return match[1]
    return None
