"""How do clients get to their answers? One thread accepts, each connection has a thread of its own that ends with it,
and both are bounded: whoever is slow holds up nobody but himself."""

import errno
import os
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence

from tcpwatch import words
from tcpwatch.serve.channel import Channel
from tcpwatch.serve.conversation import Conversation
from tcpwatch.serve.door import Door
from tcpwatch.serve.guests import Guest, Guests
from tcpwatch.serve.limits import Limits
from tcpwatch.serve.site import Site

_NOT_TLS = b"HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain\r\n\r\nthis server speaks HTTPS\n"
_SHORT_OF = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_BREATH_S, _TRIES = 0.05, 40
_KINDS = 16  # of troubles with clients that are told of, once each


class Server:
    """Owns the listening sockets from the beginning. tell: given what is worth a line on stderr, on any thread."""

    def __init__(
        self,
        listening: Sequence[socket.socket],
        door: Door,
        site: Site,
        guests: Guests,
        limits: Limits,
        tell: Callable[[str], None],
    ) -> None:
        self._listening, self._door, self._site, self._guests = listening, door, site, guests
        self._limits, self._tell = limits, tell
        self._told: set[str] = set()
        self._woken, self._wake = os.pipe()  # a unit may forbid all sockets but TCP's
        self._stopped = False
        self._thread = threading.Thread(target=self._accept, name="accept", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Returns when nothing of it is left. Also when it was not started, or was stopped before."""
        if self._stopped:
            return
        self._stopped = True
        os.close(self._wake)
        if self._thread.is_alive():
            self._thread.join()
        os.close(self._woken)
        for one in self._listening:
            one.close()
        self._guests.close(self._limits.grace_s)

    def _accept(self) -> None:
        poll = select.poll()
        ready = {one.fileno(): one for one in self._listening}
        for number in (*ready, self._woken):
            poll.register(number, select.POLLIN)
        while True:
            for number, _ in poll.poll():
                if number not in ready:
                    return
                self._take(ready[number])

    def _take(self, listening: socket.socket) -> None:
        try:
            sock, peer = listening.accept()
        except OSError as error:
            if error.errno in _SHORT_OF:
                self._say(f"no more connections can be taken: {error.strerror}")
                self._guests.relieve()
                time.sleep(_BREATH_S)  # what is short is short for others, too
            return  # else it went away before we came to it
        try:
            channel = Channel(sock)
        except OSError:
            sock.close()
            return
        guest = Guest(channel, str(peer[0]))
        thread = threading.Thread(target=self._serve, args=(guest,), name="client", daemon=True)
        if self._guests.admit(guest, thread) and self._started(guest, thread):
            return
        self._guests.leave(guest)
        channel.close()

    def _started(self, guest: Guest, thread: threading.Thread) -> bool:
        """Where the machine allows no more threads, others make room; False: nobody did in time."""
        for _ in range(_TRIES):
            try:
                thread.start()
            except RuntimeError as error:
                self._say(f"more clients than threads: {error}")
                self._guests.relieve(guest)
                time.sleep(_BREATH_S)
            else:
                return True
        return False

    def _serve(self, guest: Guest) -> None:
        until = time.monotonic() + self._limits.request_s
        try:
            if self._is_understood(guest.channel, until):
                Conversation(guest, until, self._site.answer, self._door.policy, self._say, self._limits).run()
        except ssl.SSLError as error:
            if not guest.sent_away and (error.reason or "") not in ("UNEXPECTED_EOF_WHILE_READING", ""):
                self._say(f"a TLS connection failed: {_reason(error)}")
        except OSError:
            pass  # it is gone, or too slow: there is nobody to tell
        finally:
            guest.channel.close()
            self._guests.leave(guest)

    def _is_understood(self, channel: Channel, until: float) -> bool:
        """TLS where that is spoken here, and by whom it may be."""
        policy = self._door.policy()
        if policy.context is None:
            return True
        if not channel.speaks_tls(until):
            channel.send(_NOT_TLS, until)
            channel.linger()
            return False
        channel.secure(policy.context, until)
        if policy.allowed_names is None or policy.allowed_names & channel.names():
            return True
        self._say("a client's certificate has none of the names in client_allowed_sans")
        return False

    def _say(self, trouble: str) -> None:
        """Each kind once, and not without end: what clients do wrong, they do again and again."""
        trouble = words.clean(trouble)
        if trouble not in self._told and len(self._told) < _KINDS:
            self._told.add(trouble)
            self._tell(f"{trouble} (said once)")


def _reason(error: ssl.SSLError) -> str:
    verify = getattr(error, "verify_message", "")
    reason = (error.reason or "").lower().replace("_", " ")
    return f"{reason}: {verify}" if verify else reason
