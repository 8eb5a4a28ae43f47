"""Is it noticed where the kernel runs no program on a tracepoint that it passes?"""

import errno
import os

import pytest

from tcpwatch.kernel.loaders import perf
from tcpwatch.scenarios.actor import Actor
from tcpwatch.scenarios.namespace import Namespace
from tcpwatch.scenarios.talk import CONNECTIONS, Talk

from . import unheard

CHANGES = 9  # of state, of both ends, from connect() to TIME_WAIT and CLOSE


def test_every_passage_is_counted(room: Namespace) -> None:
    """By perf; and a program that is detached hears of none of them."""
    deaf = unheard.Passages()
    deaf.fall_deaf()
    try:
        before, heard, unheard_before = deaf.passed(), deaf.heard(), deaf.unheard()
        with Actor(room, b"tw-client") as client, Actor(room, b"tw-server") as server:
            talk = Talk(client, server)
            talk.open()
            talk.hang_up(client)
        assert deaf.passed() - before >= CHANGES * CONNECTIONS
        assert deaf.unheard() - unheard_before >= CHANGES * CONNECTIONS
        assert deaf.heard() == heard
    finally:
        deaf.close()


def test_heard_and_passed_are_the_same_but_for_what_a_kernel_hides(room: Namespace) -> None:
    """Nothing is taken for unheard that was heard. Where the kernel hides something it is little."""
    passages = unheard.Passages()
    try:
        with Actor(room, b"tw-client") as client, Actor(room, b"tw-server") as server:
            for _ in range(10):
                talk = Talk(client, server)
                talk.open()
                talk.hang_up(client)
        assert passages.passed() >= 10 * CHANGES * CONNECTIONS
        assert passages.unheard() <= CONNECTIONS
    finally:
        passages.close()


def test_without_permission_it_holds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even what it had made before it was refused."""

    def refuse(*what: object) -> int:
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(perf, "open_event", refuse)
    held = len(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError, match="Permission denied"):
        unheard.Passages()
    assert len(os.listdir("/proc/self/fd")) == held
