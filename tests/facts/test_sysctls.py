from pathlib import Path

import pytest

from tcpwatch.kernel.sysctls import NAMES, meaning, read


@pytest.mark.parametrize(
    ("name", "value", "meant"),
    [
        ("net.ipv4.ip_local_port_range", "32768 60999", "28,232 ports"),
        ("net.ipv4.tcp_syn_retries", "6", "2 min 7 s"),
        ("net.ipv4.tcp_syn_retries", "8", "6 min 7 s"),  # a wait is never longer than 120 s
        ("net.ipv4.tcp_synack_retries", "5", "1 min 3 s"),
        ("net.ipv4.tcp_retries2", "15", "15 min 25 s"),  # 924.6 s: Documentation/networking/ip-sysctl.rst
        ("net.ipv4.tcp_retries2", "8", "1 min 42 s"),  # RFC 1122's least: over 100 s
        ("net.ipv4.tcp_tw_reuse", "0", "is not reused"),
        ("net.ipv4.tcp_tw_reuse", "2", "on loopback only"),
        ("net.ipv4.tcp_abort_on_overflow", "1", "gets a reset"),
        ("net.ipv4.tcp_fastopen", "1", "on for clients, off for servers"),
        ("net.ipv4.tcp_fastopen", "1027", "on for clients, on for servers"),
        ("kernel.perf_event_paranoid", "3", "no matter here"),
    ],
)
def test_a_value_is_put_into_words(name: str, value: str, meant: str) -> None:
    """Numbers as the kernel's documentation and source have them."""
    assert meant in meaning(name, {name: value})


def test_linear_timeouts_come_on_top() -> None:
    """Since 6.5 the first SYNs are repeated each second; 4 and 6 come to 131 s, says the kernel's documentation."""
    values = {"net.ipv4.tcp_syn_retries": "6", "net.ipv4.tcp_syn_linear_timeouts": "4"}
    assert "2 min 11 s" in meaning("net.ipv4.tcp_syn_retries", values)


def test_keepalive_takes_three_values() -> None:
    """The defaults: 7200 s of idling and 9 probes 75 s apart."""
    name = "net.ipv4.tcp_keepalive_{}"
    values = {name.format("time"): "7200", name.format("intvl"): "75", name.format("probes"): "9"}
    assert "2 h 11 min 15 s" in meaning(name.format("time"), values)
    assert meaning(name.format("time"), {name.format("time"): "7200"}) == ""


@pytest.mark.parametrize("value", ["9", "-", "", "yes"])
def test_a_value_nobody_knows_has_no_meaning(value: str) -> None:
    """A newer kernel may have one more mode: better silent than wrong."""
    assert meaning("net.ipv4.tcp_syncookies", {"net.ipv4.tcp_syncookies": value}) == ""


def test_absent_ones_are_absent(tmp_path: Path) -> None:
    """An old kernel, or a container that hides them."""
    (tmp_path / "sys/net/ipv4").mkdir(parents=True)
    (tmp_path / "sys/net/ipv4/ip_local_port_range").write_text("1024\t65535\n")
    assert read(str(tmp_path)) == {"net.ipv4.ip_local_port_range": "1024 65535"}


def test_this_machines_are_read_and_understood() -> None:
    """Each one that is there has a meaning."""
    values = read()
    assert {"net.ipv4.ip_local_port_range", "net.core.somaxconn", "net.ipv4.tcp_rmem"} <= values.keys()
    assert [name for name in NAMES if name in values and not meaning(name, values)] == []
