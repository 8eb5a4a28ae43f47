"""Short ways to write down one connection: its row, its socket."""

from typing import Any

import numpy as np

from tcpwatch import rows as shape
from tcpwatch import wire

SECOND_NS = 1_000_000_000
AT_NS = 1000 * SECOND_NS
V4 = np.frombuffer(bytes(10) + b"\xff\xff" + bytes((10, 0, 0, 9)), "u1")
V6 = np.frombuffer(bytes((0x20, 1)) + bytes(13) + b"\x07", "u1")
ALL_OPTIONS = wire.SACK | wire.TIMESTAMPS | wire.WSCALE


def row(*path: tuple[int, float], **facts: Any) -> np.void:
    """rows.ROW. path: (state, when it was entered in seconds after AT_NS, NaN = unknown)."""
    made = np.zeros(1, shape.ROW)
    usual = {"cookie": 1, "raddr": V4, "flags": shape.HAS_COUNTERS, "mss": 1448, "cwnd": 10, "moved_ns": AT_NS}
    states = path or ((wire.ESTABLISHED, 0.0),)
    made["path_len"], made["state"] = len(states), states[-1][0]
    for place, (state, seconds) in enumerate(states):
        made["path_state"][0, place] = state
        made["path_ns"][0, place] = 0 if seconds != seconds else at(seconds)
    for name, value in (usual | facts).items():
        made[name][0] = value
    line: np.void = made[0]
    return line


def socket(**facts: Any) -> np.void:
    """wire.SOCKET"""
    made = np.zeros(1, wire.SOCKET)
    usual = {"state": wire.ESTABLISHED, "options": ALL_OPTIONS, "pmtu": 1500, "advmss": 1448, "mss": 1448}
    for name, value in (usual | {"snd_wscale": 7, "rcv_wscale": 9} | facts).items():
        made[name][0] = value
    line: np.void = made[0]
    return line


def at(seconds: float) -> int:
    return AT_NS + round(seconds * SECOND_NS)
