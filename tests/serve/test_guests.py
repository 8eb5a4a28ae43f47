"""Is somebody sent away only where that makes room?"""

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tcpwatch.serve.channel import Channel
from tcpwatch.serve.guests import Guest, Guests


@pytest.fixture
def callers() -> Iterator[list[Guest]]:
    """Three, of whom none answers."""
    with ExitStack() as open_ones, socket.create_server(("127.0.0.1", 0)) as listener:
        guests = []
        for _ in range(3):
            open_ones.enter_context(socket.create_connection(listener.getsockname()))
            guests.append(Guest(Channel(open_ones.enter_context(listener.accept()[0])), "127.0.0.1"))
        yield guests


def test_nobody_is_sent_away_for_nobody(callers: list[Guest]) -> None:
    """Who waits for those to go who were sent away is turned away, and nobody else for it."""
    guests, (first, second, third) = Guests(1), callers
    thread = threading.current_thread()
    assert guests.admit(first, thread)
    assert guests.admit(second, thread)
    assert (first.sent_away, second.sent_away) == (True, False)
    assert not guests.admit(third, thread)
    assert not second.sent_away
    guests.leave(first)
    assert guests.admit(third, thread)
    assert second.sent_away
