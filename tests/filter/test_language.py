"""Can everything be said that the language has words for?"""

import socket

import numpy as np
import pytest

from tcpwatch import wire
from tcpwatch.filter import FIELDS, KernelFilter, Names, parse
from tcpwatch.filter.fields import GROUPS, STATE_NAMES
from tcpwatch.rows import CONNECTION
from tests.filter.table import array


def _accepts(text: str, **row: object) -> bool:
    """Whether the filter accepts a row of these columns alone."""
    columns = {name: np.array([value], CONNECTION[name]) for name, value in row.items()}
    return bool(parse(text).mask(columns, Names())[0])


def _chosen_states(text: str) -> set[str]:
    chosen = parse(text).mask({"state": np.arange(13, dtype=np.uint8)}, Names())
    return {name for name, yes in zip(wire.STATES, chosen, strict=True) if yes and name}


@pytest.mark.parametrize("number", range(1, 13))
def test_states_by_the_kernels_names(number: int) -> None:
    """Each state is found under its kernel spelling, in either case; both kinds of SYN_RECV under the one name."""
    name = wire.STATES[number]
    assert name is not None
    assert _accepts(f"state {name}", state=number)
    assert _accepts(f"state = {name.lower()}", state=number)
    assert _chosen_states(f"state {name}") == {name}


@pytest.mark.parametrize("name", STATE_NAMES)
def test_states_by_ss_names(name: str) -> None:
    """ss's names stand for one state each, and `exclude` for all others."""
    (kernel,) = _chosen_states(f"state {name}")
    assert kernel.replace("_", "") == {"closed": "CLOSE", "listening": "LISTEN"}.get(
        name, name.upper().replace("-", "")
    )
    assert _chosen_states(f"exclude {name}") == {one for one in wire.STATES if one} - {kernel}


@pytest.mark.parametrize(
    ("text", "left_out"),
    [
        ("state all", set()),
        ("state connected", {"CLOSE", "LISTEN"}),
        ("state synchronized", {"CLOSE", "LISTEN", "SYN_SENT"}),
        ("state big", {"SYN_RECV", "TIME_WAIT"}),
        ("not state bucket", {"SYN_RECV", "TIME_WAIT"}),
        ("exclude listening exclude close", {"CLOSE", "LISTEN"}),
        ("state all exclude time-wait", {"TIME_WAIT"}),
        ("exclude all state connected", {"CLOSE", "LISTEN"}),
        ("exclude all", {one for one in wire.STATES if one}),
    ],
)
def test_groups_of_states(text: str, left_out: set[str]) -> None:
    """Groups hold what ss says they hold, and state words accumulate in their order."""
    assert _chosen_states(text) == {one for one in wire.STATES if one} - left_out


def test_state_words_anywhere() -> None:
    """State words may stand where any condition may; at the head, with no join, they hold for all that follows."""
    assert _accepts("dport = 1 or state closing", state=wire.CLOSING, rport=2)
    assert _accepts("state closing and dport = 1 or dport = 2", state=wire.CLOSE, rport=2)
    assert not _accepts("state closing dport = 1 or dport = 2", state=wire.CLOSE, rport=2)
    assert not _accepts("( state closing dport = 1 or dport = 2 )", state=wire.CLOSE, rport=2)
    assert _accepts("dport = 3 state closing or dport = 2", state=wire.CLOSE, rport=2)
    assert set(GROUPS) == {"all", "connected", "synchronized", "bucket", "big"}


@pytest.mark.parametrize("joined", ["and", "&", "&&", "AND", ""])
def test_spellings_of_and(joined: str) -> None:
    """All of them join, and so does nothing."""
    text = f"sport = 1 {joined} dport = 2"
    assert _accepts(text, lport=1, rport=2)
    assert not _accepts(text, lport=1, rport=1)
    assert not _accepts(text, lport=2, rport=2)


@pytest.mark.parametrize("joined", ["or", "|", "||", "Or"])
def test_spellings_of_or(joined: str) -> None:
    """Either side is enough."""
    text = f"sport = 1 {joined} dport = 2"
    assert [_accepts(text, lport=a, rport=b) for a, b in ((1, 9), (9, 2), (9, 9))] == [True, True, False]


