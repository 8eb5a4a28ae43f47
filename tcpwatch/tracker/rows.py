"""The shape of a connection: ROW, one line of the tracker's table, and CONNECTION, what a view shows of it. Only
shapes and their meaning live here."""

import numpy as np

PATH = 10  # the longest real life has 8 states; more are folded into the last

UNKNOWN_ROLE, CLIENT, SERVER = range(3)
ROLES = (None, "client", "server")

# ROW.flags
CLOSED, VANISHED, FIN_RECEIVED, HAS_COUNTERS, TOLD, LET_GO, ABORTED = 1, 2, 4, 8, 16, 32, 64
# CLOSED: the full socket has ended (a TIME_WAIT may still hold the port). VANISHED: its end was inferred, the event was
# lost. HAS_COUNTERS: the byte, segment and RTT fields were filled at least once.
# TOLD: it was among a step's lives, or is nobody's life. LET_GO: kept only because a TIME_WAIT socket still holds its
# ports. ABORTED: it sent a reset at its very end.

ROW = np.dtype(
    [
        ("cookie", "u8"),  # 0: the line is free
        ("netns", "u4"),
        ("snap", "i4"),  # index into the newest snapshot's sockets, -1: not in it
        ("laddr", "u1", 16),
        ("raddr", "u1", 16),
        ("opened_ns", "u8"),  # CLOCK_MONOTONIC; 0 = unknown, in all of these
        ("established_ns", "u8"),
        ("closed_ns", "u8"),
        ("changed_ns", "u8"),  # the newest event
        ("seen_ns", "u8"),  # begin of the newest snapshot that held it
        ("bytes_sent", "u8"),
        ("bytes_acked", "u8"),
        ("bytes_received", "u8"),
        ("bytes_retrans", "u8"),
        ("cgroup", "u8"),
        ("owner_start_ns", "u8"),
        ("pid", "u4"),  # 0 = unknown
        ("srtt_us", "u4"),
        ("rttvar_us", "u4"),
        ("min_rtt_us", "u4"),
        ("cwnd", "u4"),
        ("ssthresh", "u4"),
        ("mss", "u4"),
        ("retrans", "u4"),
        ("segs_out", "u4"),
        ("segs_in", "u4"),
        ("turn", "u2"),  # how often this socket was connected before: a failed connect() may be followed by another
        ("lport", "u2"),
        ("rport", "u2"),
        ("error", "u2"),
        ("family", "u1"),
        ("state", "u1"),  # wire.STATES
        ("role", "u1"),  # ROLES
        ("ca_state", "u1"),
        ("flags", "u1"),
        ("missed", "u1"),  # snapshots in a row that should have held it and did not
        ("resets_sent", "u1"),
        ("resets_received", "u1"),
        ("path_len", "u1"),
        ("path_state", "u1", PATH),  # the states in order ...
        ("path_ns", "u8", PATH),  # ... and when each was entered; 0 = unknown
        ("comm", "S16"),
    ],
    align=True,  # NumPy reads a column of unaligned numbers through a buffer
)

# What a view holds of each connection. Measures are float64, NaN = unknown; filters and sorts work on these names.
CONNECTION = np.dtype(
    [
        ("cookie", "u8"),
        ("netns", "u4"),
        ("pid", "u4"),  # 0 = unknown
        ("snap", "i4"),  # index into View.snapshot's sockets, -1: not in it
        ("laddr", "u1", 16),
        ("raddr", "u1", 16),
        ("turn", "u2"),
        ("lport", "u2"),
        ("rport", "u2"),
        ("family", "u1"),
        ("state", "u1"),  # wire.STATES; TIME_WAIT and half-open (SYN_RECV) included
        ("role", "u1"),
        ("flags", "u1"),
        ("cgroup", "u8"),  # View.cgroups has the path; 0 = unknown
        ("comm", "S16"),
        ("opened_ns", "u8"),
        ("closed_ns", "u8"),
        ("changed_ns", "u8"),
        ("age_ms", "f8"),
        ("state_ms", "f8"),  # time in the present state
        ("rtt_us", "f8"),
        ("rttvar_us", "f8"),
        ("min_rtt_us", "f8"),
        ("cwnd", "f8"),
        ("ssthresh", "f8"),
        ("mss", "f8"),
        ("bytes_sent", "f8"),
        ("bytes_acked", "f8"),
        ("bytes_received", "f8"),
        ("retrans", "f8"),
        ("segs_out", "f8"),
        ("segs_in", "f8"),
        ("send_queue", "f8"),
        ("recv_queue", "f8"),
        ("idle_ms", "f8"),
    ],
    align=True,
)

# One point of a connection's history
SAMPLE = np.dtype([("time_ns", "u8"), ("rtt_us", "f4"), ("cwnd", "f4"), ("ssthresh", "f4"), ("unacked", "f4")])
