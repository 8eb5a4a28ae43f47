"""Which part of a cgroup's path do people call it by, and does every name arrive harmless?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpwatch.metrics.names import cgroup_label, label

ID = "3f4e1c2ab90d" + "7" * 52


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (f"/system.slice/docker-{ID}.scope", ID[:12]),
        (f"/kubepods.slice/kubepods-pod7.slice/cri-containerd-{ID}.scope", ID[:12]),
        (f"/docker/{ID}", ID[:12]),
        ("/system.slice/nginx.service", "nginx.service"),
        ("/system.slice/docker.service/payload", "docker.service"),
        ("/user.slice/user-1000.slice/session-3.scope", "session-3.scope"),
        ("/mine/own", "own"),
        ("/", "/"),
        ("", ""),
    ],
)
def test_a_cgroup_goes_by_its_best_name(path: str, expected: str) -> None:
    """The container, else the innermost unit, else the last part."""
    assert cgroup_label(path) == expected


@given(st.text(max_size=300) | st.binary(max_size=40))
def test_a_label_is_short_and_harmless(raw: str | bytes) -> None:
    """Nothing that moves a cursor or breaks a line."""
    made = label(raw)
    assert len(made) <= 64
    assert not any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 or 0xD800 <= ord(c) < 0xE000 for c in made)
    assert label(made) == made