@pytest.mark.parametrize("text", ["not sport = 1", "!sport=1", "! ( sport = 1 )", "NOT(sport 1)", "not not ! sport 1"])
def test_spellings_of_not(text: str) -> None:
    """`not` holds for the next condition, and spaces are needed only between words."""
    assert not _accepts(text, lport=1)
    assert _accepts(text, lport=2)


def test_left_to_right_is_said() -> None:
    """`and` and `or` bind equally, as in ss, and who mixes them is told."""
    assert not _accepts("sport = 1 or sport = 2 and dport = 3", lport=1, rport=4)
    assert "left to right" in parse("sport = 1 or sport = 2 and dport = 3").notes[0]
    assert "left to right" in parse("state closing sport = 1 or sport = 2 dport = 3").notes[0]
    for plain in ("sport = 1 and sport = 2 or dport = 3", "sport = 1 or ( sport = 2 and dport = 3 )", "inet or inet6"):
        assert parse(plain).notes == (), plain


@pytest.mark.parametrize(
    ("text", "row"),
    [
        ("rtt > 49999999ns", {"rtt_us": 50_000}),
        ("rtt = 50000us", {"rtt_us": 50_000}),
        ("rtt = 50000µs", {"rtt_us": 50_000}),
        ("rtt = 0.07MS", {"rtt_us": 70}),
        ("rtt = .05s", {"rtt_us": 50_000}),
        ("rtt = 50", {"rtt_us": 50_000}),
        ("rttvar = 1.", {"rttvar_us": 1000}),
        ("min-rtt < 1ms", {"min_rtt_us": 999}),
        ("age = 90", {"age_ms": 90_000}),
        ("age = 250ms", {"age_ms": 250}),
        ("state_age = 1.5m", {"state_ms": 90_000}),
        ("idle = 2h", {"idle_ms": 7_200_000}),
        ("idle = 1d", {"idle_ms": 86_400_000}),
        ("cwnd >= 10", {"cwnd": 10}),
        ("ssthresh != 7", {"ssthresh": 8}),
        ("mss = 1460", {"mss": 1460}),
        ("bytes_sent = 3b", {"bytes_sent": 3}),
        ("bytes_acked = 2k", {"bytes_acked": 2000}),
        ("bytes_acked = 2kb", {"bytes_acked": 2000}),
        ("bytes_received = 2KiB", {"bytes_received": 2048}),
        ("send_queue = 1m", {"send_queue": 1e6}),
        ("recv_queue = 1mi", {"recv_queue": 2**20}),
        ("bytes_sent = 1gib", {"bytes_sent": 2**30}),
        ("bytes_sent = 1.5tb", {"bytes_sent": 1.5e12}),
        ("segs_in lt 5", {"segs_in": 4}),
        ("segs_out gt 5", {"segs_out": 6}),
        ("retrans ne 0", {"retrans": 1}),
        ("pid = 812", {"pid": 812}),
        ("role = client", {"role": 1}),
        ("role != Client", {"role": 2}),
        ("inet", {"family": 2}),
        ("INET6", {"family": 10}),
        ("family != ipv4", {"family": 10}),
        ("netns = net:[4026531840]", {"netns": 4026531840}),
        ("netns != 4026531840", {"netns": 4026531841}),
        ("port = 443", {"lport": 1, "rport": 443}),
        ("port != 443", {"lport": 1, "rport": 2}),
        ("not dport *", {"rport": 443}),
    ],
)
def test_values_and_units(text: str, row: dict[str, float]) -> None:
    """A value means what its unit says."""
    expected = text != "not dport *"
    assert _accepts(text, **row) is expected
    assert _accepts(f"not ( {text} )", **row) is not expected


def test_services_are_ports() -> None:
    """A service's name is its port."""
    port = socket.getservbyname("https", "tcp")
    for text in ("dport = https", "dport = :https", "port https"):
        assert _accepts(text, lport=1, rport=port)
        assert not _accepts(text, lport=1, rport=port + 1)


