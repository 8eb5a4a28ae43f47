"""The shape of a connection: ROW, one line of the tracker's table, and CONNECTION, what a view shows of it. Only
shapes and their meaning live here."""

import numpy as np

from tcpwatch import wire

PATH = 10  # the longest real life has 8 states; more are folded into the last

UNKNOWN_ROLE, CLIENT, SERVER = range(3)
ROLES = (None, "client", "server")

# ROW.flags
CLOSED, VANISHED, FIN_RECEIVED, HAS_COUNTERS, TOLD, LET_GO, ABORTED = 1, 2, 4, 8, 16, 32, 64
# CLOSED: the full socket has ended (a TIME_WAIT may still hold the port). VANISHED: its end was inferred, the event was
# lost. HAS_COUNTERS: the byte, segment and RTT fields were filled at least once.
# TOLD: it was among a step's lives, or is nobody's life. LET_GO: kept only because a TIME_WAIT socket still holds its
# ports. ABORTED: it sent a reset at its very end.

# ROW.marks: what was noticed beside its own events
ACCEPT_QUEUE_FULL, SYN_QUEUE_FULL, STALLED, EXITED = 1, 2, 4, 8
# ..._FULL: the listener it was to reach, on this machine, dropped some for that reason meanwhile. STALLED: it waited
# for the peer's window to open, at some time. EXITED: its process was ending when the kernel closed it.

# Neighbours are those of wire.EVENT and wire.SOCKET, where it can be: they are copied as one piece (tracker/columns.py)
ROW = np.dtype(
    [
        ("cookie", "u8"),  # 0: the line is free
        ("netns", "u4"),
        ("snap", "i4"),  # index into the newest snapshot's sockets, -1: not in it
        ("bytes_sent", "u8"),
        ("bytes_acked", "u8"),
        ("bytes_received", "u8"),
        ("bytes_retrans", "u8"),
        ("laddr", "u1", 16),
        ("raddr", "u1", 16),
        ("srtt_us", "u4"),
        ("rttvar_us", "u4"),
        ("min_rtt_us", "u4"),
        ("cwnd", "u4"),
        ("ssthresh", "u4"),
        ("retrans", "u4"),
        ("segs_out", "u4"),
        ("segs_in", "u4"),
        ("lport", "u2"),
        ("rport", "u2"),
        ("error", "u2"),
        ("turn", "u2"),  # how often this socket was connected before: a failed connect() may be followed by another
        ("family", "u1"),
        ("state", "u1"),  # wire.STATES
        ("role", "u1"),  # ROLES
        ("flags", "u1"),
        ("path_len", "u1"),
        ("ca_state", "u1"),
        ("marks", "u1"),
        ("verdict", "u1"),  # tcpwatch.verdicts: its number
        ("opened_ns", "u8"),  # CLOCK_MONOTONIC; 0 = unknown, in all of these
        ("established_ns", "u8"),
        ("closed_ns", "u8"),
        ("changed_ns", "u8"),  # the newest event
        ("seen_ns", "u8"),  # begin of the newest snapshot that held it
        ("pid", "u4"),  # 0 = unknown
        ("mss", "u4"),
        ("comm", "S16"),
        ("owner_start_ns", "u8"),
        ("cgroup", "u8"),
        ("busy_ticks", "u4"),  # as in wire.SOCKET, by the newest snapshot
        ("rwnd_limited_ticks", "u4"),
        ("sndbuf_limited_ticks", "u4"),
        ("spurious", "u4"),
        ("reset_ns", "u8"),  # its newest reset, sent or received; 0 = none
        ("again_ns", "u8"),  # when a segment of it was last sent again; 0 = never
        ("moved_ns", "u8"),  # when data last went either way, as the newest snapshot has it
        ("stalled_ns", "u8"),  # since when data waits for the peer's window to open; 0 = it does not
        ("causes", "u2", len(wire.CAUSES)),  # segments sent again, by wire.CAUSES; each stops at 65535
        ("options", "u2"),  # wire.SACK and so on, by the newest snapshot
        ("timeouts", "u1"),  # retransmission time-outs in a row without an answer, by the newest snapshot
        ("probes", "u1"),
        ("missed", "u1"),  # snapshots in a row that should have held it and did not
        ("resets_sent", "u1"),
        ("resets_received", "u1"),
        ("reset_flags", "u1"),  # wire.EVENT_* of its newest reset
        ("reset_reason", "u2"),  # Host.reset_reasons by number, meaningful where reset_flags has EVENT_REASON
        ("path_ns", "u8", PATH),  # when each state of the path was entered; 0 = unknown
        ("path_state", "u1", PATH),  # the states in order
    ],
    align=True,  # NumPy reads a column of unaligned numbers through a buffer
)

