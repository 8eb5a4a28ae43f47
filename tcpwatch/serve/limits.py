"""How long is anybody waited for, and how many are there at once?"""

import resource
from dataclasses import dataclass

MOST_CONNECTIONS = 4096  # whatever is asked for: each has a thread
_FEWEST = 30
_OWN_FILES = 64  # descriptors that watching takes: whoever connects shall not be able to end that


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds, but for the numbers of connections, and of scrapes that are answered at once (0: of any number).

    request_s: for a whole request, from its first byte on or from the beginning of its connection, the TLS handshake
    included. rest_s: between two requests; longer than Prometheus waits, as a rule. send_s: for a whole answer.
    turn_s: until a place is free for one more scrape; Prometheus gives up after 10. patience_s: with one who does not
    take an answer while others wait for a place. grace_s: for answers under way when it ends."""

    connections: int = 256
    scrapes: int = 40
    request_s: float = 10.0
    rest_s: float = 120.0
    send_s: float = 30.0
    turn_s: float = 5.0
    patience_s: float = 2.0
    grace_s: float = 2.0


def limits(scrapes: int) -> Limits:
    """scrapes: `--web.max-requests`."""
    wanted = min(MOST_CONNECTIONS, max(Limits().connections, 2 * scrapes))
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if files != resource.RLIM_INFINITY:  # half: those who were sent away are not gone at once
        wanted = min(wanted, max(_FEWEST, (files - _OWN_FILES) // 2))
    return Limits(wanted, scrapes)
