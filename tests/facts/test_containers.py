import pytest

from tcpwatch.containers import container_id

ID = "8f2c6d6a3e0f4b6d9d4b1b0a7f5e3c2d1a0b9c8d7e6f5a4b3c2d1e0f9a8b7c6d"
OUTER = "0123456789abcdef" * 4
POD = "3a1c5f4e_7d6b_4f0e_9c8d_2b1a0f9e8d7c"


@pytest.mark.parametrize(
    "path",
    [
        f"/docker/{ID}",
        f"/system.slice/docker-{ID}.scope",
        f"/machine.slice/libpod-{ID}.scope",
        f"/machine.slice/libpod-{ID}.scope/container",
        f"/libpod_parent/libpod-{ID}",
        f"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{ID}.scope/container",
        f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{POD}.slice/cri-containerd-{ID}.scope",
        f"/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{POD}.slice/crio-{ID}.scope",
        f"/kubepods.slice/kubepods-pod{POD}.slice/docker-{ID}.scope",
        f"/kubepods/burstable/pod3a1c5f4e-7d6b-4f0e-9c8d-2b1a0f9e8d7c/{ID}",
        f"/system.slice/containerd.service/kubepods-burstable-pod{POD}.slice:cri-containerd:{ID}",
        f"/system.slice/nerdctl-{ID}.scope",
        f"/default/{ID}",
        f"/ecs/0c1d2e3f4a5b6c7d8e9f0a1b2c3d4e5f/{ID}",
        f"/docker/{ID}/system.slice/nginx.service",
        f"/../../kubepods.slice/cri-containerd-{ID}.scope",
    ],
)
def test_the_engines_ways_of_naming(path: str) -> None:
    """Docker, podman with and without root, containerd, CRI-O, nerdctl, ECS; cgroupfs and systemd drivers."""
    assert container_id(path) == ID


def test_fargate() -> None:
    """There the id is 32 digits and a number."""
    task = "0c1d2e3f4a5b6c7d8e9f0a1b2c3d4e5f"
    assert container_id(f"/ecs/{task}/{task}-1234567890") == f"{task}-1234567890"


def test_the_innermost_container_counts() -> None:
    """Kubernetes in Docker."""
    path = f"/system.slice/docker-{OUTER}.scope/kubelet.slice/kubelet-kubepods.slice/cri-containerd-{ID}.scope"
    assert container_id(path) == ID


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/init.scope",
        "/system.slice/docker.service",
        "/system.slice/nginx.service",
        "/user.slice/user-1000.slice/session-3.scope",
        f"/machine.slice/libpod-conmon-{ID}.scope",
        f"/kubepods.slice/kubepods-pod{POD}.slice/crio-conmon-{ID}.scope",
        f"/kubepods.slice/kubepods-pod{POD}.slice",
        f"/docker/{ID[:-1]}",
        f"/docker/{ID}0",
        f"/docker/{ID.upper()}",
        "/system.slice/run-r0c1d2e3f4a5b6c7d8e9f0a1b2c3d4e5f.service",
    ],
)
def test_what_is_no_container(path: str) -> None:
    """Services, sessions, pods, the minders of podman and CRI-O, and digits that are no id."""
    assert container_id(path) is None
