import subprocess
from pathlib import Path

import pytest

from tcpwatch.counters import COUNTS, EXTENDED, TCP
from tcpwatch.kernel import counters

SNMP = "Ip: Forwarding\nIp: 1\nTcp: RtoMin MaxConn ActiveOpens PassiveOpens OutRsts\nTcp: 200 -1 7 11 13\n"
NETSTAT = (
    "TcpExt: SyncookiesSent SyncookiesRecv ListenDrops\nTcpExt: 17 19 18446744073709551615\nIpExt: InOctets\nIpExt: 5\n"
)


def test_two_files_make_one_line(tmp_path: Path) -> None:
    """Names and numbers are paired by their place; what this kernel does not count stays 0."""
    (tmp_path / "snmp").write_text(SNMP)
    (tmp_path / "netstat").write_text(NETSTAT)
    (line,) = counters.read(4026531840, str(tmp_path))
    named = {name: int(line[name]) for name in COUNTS.names or () if line[name]}
    assert named == {
        "netns": 4026531840,
        "active_opens": 7,
        "passive_opens": 11,
        "resets_sent": 13,
        "cookies_sent": 17,
        "cookies_accepted": 19,
        "listen_drops": 18446744073709551615,
    }


@pytest.mark.parametrize("text", ["", "Tcp:\n", "Tcp: ActiveOpens\nTcp: seven\n", "Tcp: ActiveOpens\n"])
def test_a_file_nobody_understands_counts_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "snmp").write_text(text)
    (tmp_path / "netstat").write_text("")
    (line,) = counters.read(1, str(tmp_path))
    assert line["active_opens"] == 0


def test_this_kernel_has_every_name() -> None:
    """A name that is spelt wrong would count 0 for ever."""
    said = subprocess.run(["cat", "/proc/net/snmp", "/proc/net/netstat"], capture_output=True, text=True, check=True)
    assert {*TCP.values(), *EXTENDED.values()} <= set(said.stdout.split())
