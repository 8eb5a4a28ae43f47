"""The events of a load that connects, says a word and closes, both ends on this machine: ten per pair."""

import numpy as np

from tcpwatch import wire

EVENTS_PER_PAIR = 10
_CLIENT, _SERVER = 0, 1
_ORDER = (
    (_CLIENT, wire.CLOSE, wire.SYN_SENT),
    (_SERVER, wire.SYN_RECV, wire.ESTABLISHED),
    (_CLIENT, wire.SYN_SENT, wire.ESTABLISHED),
    (_CLIENT, wire.ESTABLISHED, wire.FIN_WAIT1),
    (_SERVER, wire.ESTABLISHED, wire.CLOSE_WAIT),
    (_CLIENT, wire.FIN_WAIT1, wire.FIN_WAIT2),
    (_SERVER, wire.CLOSE_WAIT, wire.LAST_ACK),
    (_SERVER, wire.LAST_ACK, wire.LAST_ACK),  # a congestion event
    (_CLIENT, wire.FIN_WAIT2, wire.CLOSE),
    (_SERVER, wire.LAST_ACK, wire.CLOSE),
)


def pairs(count: int, first_cookie: int, start_ns: int, abreast: int = 4) -> np.ndarray:
    """(10 * count,) wire.EVENT of `count` client/server pairs with cookies from first_cookie on, `abreast` at a time,
    a microsecond apart. count: a multiple of abreast."""
    events = np.zeros((count, EVENTS_PER_PAIR), wire.EVENT)
    numbers = np.arange(count) * 2 + first_cookie
    for place, (side, old, new) in enumerate(_ORDER):
        column = events[:, place]
        column["cookie"], column["old_state"], column["new_state"] = numbers + side, old, new
        column["lport"], column["rport"] = ((numbers % 28000) + 32768, 80)[:: 1 - 2 * side]
        column["flags"] = wire.EVENT_SOCKET | (wire.EVENT_FIN_RECEIVED if place in (4, 6, 7, 8, 9) else 0)
        column["pid"], column["comm"] = (77, b"client") if side == _CLIENT and new != wire.ESTABLISHED else (0, b"")
        column["kind"] = wire.CONGESTION if old == new else wire.STATE
        column["segs_out"], column["bytes_sent"] = place, 64 * (place > 3)
    mixed = events.reshape(-1, abreast, EVENTS_PER_PAIR).transpose(0, 2, 1).reshape(-1)
    mixed["netns"], mixed["family"], mixed["srtt_us"], mixed["cwnd"] = 1, wire.INET, 40, 10
    mixed["time_ns"] = start_ns + np.arange(len(mixed)) * 1000
    return mixed
