"""Is nobody alarmed without a reason? Healthy connections between real servers and clients get `clean` and nothing
else, live ones get nothing; and where a client does reset, exactly those connections say so."""

import re
import subprocess
from collections import Counter

import pytest

from tcpwatch.scenarios.namespace import Namespace, join
from tcpwatch.verdicts import CLEAN, CODES
from tests.kernel.watch import Watch
from tests.kernel.witness import End, Tcpdump, counters

from . import daemons, loads
from .day import POOLED, VIEWS, Day

CONNECTIONS = 10_000
LATER = 23  # what may be left out between our look and the last one, by whatever else goes on here
# Not TcpOutRsts: a late duplicate may be answered with a reset when both ends are long done
CUT_SHORT = ("TcpEstabResets", "TcpAttemptFails", "TcpExtTCPAbort", "TcpExtListen")


def test_ten_thousand_healthy_connections_raise_no_alarm(day: Day) -> None:
    """Both ends of each are told once, and are clean; the kernel cut none of them short, so that is the truth. Where an
    event was lost, and told to be, there may be an end that was not seen: no verdict, and no alarm."""
    lost = _lost(day) + day.unheard
    assert [life for life in day.lives if life["verdict"] not in ("clean", None)] == []
    untold = day.rose["TcpActiveOpens"] + day.rose["TcpPassiveOpens"] - len(day.lives)
    unsaid = [life for life in day.lives if life["verdict"] is None]
    assert 0 <= untold <= untold + len(unsaid) <= lost, (unsaid, day.narration)
    assert {name: day.rose[name] for name in day.rose if name.startswith(CUT_SHORT)} == {}
    assert day.rose["TcpActiveOpens"] == day.rose["TcpPassiveOpens"] >= CONNECTIONS
    told = Counter(life["role"] for life in day.lives)
    for role, opened in (("client", "TcpActiveOpens"), ("server", "TcpPassiveOpens")):
        assert abs(told[role] - day.rose[opened]) <= lost
    assert len({life["conn"] for life in day.lives}) == len(day.lives)
    assert _lost(day) <= day.missed + LATER


def _lost(day: Day) -> int:
    """Events, by what `life` said as it ended."""
    found = re.search(r"([\d,]+) lost", day.narration)
    assert found, day.narration
    return int(found[1].replace(",", ""))


def test_every_kind_of_server_and_client_took_part(day: Day) -> None:
    """Each over loopback, over a wire and over a slow one."""
    served = Counter((life["comm"], life["laddr"]) for life in day.lives if life["role"] == "server")
    for comm in ("nginx", "redis-server", "postgres"):
        for address in ("127.0.0.1", "10.23.0.2", "10.23.1.2"):
            assert served[comm, address] >= loads.POOL, served
    clients = {life["comm"] for life in day.lives if life["role"] == "client"}
    assert clients >= {"ab", "curl", "redis-benchmark", "pgbench"}


def test_no_live_connection_is_ailing(day: Day) -> None:
    """Under load and while pools idle, view for view."""
    assert sum(live >= POOLED for live in day.live) >= VIEWS, day.live
    assert day.ailing == []
    assert day.ended <= {0, CLEAN}, [CODES[verdict] for verdict in day.ended]


def test_nothing_is_found_wrong_with_the_machine(day: Day) -> None:
    """Not for a moment."""
    assert day.findings == []


@pytest.mark.played_again
def test_real_resets_are_told_and_no_others() -> None:
    """What ab and curl do to TLS connections: tcpdump sees which were reset, and both ends of just these say so; but
    for one that had ended well when the reset came, as a life is told at its end."""
    with Namespace() as near, Namespace() as far:
        join(near, far)
        with daemons.nginx(far), Resets(near, "wire23-0") as resets:
            with Watch("life", f"netns = {near.inode} or netns = {far.inode}") as watch:
                loads.abrupt(near, far.address)
                opened = counters(near)["TcpActiveOpens"]
                watch.until(2 * opened)
                lives = watch.finish()
            cut = {
                min(packet.source, packet.destination, key=_is_server)[1]: packet.time_ns for packet in resets.stop()
            }
    assert opened // 2 < len(cut) <= opened
    assert len(lives) == 2 * opened
    for role, port in (("client", "lport"), ("server", "rport")):
        mine = [life for life in lives if life["role"] == role]
        reset = {life[port] for life in mine if life["verdict"].startswith("reset_")}
        assert reset <= set(cut)
        whole = [life for life in mine if life[port] not in reset]
        assert {life["verdict"] for life in whole} <= {"clean"}
        late = [life for life in whole if life[port] in cut]
        assert all(life["states"][-1][0] == "FIN_WAIT2" and life["closed_ns"] < cut[life[port]] for life in late)
        assert len(late) < opened // 2  # a busy client answers late


class Resets(Tcpdump):
    """Writes down resets alone: what a pipe holds until `stop` reads it."""

    def __init__(self, room: Namespace, interface: str) -> None:
        options = ("-i", interface, "-n", "-tt", "--nano", "-l", "--immediate-mode", "-B", "8192")
        self._process = subprocess.Popen(
            room.inside("tcpdump", *options, "tcp[tcpflags] & tcp-rst != 0"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


def _is_server(end: End) -> bool:
    return end[1] == daemons.HTTPS