# What a view holds of each connection. Measures are float64, NaN = unknown; filters and sorts work on these names.
CONNECTION = np.dtype(
    [
        ("cookie", "u8"),  # neighbours are those of ROW, where it can be
        ("netns", "u4"),
        ("snap", "i4"),  # index into View.snapshot's sockets, -1: not in it
        ("laddr", "u1", 16),
        ("raddr", "u1", 16),
        ("lport", "u2"),
        ("rport", "u2"),
        ("family", "u1"),
        ("state", "u1"),  # wire.STATES; TIME_WAIT and half-open (SYN_RECV) included
        ("role", "u1"),
        ("flags", "u1"),
        ("verdict", "u1"),  # tcpwatch.verdicts, by number; of live ones what ails them now
        ("turn", "u2"),
        ("pid", "u4"),  # 0 = unknown
        ("comm", "S16"),
        ("cgroup", "u8"),  # View.cgroups has the path; 0 = unknown
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

# One point of a connection's history; NaN = unknown
SAMPLE = np.dtype(
    [
        ("time_ns", "u8"),
        ("rtt_us", "f4"),
        ("cwnd", "f4"),  # segments, as ssthresh and unacked
        ("ssthresh", "f4"),
        ("unacked", "f4"),
        ("snd_wnd", "f4"),  # bytes: what the peer lets us have under way
        ("rcv_wnd", "f4"),  # ... and what we let the peer
    ]
)

# What a listener does with those that want in; index = LISTENER.hint
HINTS = (None, "fine", "slow accept", "flood", "load")
UNSURE, FINE, SLOW_ACCEPT, FLOOD, LOAD = range(5)

# A listening socket and its two queues. Measures are float64, NaN = unknown. "Lately" is the time between the two
# newest snapshots; what is not lately is since the session began, but for `drops`.
LISTENER = np.dtype(
    [
        ("cookie", "u8"),
        ("netns", "u4"),
        ("pid", "u4"),  # 0 = unknown
        ("at", "i8"),  # where it is among the view's connections
        ("laddr", "u1", 16),
        ("lport", "u2"),
        ("family", "u1"),
        ("hint", "u1"),  # HINTS
        ("marks", "u1"),  # ACCEPT_QUEUE_FULL, SYN_QUEUE_FULL: it dropped, or sent cookies, for that reason lately
        ("comm", "S16"),
        ("accept_queue", "f8"),
        ("accept_limit", "f8"),  # of listen(), bounded by somaxconn; the kernel takes one more
        ("half_open", "f8"),  # length of the SYN queue
        ("half_open_young", "f8"),  # of these, whose SYN-ACK was sent once only
        ("syn_limit", "f8"),
        ("drops", "f8"),  # SYNs and final ACKs, as the socket itself counts since it listens
        ("drops_lately", "f8"),
        ("overflows", "f8"),  # of the accept queue; this and the cookies where they must be this listener's
        ("cookies_sent", "f8"),
        ("cookies_accepted", "f8"),
        ("cookies_rejected", "f8"),
        ("synack_retrans", "f8"),
        ("accepts_s", "f8"),  # handshakes completed a second, lately
    ],
    align=True,
)

# One listener between two snapshots; the queues are those of the later one. NaN = unknown
POINT = np.dtype(
    [
        (name, "f4")
        for name in (
            *("accept_queue", "accept_limit", "half_open", "half_open_young", "drops", "overflows"),
            *("cookies_sent", "cookies_accepted", "cookies_rejected", "synack_retrans", "accepts"),
        )
    ]
)

# The ports that outgoing connections from one address to one address and port may use, and how long they will last
PORTS = np.dtype(
    [
        ("netns", "u4"),
        ("pid", "u4"),  # of the newest connection; 0 = unknown
        ("laddr", "u1", 16),
        ("raddr", "u1", 16),
        ("rport", "u2"),
        ("family", "u1"),
        ("comm", "S16"),
        ("opened_ns", "u8"),  # the newest connection's; 0 = unknown
        ("failed_ns", "u8"),  # the newest connect() that found no port; 0 = none
        ("failures", "f8"),  # how many did, since the session began
        ("ports", "f8"),  # the range, less its reserved ports and those listened on; NaN: sysctls not read
        ("used", "f8"),  # local ports in use, TIME_WAIT included, in the range or not
        ("time_wait", "f8"),
        ("free", "f8"),  # of `ports`
        ("reusable", "f8"),  # in TIME_WAIT, but the kernel would hand them out again (tcp_tw_reuse)
        ("rate", "f8"),  # connections opened per second, as the next three over the last ten seconds
        ("growth", "f8"),  # of `used`, ports per second
        ("taken", "f8"),  # ports per second newly in use and still so, TIME_WAIT or not
        ("staying", "f8"),  # of these the growth of those not in TIME_WAIT
        ("exhausted_s", "f8"),  # until none is free, at this rate; NaN: not at this rate, or unknown
    ],
    align=True,
)

# What becomes of a connection on which nothing moves: IDLE.risk
UNJUDGED, LOCAL, KEPT, KEPT_BY_PEER, KEEPALIVE_OFF, KEEPALIVE_LATE, FORGOTTEN, PROBING = range(8)
# LOCAL: both ends are on this machine. KEPT(_BY_PEER): keep-alive segments come often enough for a NAT. FORGOTTEN: none
# came for longer than a NAT remembers. PROBING: probes that nobody answered.

IDLE = np.dtype(
    [
        ("row", "i4"),  # index into View.connections
        ("risk", "u1"),
        ("keepalive", "u1"),  # 0 off, 1 on
        ("probes", "u1"),  # keep-alive probes without an answer
        ("probes_most", "u1"),  # the connection is given up after so many; 0 = off
        ("idle_ms", "f8"),  # since data went either way
        ("silent_ms", "f8"),  # since any segment went either way, keep-alive's included
        ("first_probe_ms", "f8"),  # silence before the first probe; NaN: off
        ("interval_ms", "f8"),  # between probes; NaN: off
        ("probe_in_ms", "f8"),  # until the next probe
        ("gives_up_ms", "f8"),  # until the kernel breaks the connection; NaN: no probe is unanswered
        ("forgotten_ms", "f8"),  # until a NAT forgets it, 0: it has; NaN: it will not, or unknown
        ("breaks_ms", "f8"),  # one or the other: whoever hears nothing of the peer need not fear a NAT
    ],
    align=True,
)
