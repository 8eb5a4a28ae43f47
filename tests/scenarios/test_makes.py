"""Does each scenario make just what it says? The errors its processes met, what ss and the kernel's counters saw, and
the path of states that `tcpwatch life` tells of each of its connections."""

from collections import Counter
from statistics import median

import pytest

from tcpwatch.scenarios import SCENARIOS
from tcpwatch.scenarios.stage import ENDS, End, Stage
from tests.kernel.witness import ss

from .shown import N, Shown

FEW = 5  # connections
TRIES = 3  # SYNs of a client that is never answered, at the least: it tries on for as long as its trouble is looked at
EXPIRES_S = 6.0  # a half-open connection, at the soonest, where the queue is full (reqsk_timer_handler): 1 + 2 + 4 s
CALLED = "SYN_SENT"
CUT_CALLER, CUT_CALLED = "SYN_SENT ESTABLISHED", "SYN_RECV ESTABLISHED"
FIRST, SECOND = CUT_CALLER + " FIN_WAIT1 FIN_WAIT2 TIME_WAIT", CUT_CALLED + " CLOSE_WAIT LAST_ACK"
FAILED = {
    "refused": "ECONNREFUSED",
    "refused_by_firewall": "ECONNREFUSED",
    "rejected_by_firewall": "ECONNREFUSED",
    "unreachable": "EHOSTUNREACH",
    "unreachable_firewall": "EHOSTUNREACH",
    "no_answer": "ETIMEDOUT",
    "accept_queue_full": "ETIMEDOUT",
    "accept_queue_full_later": "ETIMEDOUT",
    "syn_queue_full": "ETIMEDOUT",
    "syn_queue_full_flood": "ETIMEDOUT",
    "out_of_ports": "EADDRNOTAVAIL",
    "out_of_ports_time_wait": "EADDRNOTAVAIL",
    "given_up": "",
    "handshake_unfinished": "ETIMEDOUT",
    "handshake_unfinished_fast_open": "ETIMEDOUT",
}
CUT = {
    "reset_by_peer_at_once": ("ECONNRESET", ""),
    "reset_by_peer_midstream": ("ECONNRESET", ""),
    "reset_by_peer_idle": ("ECONNRESET", ""),
    "reset_by_peer_idle_long": ("ECONNRESET", ""),
    "reset_by_us_unread_data": ("ECONNRESET", ""),
    "reset_by_us_process_died": ("ECONNRESET", ""),
    "reset_by_us_linger": ("", "ECONNRESET"),
    "timed_out_retransmitting": ("ETIMEDOUT", ""),
    "timed_out_retransmitting_idle": ("ETIMEDOUT", ""),
    "timed_out_keepalive": ("ETIMEDOUT", ""),
    "stalled_zero_window": ("ETIMEDOUT", ""),
    "handshake_unfinished_fast_open": ("ETIMEDOUT", "ETIMEDOUT"),
    "reset_by_us": ("EPIPE", ""),
    "aborted": ("ECONNABORTED", "ECONNRESET"),
    "unclear": ("", ""),
}
# Where it ends with neither a goodbye from both sides nor in mid-connection
PATHS: dict[tuple[str, End], str] = {
    ("handshake_unfinished_fast_open", "client"): CALLED,
    ("handshake_unfinished_fast_open", "server"): "SYN_RECV",
    ("reset_by_us", "client"): CUT_CALLER + " CLOSE_WAIT",
    ("reset_by_us", "server"): CUT_CALLED + " FIN_WAIT1 FIN_WAIT2",
}
# How much a counter grows in the client's and in the server's namespace
COUNTED: dict[str, dict[tuple[End, str], int]] = {
    "clean": {("client", "TcpActiveOpens"): N, ("server", "TcpPassiveOpens"): N, ("client", "TcpRetransSegs"): 0},
    "clean_simultaneous_open": {
        ("client", "TcpActiveOpens"): N,
        ("server", "TcpActiveOpens"): N,
        ("server", "TcpPassiveOpens"): 0,
    },
    "clean_fast_open": {("client", "TcpExtTCPFastOpenActive"): N, ("server", "TcpExtTCPFastOpenPassive"): N},
    "clean_flood": {("server", "TcpPassiveOpens"): N, ("server", "TcpExtSyncookiesRecv"): N},
    "refused": {("server", "TcpOutRsts"): N, ("client", "TcpAttemptFails"): N},
    "refused_by_firewall": {("server", "TcpOutRsts"): 0, ("client", "TcpAttemptFails"): N},
    "rejected_by_firewall": {("server", "TcpInSegs"): 0},
    "unreachable": {("server", "TcpInSegs"): 0},
    "no_answer": {("server", "TcpInSegs"): 0},
    "slow_handshake": {("client", "TcpExtTCPSynRetrans"): N, ("server", "TcpPassiveOpens"): N},
    "syn_queue_full": {("server", "TcpExtListenOverflows"): 0, ("server", "TcpPassiveOpens"): 0},
    "syn_queue_full_flood": {("server", "TcpPassiveOpens"): 0, ("server", "TcpExtSyncookiesSent"): 0},
    "reset_by_peer_at_once": {("server", "TcpExtTCPAbortOnData"): N, ("server", "TcpOutRsts"): N},
    "reset_by_peer_midstream": {("server", "TcpExtTCPAbortOnData"): N, ("server", "TcpOutRsts"): N},
    "reset_by_us_linger": {("client", "TcpExtTCPAbortOnData"): N, ("client", "TcpOutRsts"): N},
    "reset_by_us_unread_data": {("server", "TcpExtTCPAbortOnClose"): N, ("server", "TcpOutRsts"): N},
    "reset_by_us_process_died": {("server", "TcpExtTCPAbortOnClose"): N, ("server", "TcpOutRsts"): N},
    "timed_out_retransmitting": {("client", "TcpExtTCPAbortOnTimeout"): N, ("client", "TcpExtTCPKeepAlive"): 0},
    "timed_out_retransmitting_idle": {("client", "TcpExtTCPAbortOnTimeout"): N},
    "timed_out_keepalive": {
        ("client", "TcpExtTCPAbortOnTimeout"): N,
        ("client", "TcpRetransSegs"): 0,
    },
    "stalled_zero_window": {("client", "TcpExtTCPAbortOnTimeout"): N, ("server", "TcpExtTCPToZeroWindowAdv"): N},
    "handshake_unfinished": {("server", "TcpPassiveOpens"): 0, ("client", "TcpAttemptFails"): N},
    "handshake_unfinished_fast_open": {("server", "TcpExtTCPFastOpenPassive"): N, ("client", "TcpAttemptFails"): N},
    "reset_by_us": {("server", "TcpExtTCPAbortOnData"): N, ("server", "TcpOutRsts"): N},
    "aborted": {("client", "TcpOutRsts"): N, ("server", "TcpEstabResets"): N},
    "unclear": {("client", "TcpOutRsts"): 0},
}
# Sockets in these states at the scene "trouble"
STANDING: dict[str, dict[tuple[End, str], int]] = {
    "no_answer": {("client", "SYN_SENT"): N},
    "out_of_ports": {("client", "ESTABLISHED"): 2 * N},
    "out_of_ports_time_wait": {("client", "TIME_WAIT"): 4 * N, ("client", "ESTABLISHED"): 0},
    "accept_queue_full": {("client", "SYN_SENT"): N, ("server", "ESTABLISHED"): 9, ("server", "SYN_RECV"): 0},
    "syn_queue_full": {("client", "SYN_SENT"): N, ("server", "ESTABLISHED"): 0},
    "half_closed_lingering": {("server", "CLOSE_WAIT"): N, ("client", "FIN_WAIT2"): N},
    "half_closed_lingering_long": {("server", "CLOSE_WAIT"): N, ("client", "FIN_WAIT2"): N},
    "timed_out_keepalive": {("client", "ESTABLISHED"): N, ("server", "ESTABLISHED"): N},
    "handshake_unfinished": {("client", "SYN_SENT"): N, ("server", "SYN_RECV"): N},
    "handshake_unfinished_fast_open": {("client", "SYN_SENT"): N, ("server", "SYN_RECV"): N},
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_it_makes_so_many(shown: dict[str, Shown], name: str) -> None:
    """23 connections at each end it concerns and none at the other, each with ends of its own."""
    happened, scenario = shown[name].happened, SCENARIOS[name]
    assert scenario.verdict
    for end in ENDS:
        connections = getattr(happened, end)
        assert len(connections) == (N if end in scenario.ends else 0)
        if "out_of_ports" not in name:
            assert len({(one.lport, one.rport) for one in connections}) == len(connections)
        assert len({(one.netns, one.room, one.pid, one.comm) for one in connections}) <= 1


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_processes_met_the_errors(shown: dict[str, Shown], name: str) -> None:
    """What connect() and recv() told the applications."""
    wanted = CUT.get(name, (FAILED.get(name, ""), ""))
    for end, error in zip(ENDS, wanted):
        assert {one.error for one in getattr(shown[name].happened, end)} <= {error}


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_lives_take_their_course(shown: dict[str, Shown], name: str) -> None:
    """One life each, of the process that had it, through the states that this story goes through."""
    for end in SCENARIOS[name].verdicts:
        lives = shown[name].told(end)
        connections = getattr(shown[name].happened, end)
        owners = Counter((one.pid, one.comm) for one in connections)
        assert Counter((life["pid"], life["comm"]) for life in lives) == owners
        paths = {" ".join(state for state, _ in life["states"]) for life in lives}
        assert paths == {path_of(name, end)}


def path_of(name: str, end: End) -> str:
    if (name, end) in PATHS:
        return PATHS[name, end]
    if name in FAILED:
        return CALLED
    if name in CUT:
        return CUT_CALLER if end == "client" else CUT_CALLED
    path = FIRST if end == "client" else SECOND
    if name == "clean_simultaneous_open":  # both call, and each is called back
        return "SYN_SENT SYN_RECV" + path[len("SYN_SENT" if end == "client" else "SYN_RECV") :]
    return path


@pytest.mark.parametrize("name", COUNTED)
def test_the_kernel_counts_the_same(shown: dict[str, Shown], name: str) -> None:
    """SNMP counters of both namespaces, from before the first SYN to the end."""
    assert shown[name].happened
    found = {(end, counter): shown[name].rose(end, counter) for end, counter in COUNTED[name]}
    assert found == COUNTED[name]


@pytest.mark.parametrize("name", STANDING)
def test_ss_sees_the_trouble(shown: dict[str, Shown], name: str) -> None:
    """While it lasts, so many sockets stand in that state."""
    assert shown[name].happened
    looks = shown[name].looks["trouble"]
    assert {(end, state): looks[end].count(state) for end, state in STANDING[name]} == STANDING[name]


@pytest.mark.parametrize("name", [name for name in SCENARIOS if "unreachable" in name or name.endswith("by_firewall")])
def test_the_firewall_counts_the_same(shown: dict[str, Shown], name: str) -> None:
    """Every SYN was rejected. (The kernel is deaf to ICMP while connect() still holds the socket, and sends again.)"""
    one = shown[name]
    assert one.happened.numbers["rejected"] == N + one.rose("client", "TcpExtTCPSynRetrans")


def test_every_try_was_dropped(shown: dict[str, Shown]) -> None:
    """Each SYN, by the firewall's own count."""
    silence = shown["no_answer"]
    assert silence.happened.numbers["dropped"] == N + silence.rose("client", "TcpExtTCPSynRetrans") >= TRIES * N


@pytest.mark.parametrize("name", ["accept_queue_full", "accept_queue_full_later"])
def test_every_try_found_the_queue_full(shown: dict[str, Shown], name: str) -> None:
    """Each SYN, by the server's own count."""
    one = shown[name]
    tries = N + one.rose("client", "TcpExtTCPSynRetrans")
    assert one.rose("server", "TcpExtListenOverflows") == one.rose("server", "TcpExtListenDrops") == tries >= TRIES * N


def test_no_probe_was_answered(shown: dict[str, Shown]) -> None:
    """All of them, and the reset with which each connection was given up, were dropped."""
    gone = shown["timed_out_keepalive"]
    probes = gone.rose("client", "TcpExtTCPKeepAlive")
    assert gone.happened.numbers["dropped"] == probes + N >= 7 * N


def test_cookies_are_what_the_flood_and_the_clients_asked_for(shown: dict[str, Shown]) -> None:
    """Each SYN that found no place in the queue was answered with a cookie."""
    flood = shown["clean_flood"]
    held = flood.looks["trouble"]["server"].count("SYN_RECV")
    asked = N + flood.rose("client", "TcpExtTCPSynRetrans")
    assert flood.happened.numbers["syns"] > held > N
    assert flood.rose("server", "TcpExtSyncookiesSent") == flood.happened.numbers["syns"] + asked - held
    assert flood.rose("server", "TcpExtTCPReqQFullDoCookies") == flood.rose("server", "TcpExtSyncookiesSent")


@pytest.mark.parametrize("name", ["syn_queue_full", "syn_queue_full_flood"])
def test_without_cookies_each_syn_has_a_place_or_is_dropped(shown: dict[str, Shown], name: str) -> None:
    """The SYNs of every client among them. The flood goes on while half-open ones expire, and fills their places."""
    one = shown[name]
    held = one.looks["trouble"]["server"].count("SYN_RECV")
    tries = N + one.rose("client", "TcpExtTCPSynRetrans")
    taken = one.happened.numbers["syns"] + tries - one.rose("server", "TcpExtTCPReqQFullDrop")
    assert 8 <= held <= taken <= held * (1 + one.lasted_s / EXPIRES_S)
    assert tries >= TRIES * N
    assert one.rose("server", "TcpExtListenDrops") == one.rose("server", "TcpExtTCPReqQFullDrop")


@pytest.mark.parametrize("name", [name for name in SCENARIOS if name.startswith("lossy_path")])
def test_what_was_lost_was_sent_again(shown: dict[str, Shown], name: str) -> None:
    """As many retransmissions as drops, and those that the receiver calls needless; every connection has some."""
    dropped, again = shown[name].happened.numbers["dropped"], shown[name].rose("client", "TcpRetransSegs")
    assert 5 * N < dropped <= again <= dropped + needless(shown[name])
    assert min(life["retrans"] for life in shown[name].told("client")) >= 5


@pytest.mark.parametrize("name", ["receiver_limited", "sender_buffer_limited", "application_limited"])
def test_where_nothing_was_lost_what_was_sent_again_was_needless(shown: dict[str, Shown], name: str) -> None:
    """A busy machine acknowledges late."""
    assert shown[name].happened
    assert shown[name].rose("client", "TcpRetransSegs") == needless(shown[name])


def needless(shown: Shown) -> int:
    """Segments that the server got twice."""
    return sum(shown.rose("server", f"TcpExtTCPDSACK{which}Sent") for which in ("Old", "Ofo"))


@pytest.mark.parametrize(
    ("name", "word", "share"),
    [("receiver_limited", "rwnd_limited", 60), ("sender_buffer_limited", "sndbuf_limited", 50)],
)
def test_ss_names_the_limit(shown: dict[str, Shown], name: str, word: str, share: int) -> None:
    """The share of the busy time that the kernel itself puts down to it, of each sender."""
    assert shown[name].happened
    lines = [line for line in shown[name].looks["trouble"]["client"].sockets if line.state == "ESTABLISHED"]
    found = [said for line in lines for said in line.words if said.startswith(word)]
    assert len(found) == N
    assert min(float(said.partition("(")[2].rstrip("%)")) for said in found) >= share


def test_bbr_is_not_slowed_by_loss_as_cubic_is() -> None:
    """The same path, the same load: what the two scenarios are shown for. By what each may have under way, which a busy
    machine changes less than the time it takes."""
    assert window("lossy_path_bbr") > 3 * window("lossy_path_cubic")


def window(name: str) -> float:
    """cwnd of the one in the middle of a few connections; 23 would share what a slow machine can carry."""
    found: list[float] = []

    def look(moment: str, stage: Stage) -> None:
        if moment == "trouble":
            sockets = ss(stage.client.room).values()
            found.extend(line.numbers["cwnd"] for line in sockets if line.state == "ESTABLISHED")

    SCENARIOS[name].run(FEW, audience=look)
    assert len(found) == FEW
    return median(found)
