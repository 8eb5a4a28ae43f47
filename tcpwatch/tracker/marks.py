"""Which connections of this machine were to reach a listener that turned handshakes away meanwhile? Marks them for the
verdict; judges nothing."""

import numpy as np

from tcpwatch import wire
from tcpwatch.rows import ACCEPT_QUEUE_FULL, CLIENT, CLOSED, SERVER, SYN_QUEUE_FULL, TOLD
from tcpwatch.tracker.arrivals import ANY, ANY_V4, MAPPED

_SIXTEEN = "V16"


def mark_refused(rows: np.ndarray, sockets: np.ndarray, listeners: np.ndarray) -> None:
    """sockets: the newest snapshot's. listeners: records with netns, laddr, lport and refuses."""
    listeners = listeners[listeners["refuses"] != 0]
    if not len(listeners):
        return
    calling = _calling(rows)
    half_open = (rows["state"] == wire.SYN_RECV) & (rows["role"] == SERVER)
    waiting = np.flatnonzero(half_open & (rows["flags"] & CLOSED == 0))
    locals_ = {netns: _local_addresses(sockets, netns) for netns in set(listeners["netns"].tolist())}
    for listener in listeners:
        local = locals_[int(listener["netns"])]
        callers = calling[rows["rport"][calling] == listener["lport"]]
        near = rows["netns"][callers] == listener["netns"]
        reached = _reached(rows["raddr"][callers], listener, local, near)
        _set(rows, callers[reached], int(listener["refuses"]))
        if listener["refuses"] & ACCEPT_QUEUE_FULL:  # who is in the SYN queue was not turned away by its being full
            own = (rows["netns"][waiting] == listener["netns"]) & (rows["lport"][waiting] == listener["lport"])
            own[own] = _reached(rows["laddr"][waiting[own]], listener, local, True)
            _set(rows, waiting[own], ACCEPT_QUEUE_FULL)


def _set(rows: np.ndarray, lines: np.ndarray, reasons: int) -> None:
    rows["marks"][lines] |= np.uint8(reasons & (ACCEPT_QUEUE_FULL | SYN_QUEUE_FULL))


def _calling(rows: np.ndarray) -> np.ndarray:
    """The lines of connects that wait, or whose life is about to be told, and of connections that this end believes in
    and the other end never acknowledged."""
    untold = rows["flags"] & (CLOSED | TOLD) != CLOSED | TOLD
    known = (rows["cookie"] != 0) & (rows["role"] == CLIENT) & untold
    lines = np.flatnonzero(known)
    one = rows[lines]
    last = one["path_state"][np.arange(len(one)), np.maximum(one["path_len"].astype(np.intp), 1) - 1]
    ignored = (one["bytes_received"] == 0) & (one["bytes_acked"] <= 1) & one["causes"].any(axis=1)
    chosen: np.ndarray = lines[(last == wire.SYN_SENT) | (ignored & (one["established_ns"] != 0))]
    return chosen


def _local_addresses(sockets: np.ndarray, netns: int) -> np.ndarray:
    """Distinct local addresses that were seen in the namespace, as V16."""
    held = sockets["laddr"][(sockets["netns"] == netns) & (sockets["state"] != wire.SYN_SENT)]
    return wire.distinct(_whole(held))


def _whole(addresses: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(addresses).view(_SIXTEEN)[:, 0]


def _reached(addresses: np.ndarray, listener: np.void, local: np.ndarray, near: np.ndarray | bool) -> np.ndarray:
    """(n,) bool: which addresses lead to the listener. near: whether the caller is in its namespace: only from there
    does a loopback address."""
    if not len(addresses):
        return np.zeros(0, bool)
    whole, own = _whole(addresses), listener["laddr"].tobytes()
    loopback = _loopback(addresses)
    if own not in (ANY, ANY_V4):
        found = whole == np.void(own)
        return found & (near | ~loopback)
    fits = _mapped(addresses) if own == ANY_V4 else np.ones(len(addresses), bool)
    return fits & np.where(loopback, near, np.isin(whole, local))


def _mapped(addresses: np.ndarray) -> np.ndarray:
    mapped: np.ndarray = (addresses[:, :12] == np.frombuffer(MAPPED, np.uint8)).all(axis=1)
    return mapped


def _loopback(addresses: np.ndarray) -> np.ndarray:
    """127.0.0.0/8 and ::1"""
    six = (addresses == np.frombuffer(bytes(15) + b"\1", np.uint8)).all(axis=1)
    return six | (_mapped(addresses) & (addresses[:, 12] == 127))
