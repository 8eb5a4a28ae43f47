"""What these tests need from the machine, and the rooms and people they share."""

import os
import shutil
from collections.abc import Iterator

import pytest

from tcpwatch.scenarios.actor import Actor
from tcpwatch.scenarios.namespace import Namespace
from tcpwatch.scenarios.talk import Talk

TOOLS = ("ip", "nft", "ss", "tcpdump", "bpftool", "setpriv", "unshare", "sysctl")


def _missing() -> str:
    if os.geteuid():
        return "root, to make namespaces and to load BPF programs"
    absent = [tool for tool in TOOLS if not shutil.which(tool)]
    return f"the commands {', '.join(absent)}" if absent else ""


@pytest.fixture(scope="session", autouse=True)
def machine() -> None:
    """Skips where the machine lacks something, and fails where CI says that it lacks nothing."""
    if missing := _missing():
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"the tests on the kernel need {missing}")


@pytest.fixture
def room() -> Iterator[Namespace]:
    """One private namespace."""
    with Namespace() as inside:
        yield inside


@pytest.fixture
def rooms() -> Iterator[tuple[Namespace, Namespace]]:
    """Two private namespaces, not yet joined."""
    with Namespace() as left, Namespace() as right:
        yield left, right


@pytest.fixture
def client(room: Namespace) -> Iterator[Actor]:
    with Actor(room, b"tw-client") as actor:
        yield actor


@pytest.fixture
def server(room: Namespace) -> Iterator[Actor]:
    with Actor(room, b"tw-server") as actor:
        yield actor


@pytest.fixture
def talk(client: Actor, server: Actor) -> Talk:
    """A client and a server on the loopback of `room`; nothing is connected yet."""
    return Talk(client, server)