@pytest.mark.parametrize(
    ("text", "local", "remote", "expected"),
    [
        ("dst != 10.0.0.7:443", "10.0.0.1", "10.0.0.7", False),
        ("dst != 10.0.0.7:80", "10.0.0.1", "10.0.0.7", True),
        ("dst != 10.0.0.8:443", "10.0.0.1", "10.0.0.7", True),
        ("addr != 10.0.0.0/8", "10.0.0.1", "192.0.2.1", False),
        ("host != 10.0.0.0/8", "192.0.2.2", "192.0.2.1", True),
        ("addr = 10.0.0.7:443", "10.0.0.7", "192.0.2.1", False),  # that address and that port, but not at one end
        ("addr 10.0.0.7:40000", "10.0.0.7", "192.0.2.1", True),
        ("dst 2001:db8::7", "::1", "2001:db8::7", True),
        ("dst [2001:db8::7]", "::1", "2001:db8::7", True),
        ("dst [2001:db8::]/32:443", "::1", "2001:db8::7", True),
        ("dst [2001:db8::/32]:80", "::1", "2001:db8::7", False),
        ("dst 2001:db8::7:443", "::1", "2001:db8::7", True),
        ("dst inet:*", "::1", "2001:db8::7", False),
        ("dst inet6:[::]/0", "::1", "2001:db8::7", True),
        ("dst '10.0.0.7'", "10.0.0.1", "10.0.0.7", True),
    ],
)
def test_addresses(text: str, local: str, remote: str, expected: bool) -> None:
    """Addresses, networks and ports in all their spellings; port 40000 here and 443 there."""
    family = 10 if ":" in remote else 2
    rows = array([{"laddr": local, "raddr": remote, "lport": 40000, "rport": 443, "family": family}])
    assert parse(text).mask(rows, Names()).tolist() == [expected]
    assert parse(f"!({text})").mask(rows, Names()).tolist() == [not expected]


def test_ambiguous_ipv6_is_said() -> None:
    """Without brackets the last colon begins the port, as in ss; who may have meant otherwise is told."""
    assert "[::1:443]" in parse("dst ::1:443").notes[0]
    assert parse("dst [::1]:443").notes == parse("dst 2001:db8::7").notes == ()


@pytest.mark.parametrize(
    ("text", "box"),
    [
        ("dport = 443", KernelFilter(rport_min=443, rport_max=443)),
        ("sport > 1023 and sport <= 5000", KernelFilter(lport_min=1024, lport_max=5000)),
        ("dport = 80 or dport = 443", KernelFilter(rport_min=80, rport_max=443)),
        ("dport = 80 or sport = 443", KernelFilter()),
        ("dport != 0", KernelFilter(rport_min=1)),
        ("not dport = 443", KernelFilter()),
        ("not ( dport < 10 or dport >= 20 )", KernelFilter(rport_min=10, rport_max=19)),
        ("inet6 and rtt > 5", KernelFilter(family=10)),
        ("dst [::1]:80", KernelFilter(family=10, rport_min=80, rport_max=80)),
        ("dst 10.0.0.1:80", KernelFilter(rport_min=80, rport_max=80)),  # an IPv6 socket may hold that address
        ("inet or inet6", KernelFilter()),
        ("netns = 7 comm = nginx", KernelFilter(netns=7)),
        ("netns = 7 or netns = 8", KernelFilter()),
        ("( inet and inet6 ) or inet6", KernelFilter(family=10)),
        ("( dport = 1 and dport = 2 ) or sport = 3", KernelFilter(lport_min=3, lport_max=3)),
        ("state established dport = 1 or dport = 2", KernelFilter(rport_min=1, rport_max=2)),
    ],
)
def test_kernel_filter(text: str, box: KernelFilter) -> None:
    """The kernel is told as much as it can check."""
    assert parse(text).kernel == box


@pytest.mark.parametrize("text", ["inet and inet6", "netns = 7 and netns = 8", "dport < 0", "exclude all", "not src *"])
def test_kernel_filter_of_the_impossible(text: str) -> None:
    """What nothing satisfies has port bounds that nothing satisfies."""
    box = parse(text).kernel
    assert box.lport_min > box.lport_max


def test_fields_are_named_by_column() -> None:
    """A filter says which columns it will look at."""
    assert parse("state established and ( dport = :443 or comm = nginx ) and rtt > 50ms").fields == {
        "state", "rport", "comm", "rtt_us"
    }  # fmt: skip
    assert parse("port = 1 age > 5").fields == {"lport", "rport", "age_ms"}
    assert parse("dst 10.0.0.1").fields == {"raddr"}


def test_fields_are_columns_of_a_view() -> None:
    """Each field reads columns that a view has."""
    columns = {column for field in FIELDS for column in field.columns}
    assert columns <= set(CONNECTION.names or ())
