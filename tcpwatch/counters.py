"""What a network namespace counts by itself: the shape of one reading of the kernel's SNMP counters, and what they are
called there. Cumulative since the namespace began; what a kernel does not count stays 0."""

import numpy as np

# field -> name in /proc/net/snmp (Tcp) and /proc/net/netstat (TcpExt); include/uapi/linux/snmp.h
TCP = {
    "active_opens": "ActiveOpens",
    "passive_opens": "PassiveOpens",
    "attempt_fails": "AttemptFails",
    "established_resets": "EstabResets",
    "segs_in": "InSegs",
    "segs_out": "OutSegs",
    "segs_retrans": "RetransSegs",
    "segs_bad": "InErrs",
    "resets_sent": "OutRsts",
}
EXTENDED = {
    "cookies_sent": "SyncookiesSent",
    "cookies_accepted": "SyncookiesRecv",
    "cookies_rejected": "SyncookiesFailed",
    "listen_overflows": "ListenOverflows",
    "listen_drops": "ListenDrops",
    "syn_queue_cookies": "TCPReqQFullDoCookies",
    "syn_queue_drops": "TCPReqQFullDrop",
    "timeouts": "TCPTimeouts",
    "loss_probes": "TCPLossProbes",
    "syn_retrans": "TCPSynRetrans",
    "spurious": "TCPDSACKRecv",
    "zero_window_probes": "TCPWinProbe",
    "keepalives": "TCPKeepAlive",
    "abort_unread": "TCPAbortOnData",
    "abort_unread_close": "TCPAbortOnClose",
    "abort_timeout": "TCPAbortOnTimeout",
    "time_wait_overflows": "TCPTimeWaitOverflow",
    "backlog_drops": "TCPBacklogDrop",
    "receive_queue_drops": "TCPRcvQDrop",
    "zero_window_drops": "TCPZeroWindowDrop",
}
COUNTS = np.dtype([("netns", "<u4"), *((name, "<u8") for name in (*TCP, *EXTENDED))])
