"""Names of processes, control groups and namespaces: which do they match?"""

from pathlib import Path

import numpy as np
import pytest

from tcpwatch.errors import FilterError
from tcpwatch.filter import Names, parse
from tcpwatch.verdicts import CODES

COMMS = np.array([b"", b"nginx", b"ng", b"my-long-process", b"a\x1b[2J", b"caf\xc3\xa9", b"*", b"tokio-rt (3)"], "S16")


def _comms(text: str) -> list[bytes]:
    result: list[bytes] = COMMS[parse(text).mask({"comm": COMMS}, Names())].tolist()
    return result


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("comm = nginx", [b"nginx"]),
        ("comm nginx", [b"nginx"]),
        ("comm = NGINX", []),
        ("comm = ng*", [b"nginx", b"ng"]),
        ("comm ~ n*x", [b"nginx"]),
        ("comm = ?g", []),
        ("comm = my-long-process-name", [b"my-long-process"]),
        ("comm = 'a?[2J'", [b"a\x1b[2J"]),
        ("comm = café", [b"caf\xc3\xa9"]),
        ('comm = "tokio-rt (3)"', [b"tokio-rt (3)"]),
        (r"comm = tokio-rt\ \(3\)", [b"tokio-rt (3)"]),
    ],
)
def test_comm(text: str, expected: list[bytes]) -> None:
    """Names are compared as they are shown, `*` stands for anything, and a name not known is neither."""
    assert _comms(text) == expected
    assert _comms(f"not {text}") == [name for name in COMMS.tolist() if name and name not in expected]


def test_comm_unequal() -> None:
    """`!=` and `!~` leave the unknown out, too."""
    assert _comms("comm != ng*") == _comms("comm !~ ng*") == [b"my-long-process", *COMMS.tolist()[4:]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("verdict = refused", ["refused"]),
        ("verdict = Reset-By-Peer", ["reset_by_peer"]),
        ("verdict ~ reset_by*", ["reset_by_peer", "reset_by_us_linger"]),
        ("verdict != reset_by*", ["refused", "clean"]),
        ("not verdict = refused", ["reset_by_peer", "reset_by_us_linger", "clean"]),
    ],
)
def test_verdict(text: str, expected: list[str]) -> None:
    """By its word or a pattern; what has no verdict is neither this nor another."""
    known = ["refused", None, "reset_by_peer", "reset_by_us_linger", "clean"]
    verdicts = np.array([CODES.index(code) for code in known], np.uint8)
    found = parse(text).mask({"verdict": verdicts}, Names())
    assert [code for code, holds in zip(known, found.tolist()) if holds] == expected


def test_no_such_verdict() -> None:
    with pytest.raises(FilterError, match="`refuse` is no verdict") as caught:
        parse("verdict = refuse")
    assert caught.value.cure == "did you mean `verdict = refused`?"


CGROUPS = {0: "/a", 1: "/", 5: "/a", 6: "/a/b.service", 7: "/ab", 8: r"/system.slice/foo\x2dbar.service"}
IDS = np.array([0, 1, 5, 6, 7, 8, 99], np.uint64)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/a", {5, 6}),
        ("/a/", {5, 6}),
        ("a", {5, 6}),
        ("/sys/fs/cgroup/a", {5, 6}),
        ("/sys/fs/cgroup", {1, 5, 6, 7, 8}),
        ("/", {1, 5, 6, 7, 8}),
        ("*/b.service", {6}),
        (r"/system.slice/foo\x2dbar.service", {8}),
        ("/nowhere", set()),
    ],
)
def test_cgroup(text: str, expected: set[int]) -> None:
    """A group takes those below it in; an id whose path is not known is neither in nor out."""
    names = Names(cgroups=CGROUPS)
    assert set(IDS[parse(f"cgroup = {text}").mask({"cgroup": IDS}, names)].tolist()) == expected
    assert set(IDS[parse(f"cgroup != {text}").mask({"cgroup": IDS}, names)].tolist()) == set(CGROUPS) - {0} - expected


def test_netns_by_name() -> None:
    """A namespace without a name is certainly not the one of that name; one that is not known may be."""
    netns = np.array([0, 10, 20, 30], np.uint32)
    names = Names(namespaces={10: "blue", 20: "green"})
    assert parse("netns = blue").mask({"netns": netns}, names).tolist() == [False, True, False, False]
    assert parse("netns != blue").mask({"netns": netns}, names).tolist() == [False, False, True, True]
    assert parse("netns = *e*").mask({"netns": netns}, names).tolist() == [False, True, True, False]


def test_netns_by_path(tmp_path: Path) -> None:
    """A path stands for the inode number of what is there."""
    file = tmp_path / "ns"
    file.touch()
    inode = file.stat().st_ino
    read = parse(f"netns = {file}")
    assert read.kernel.netns == inode
    assert read.mask({"netns": np.array([inode, inode + 1], np.uint32)}, Names()).tolist() == [True, False]
