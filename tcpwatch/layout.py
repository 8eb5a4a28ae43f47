"""Where does each field of bpf/wire.h's records lie? Without NumPy, as programs are attached before it is loaded; what
the fields mean is for wire.py, which makes dtypes of them."""

from collections.abc import Mapping, Sequence

Fields = Sequence[tuple[str, str] | tuple[str, str, int]]  # in their order: name, NumPy's word for the type, how many

EVENT: Fields = [
    ("time_ns", "<u8"),
    ("cookie", "<u8"),
    ("since_ns", "<u8"),
    ("bytes_sent", "<u8"),
    ("bytes_acked", "<u8"),
    ("bytes_received", "<u8"),
    ("bytes_retrans", "<u8"),
    ("laddr", "u1", 16),
    ("raddr", "u1", 16),
    ("netns", "<u4"),
    ("pid", "<u4"),
    ("srtt_us", "<u4"),
    ("rttvar_us", "<u4"),
    ("min_rtt_us", "<u4"),
    ("cwnd", "<u4"),
    ("ssthresh", "<u4"),
    ("retrans", "<u4"),
    ("segs_out", "<u4"),
    ("segs_in", "<u4"),
    ("count", "<u4"),
    ("mss", "<u2"),
    ("spurious", "<u2"),
    ("reason", "<u2"),
    ("lport", "<u2"),
    ("rport", "<u2"),
    ("error", "<u2"),
    ("kind", "u1"),
    ("family", "u1"),
    ("old_state", "u1"),
    ("new_state", "u1"),
    ("ca_state", "u1"),
    ("flags", "u1"),
    ("cause", "u1"),
    ("probes", "u1"),
    ("comm", "S16"),
]

SOCKET: Fields = [
    ("cookie", "<u8"),
    ("since_ns", "<u8"),
    ("bytes_sent", "<u8"),
    ("bytes_acked", "<u8"),
    ("bytes_received", "<u8"),
    ("bytes_retrans", "<u8"),
    ("pacing_rate", "<u8"),
    ("delivery_rate", "<u8"),
    ("cgroup", "<u8"),
    ("laddr", "u1", 16),
    ("raddr", "u1", 16),
    ("netns", "<u4"),
    ("srtt_us", "<u4"),
    ("rttvar_us", "<u4"),
    ("min_rtt_us", "<u4"),
    ("cwnd", "<u4"),
    ("ssthresh", "<u4"),
    ("mss", "<u4"),
    ("pmtu", "<u4"),
    ("snd_wnd", "<u4"),
    ("rcv_wnd", "<u4"),
    ("unacked", "<u4"),
    ("lost", "<u4"),
    ("retrans", "<u4"),
    ("segs_out", "<u4"),
    ("segs_in", "<u4"),
    ("send_queue", "<u4"),
    ("recv_queue", "<u4"),
    ("rto_ticks", "<u4"),
    ("keepalive_ticks", "<u4"),
    ("idle_ticks", "<u4"),
    ("timer_ticks", "<u4"),
    ("busy_ticks", "<u4"),
    ("rwnd_limited_ticks", "<u4"),
    ("sndbuf_limited_ticks", "<u4"),
    ("pending_ticks", "<u4"),
    ("interval_ticks", "<u4"),
    ("unsent", "<u4"),
    ("spurious", "<u4"),
    ("advmss", "<u4"),
    ("drops", "<u4"),
    ("half_open", "<u4"),
    ("half_open_young", "<u4"),
    ("overflow_ticks", "<u4"),
    ("uid", "<u4"),
    ("lport", "<u2"),
    ("rport", "<u2"),
    ("options", "<u2"),
    ("family", "u1"),
    ("state", "u1"),
    ("sort", "u1"),
    ("ca_state", "u1"),
    ("chrono", "u1"),
    ("backoff", "u1"),
    ("snd_wscale", "u1"),
    ("rcv_wscale", "u1"),
    ("pending", "u1"),
    ("timeouts", "u1"),
    ("probes", "u1"),
    ("probes_most", "u1"),
    ("reserved", "u1", 6),
    ("ca_name", "S16"),
]

OWNER: Fields = [
    ("cookie", "<u8"),
    ("start_ns", "<u8"),
    ("netns", "<u4"),
    ("pid", "<u4"),
    ("fd", "<u4"),
    ("uid", "<u4"),
    ("comm", "S16"),
]

TALLY: Fields = [("seen", "<u8"), ("lost", "<u8")]

STRUCTS: Mapping[str, Fields] = {
    "tw_event": EVENT,
    "tw_socket": SOCKET,
    "tw_owner": OWNER,
    "tw_tally": TALLY,
}


def places(fields: Fields) -> dict[str, tuple[int, int]]:
    """name -> (offset, size), in bytes: one behind the other, without gaps."""
    found, offset = {}, 0
    for name, kind, *count in fields:
        size = int(kind.lstrip("<uS")) * (count[0] if count else 1)
        found[name] = (offset, size)
        offset += size
    return found
