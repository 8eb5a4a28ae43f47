"""The records of bpf/wire.h as NumPy dtypes, and the kernel's numbers by name. What a zero means is decided here too:
everything downstream asks `known()` and friends instead of guessing. Knows nothing of how records arrive."""

from collections.abc import Sequence

import numpy as np

from tcpwatch import layout

EVENT, SOCKET, OWNER, TALLY = (
    np.dtype(list(fields)) for fields in (layout.EVENT, layout.SOCKET, layout.OWNER, layout.TALLY)
)

STRUCTS = {"tw_event": EVENT, "tw_socket": SOCKET, "tw_owner": OWNER, "tw_tally": TALLY}

# enum tw_kind
STATE, RETRANSMIT, SYNACK_RETRANSMIT, RESET_SENT, RESET_RECEIVED, CONGESTION, RELEASED = range(7)
COOKIE_SENT, COOKIE_ACCEPTED, COOKIE_REJECTED, LISTEN_OVERFLOW, LISTEN_DROP = range(7, 12)
KINDS = (
    *("state", "retransmit", "synack_retransmit", "reset_sent", "reset_received", "congestion", "released"),
    *("syn_cookie_sent", "syn_cookie_accepted", "syn_cookie_rejected", "listen_overflow", "listen_drop"),
)

# What faces show: a release only says whose a socket was
SHOWN_KINDS = np.array([kind for kind in range(len(KINDS)) if kind != RELEASED])

# enum tw_event_flag
EVENT_SOCKET, EVENT_FIN_RECEIVED, EVENT_REASON, EVENT_EXITING, EVENT_UNREAD, EVENT_LINGER, EVENT_KEEPALIVE = (
    1 << i for i in range(7)
)

# enum tw_cause
UNKNOWN_CAUSE, TIMEOUT, FAST, LOSS_PROBE, SYN, SYNACK, ZERO_WINDOW = range(7)
CAUSES = (None, "timeout", "fast", "tail_loss_probe", "syn", "syn_ack", "zero_window")

# enum tw_pending
PENDING_NONE, PENDING_RETRANSMIT, PENDING_ZERO_WINDOW, PENDING_LOSS_PROBE, PENDING_REORDERING = 0, 1, 3, 5, 6

# enum tw_sort
FULL, REQUEST, TIME_WAIT_SORT = range(3)

# enum tw_option
SACK, TIMESTAMPS, WSCALE, ECN, FASTOPEN, KEEPALIVE, CWND_LIMITED, APP_LIMITED, FIN_RECEIVED = (1 << i for i in range(9))

# include/net/tcp_states.h; index = the kernel's number
STATES = (
    None,
    "ESTABLISHED",
    "SYN_SENT",
    "SYN_RECV",
    "FIN_WAIT1",
    "FIN_WAIT2",
    "TIME_WAIT",
    "CLOSE",
    "CLOSE_WAIT",
    "LAST_ACK",
    "LISTEN",
    "CLOSING",
    "SYN_RECV",  # TCP_NEW_SYN_RECV: a request socket, to a reader the same state
)
ESTABLISHED, SYN_SENT, SYN_RECV, FIN_WAIT1, FIN_WAIT2, TIME_WAIT, CLOSE, CLOSE_WAIT, LAST_ACK, LISTEN, CLOSING = range(
    1, 12
)

# enum tcp_ca_state
CA_STATES = ("open", "disorder", "cwr", "recovery", "loss")

# enum tcp_chrono
CHRONO_IDLE, CHRONO_BUSY, CHRONO_RWND, CHRONO_SNDBUF = range(4)

NO_SAMPLE = 0xFFFFFFFF  # min_rtt_us before the first sample
SSTHRESH_INFINITE = 0x7FFFFFFF  # TCP_INFINITE_SSTHRESH: slow start has not ended yet
UNLIMITED = 0xFFFFFFFFFFFFFFFF  # pacing_rate

INET, INET6 = 2, 10


def unknown_rtt(srtt_us: np.ndarray) -> np.ndarray:
    """True where no round trip was measured yet (the kernel keeps 0 until then)."""
    return srtt_us == 0


def unknown_min_rtt(min_rtt_us: np.ndarray) -> np.ndarray:
    """True where the minimum filter holds no sample (0 on a socket that never was, ~0 before the first)."""
    return (min_rtt_us == 0) | (min_rtt_us == NO_SAMPLE)


def unknown_ssthresh(ssthresh: np.ndarray) -> np.ndarray:
    """True while slow start has not ended for the first time."""
    return (ssthresh == 0) | (ssthresh >= SSTHRESH_INFINITE)


def joined(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Arrays of one kind of record, one after the other; the array itself where there is but one. At least one. NumPy
    copies records whose fields it knows field by field, six times slower."""
    if len(parts) == 1:
        return parts[0]
    dtype = parts[0].dtype
    whole = np.dtype(f"V{dtype.itemsize}")
    return np.concatenate([np.ascontiguousarray(part).view(whole) for part in parts]).view(dtype)


def distinct(values: np.ndarray) -> np.ndarray:
    """(n,) -> which values there are, rising. np.unique() would load numpy.ma to ask whether anything is masked, 20 ms
    that whoever starts waits for."""
    ordered = np.sort(values)
    first = np.ones(len(ordered), bool)
    first[1:] = ordered[1:] != ordered[:-1]
    return ordered[first]
