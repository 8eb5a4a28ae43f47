"""Is the network of an address the one that Python's ipaddress says?"""

import ipaddress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpwatch.errors import UsageError
from tcpwatch.metrics.networks import Network, Networks, parse


def packed(*addresses: str) -> np.ndarray:
    """(n, 2) u8, as they lie in memory, IPv4 mapped."""
    sixes = [f"::ffff:{one}" if ":" not in one else one for one in addresses]
    raw = b"".join(ipaddress.IPv6Address(six).packed for six in sixes)
    return np.frombuffer(raw, np.uint64).reshape(-1, 2)


def named(networks: Networks, remote: str, local: str = "192.0.2.1") -> str:
    return networks.names[int(networks.of(packed(remote), packed(local))[0])]


FOURS = st.ip_addresses(v=4)
SIXES = st.ip_addresses(v=6)


@st.composite
def prefixes(draw: st.DrawFn) -> str:
    address = draw(st.sampled_from(["10.0.0.0", "10.1.2.3", "192.168.7.9", "2001:db8::7", "fd00::1"]) | FOURS.map(str))
    length = draw(st.integers(0, 32 if "." in address else 128))
    return str(ipaddress.ip_network(f"{address}/{length}", strict=False))


@given(st.lists(prefixes(), min_size=1, max_size=8), st.data())
def test_the_longest_prefix_wins(cidrs: list[str], data: st.DataObject) -> None:
    """Of several equal ones the first."""
    configured = [parse(f"{cidr}=n{i}") for i, cidr in enumerate(cidrs)]
    near = [str(one.prefix[data.draw(st.sampled_from([0, -1]))]) for one in configured]
    remote = data.draw(st.sampled_from(near) | FOURS.map(str) | SIXES.map(str))
    address = ipaddress.ip_address(remote)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    if int(address) == 0 and address.version == 6:
        return  # a socket without a peer
    holding = [one for one in configured if one.prefix.version == address.version and address in one.prefix]
    best = max(holding, key=lambda one: one.prefix.prefixlen, default=None)
    expected = best.name if best else "loopback" if address.is_loopback else "other"
    assert named(Networks(configured), remote) == expected


def test_without_groups_only_loopback_has_a_name() -> None:
    """127.0.0.0/8, ::1 and what a machine says to its own address."""
    networks = Networks()
    assert [named(networks, one) for one in ("127.0.0.1", "127.9.9.9", "::1")] == ["loopback"] * 3
    assert named(networks, "10.0.0.7", "10.0.0.7") == "loopback"
    assert [named(networks, one) for one in ("10.0.0.7", "2001:db8::1", "::")] == ["", "", ""]


def test_a_group_wins_over_loopback() -> None:
    """Whoever names it means it."""
    networks = Networks([parse("127.0.0.0/8=here"), parse("10.0.0.0/8=here")])
    assert [named(networks, one) for one in ("127.0.0.1", "10.3.2.1", "::1")] == ["here", "here", "loopback"]


def test_a_mapped_prefix_is_an_ipv4_one() -> None:
    """::ffff:10.0.0.0/104 is 10.0.0.0/8."""
    assert parse("::ffff:10.0.0.0/104=x") == Network(ipaddress.ip_network("10.0.0.0/8"), "x")
    assert parse("10.9.8.7=one") == Network(ipaddress.ip_network("10.9.8.7/32"), "one")


@pytest.mark.parametrize(
    "text", ["", "10.0.0.0/8", "10.0.0.0/8=", "=x", "10.0.0.1/8=x", "10.0.0/8=x", "x/8=y", "1/99=y"]
)
def test_what_is_no_group_is_refused(text: str) -> None:
    """And it says how to write one."""
    with pytest.raises(UsageError) as refused:
        parse(text)
    assert "CIDR=NAME" in refused.value.cure
