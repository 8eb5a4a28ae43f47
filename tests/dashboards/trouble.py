"""Which trouble is there while Prometheus looks? Scenarios, each with the alerts that it is for, and beside them
trouble that lasts: calls in vain, and a lossy path."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from subprocess import DEVNULL, PIPE, Popen

from tcpwatch.scenarios.namespace import Namespace
from tcpwatch.scenarios.stage import End


@dataclass(frozen=True)
class Case:
    """alerts: that fire for a scenario, in the namespace of this end, by this scene at the latest. Without any it is
    for panels that nothing else feeds."""

    end: End = "client"
    alerts: tuple[str, ...] = ()
    scene: str = "over"


QUIET = {
    "accept_queue_full": Case("server", ("TcpwatchListenOverflows", "TcpwatchAcceptQueueNearFull")),
    "syn_queue_full": Case("server", ("TcpwatchSynsDropped",)),
    "receiver_limited": Case(),
    "stalled_zero_window": Case(),
    "timed_out_retransmitting": Case(),
    "reset_by_us_linger": Case(),
    "reset_by_us_unread_data": Case(),
    "handshake_unfinished": Case(),
}
# One after the other, as they keep the machine busy
BUSY = {
    "clean_flood": Case("server", ("TcpwatchSynCookiesSent", "TcpwatchSynFlood"), "trouble"),
    "lossy_path": Case("client", ("TcpwatchRetransmitRatioHigh",)),
    "sender_buffer_limited": Case(),
}
_PORTS = (
    *("TcpwatchConnectsWithoutPort", "TcpwatchPortsNearlyUsedUp"),
    *("TcpwatchPortExhaustionInSight", "TcpwatchTimeWaitPileUp"),
)
LAST = {"out_of_ports_time_wait": Case("client", _PORTS)}  # one of its alerts asks what was a while before
PLAYED = QUIET | BUSY | LAST
LASTING = ("TcpwatchServiceRetransmitRatioHigh", "TcpwatchResetsSurge", "TcpwatchConnectionsHarmed")
# Of the whole machine, of an exporter that is not there, of one with too few series
ELSEWHERE = ("TcpwatchHighFinding", "TcpwatchDown", "TcpwatchSeriesOverflow")
# What is not played: a ring that is too small, a kernel that refuses hooks, an exporter that hangs
NOT_PLAYED = ("TcpwatchLosesEvents", "TcpwatchHookMissing", "TcpwatchViewStale")

_LOSSY_PORT = 9023
_LOSS = f"tcp dport {_LOSSY_PORT} meta length > 500 numgen random mod 100 < 12 drop"
_SCRIPT = f"""
import select, socket, sys, threading
def drain(receiver):
    while receiver.recv(65536):
        pass
listener = socket.create_server(("127.0.0.1", {_LOSSY_PORT}))
senders = []
for _ in range(5):
    senders.append(socket.create_connection(("127.0.0.1", {_LOSSY_PORT})))
    senders[-1].setblocking(False)
    threading.Thread(target=drain, args=(listener.accept()[0],)).start()
while not select.select([sys.stdin], [], [], 0.1)[0]:
    with socket.socket() as one:
        one.connect_ex(("127.0.0.1", 8080))
    with socket.create_connection(("127.0.0.1", {_LOSSY_PORT})) as one, listener.accept()[0] as other:
        one.send(b"?")
        other.recv(1)
    for sender in senders:
        try:
            sender.send(bytes(10_000))
        except BlockingIOError:
            pass
for sender in senders:
    sender.close()
"""


@contextmanager
def lasting_trouble(room: Namespace) -> Iterator[None]:
    """Ten times a second somebody calls where nobody listens, somebody has a short talk, and data is sent of which
    every eighth segment gets lost."""
    room.run("ip", "link", "set", "lo", "mtu", "1500")
    room.nft("input", _LOSS)
    command = room.inside(sys.executable, "-IS", "-c", _SCRIPT)
    with Popen(command, stdin=PIPE, stdout=DEVNULL, text=True) as process:
        try:
            yield
        finally:
            room.nft("input", "")
            process.communicate()
