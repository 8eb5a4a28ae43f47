"""Who is connected, and who has to leave when there are too many? Nobody can hold all places by being slow: whoever
keeps us waiting makes room for a newcomer, those first who hold the most."""

import threading
import time
from collections import Counter
from enum import IntEnum

from tcpwatch.serve.channel import Channel
from tcpwatch.serve.limits import Limits


class Phase(IntEnum):
    """In the order in which they give way."""

    RESTING = 0  # between two requests
    ARRIVING = 1  # its TLS handshake or its request is not complete
    SENDING = 2  # it does not take what it asked for
    ANSWERING = 3  # it waits for us, and need not leave


class Guest:
    """One connection. To be used by its own thread, but for send_away()."""

    def __init__(self, channel: Channel, peer: str) -> None:
        self.channel, self.peer = channel, peer
        self.phase, self.since = Phase.ARRIVING, time.monotonic()
        self.sent_away = False

    def enter(self, phase: Phase) -> None:
        self.since = time.monotonic()
        self.phase = phase

    def send_away(self) -> None:
        """Whatever its thread waits for is over."""
        self.sent_away = True
        self.channel.cut()


class Guests:
    """most: how many there may be at once."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._here: dict[Guest, threading.Thread] = {}

    def admit(self, guest: Guest, thread: threading.Thread) -> bool:
        """Somebody else is sent away for it if need be; False: nobody can be."""
        with self._lock:
            if len(self._here) >= 2 * self._most:
                return False  # so many have been sent away and are not gone yet
            staying = [one for one in self._here if not one.sent_away]
            if len(staying) >= self._most and not _make_room(staying):
                return False
            self._here[guest] = thread
            return True

    def leave(self, guest: Guest) -> None:
        with self._lock:
            self._here.pop(guest, None)

    def relieve(self, newcomer: Guest | None = None) -> None:
        """One makes room, if anybody can, as the machine has no more of something; but not the newcomer."""
        with self._lock:
            _make_room([one for one in self._here if not one.sent_away and one is not newcomer])

    def hurry(self, patience_s: float) -> None:
        """Others wait for their answers: who has not taken its own for so long loses it."""
        with self._lock:
            sending = [one for one in self._here if one.phase is Phase.SENDING and not one.sent_away]
            slowest = min(sending, key=lambda one: one.since, default=None)
            if slowest is not None and time.monotonic() - slowest.since > patience_s:
                slowest.send_away()

    def close(self, grace_s: float) -> None:
        """Those who wait for an answer get it, within the grace; all the others leave at once. Nobody may be admitted
        any more."""
        until = time.monotonic() + grace_s
        with self._lock:
            leaving = list(self._here.items())
        for guest, _ in leaving:
            if guest.phase in (Phase.RESTING, Phase.ARRIVING):
                guest.send_away()
        leaving = [(guest, thread) for guest, thread in leaving if thread.is_alive()]
        for guest, thread in leaving:
            thread.join(max(0.0, until - time.monotonic()))
            guest.send_away()
        for _, thread in leaving:
            thread.join(grace_s)


def _make_room(staying: list[Guest]) -> bool:
    held = Counter(one.peer for one in staying)
    may_leave = [one for one in staying if one.phase is not Phase.ANSWERING]
    if not may_leave:
        return False
    min(may_leave, key=lambda one: (-held[one.peer], one.phase, one.since)).send_away()
    return True


class Places:
    """Of scrapes that are answered at once. Whoever takes one gives it back."""

    def __init__(self, limits: Limits, guests: Guests) -> None:
        self._limits, self._guests = limits, guests
        self._free = threading.Semaphore(limits.scrapes) if limits.scrapes else None

    def take(self) -> bool:
        """Waits; False: none became free in time."""
        if self._free is None:
            return True
        until = time.monotonic() + self._limits.turn_s
        while not self._free.acquire(timeout=max(0.0, min(0.25, until - time.monotonic()))):
            if time.monotonic() >= until:
                return False
            self._guests.hurry(self._limits.patience_s)
        return True

    def give_back(self) -> None:
        if self._free is not None:
            self._free.release()
