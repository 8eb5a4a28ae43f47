"""How one fact about a connection is drawn and sorted, whatever the table it is in. Text from outside ends here: it is
cleaned, and cut by the table to its place."""

from collections.abc import Sequence

import numpy as np

from tcpwatch import rows as shapes
from tcpwatch import wire, words
from tcpwatch.tracker.view import View
from tcpwatch.tui import units
from tcpwatch.tui.columns import Cell, Draw, Keys, Role

FRESH_NS = 2 * 10**9  # changed so lately: bright
STALE_MS = 60_000  # nothing went either way for so long: dim

# Those that should pass quickly or that pile up come first
_TROUBLE = (
    wire.SYN_SENT,
    wire.SYN_RECV,
    12,  # a request socket, SYN_RECV too
    wire.CLOSE_WAIT,
    wire.LAST_ACK,
    wire.FIN_WAIT1,
    wire.CLOSING,
    wire.FIN_WAIT2,
    wire.ESTABLISHED,
    wire.TIME_WAIT,
    wire.CLOSE,
    wire.LISTEN,
)
_RANK = np.full(256, 99.0)
_RANK[list(_TROUBLE)] = np.arange(len(_TROUBLE))
_RANK[12] = _RANK[wire.SYN_RECV]

_STATE_ROLE: dict[int, Role] = {
    wire.ESTABLISHED: "good",
    wire.SYN_SENT: "warn",
    wire.SYN_RECV: "warn",
    12: "warn",
    wire.CLOSE_WAIT: "warn",
    wire.TIME_WAIT: "dim",
    wire.CLOSE: "dim",
    wire.LISTEN: "info",
}


def closed(rows: np.ndarray) -> np.ndarray:
    """True where nothing of the connection is left. A TIME_WAIT, or the FIN_WAIT2 the kernel keeps as one, still holds
    its port, and is shown as what it is."""
    lingering: np.ndarray = (rows["state"] == wire.TIME_WAIT) | (rows["state"] == wire.FIN_WAIT2)
    over: np.ndarray = (rows["flags"] & shapes.CLOSED) != 0
    over &= ~lingering
    return over


def state_name(state: int) -> str:
    name = wire.STATES[state] if state < len(wire.STATES) else None
    return name or units.UNKNOWN


def state_role(state: int) -> Role:
    return _STATE_ROLE.get(state, "info")


def state(view: View, rows: np.ndarray, i: int, width: int) -> Cell:
    number = int(rows["state"][i])
    return state_name(number), state_role(number)


def state_keys(view: View, rows: np.ndarray, which: np.ndarray) -> Sequence[np.ndarray]:
    return (_RANK[rows["state"][which]],)


def endpoint(side: str) -> Draw:
    """side: `l` or `r`. The port stays readable when the address must be cut."""

    def draw(view: View, rows: np.ndarray, i: int, width: int) -> Cell:
        return endpoint_text(rows[f"{side}addr"][i].tobytes(), int(rows[f"{side}port"][i]), width), "plain"

    return draw


def endpoint_text(raw: bytes, port: int, width: int) -> str:
    text = words.endpoint(raw, port)
    if len(text) <= width:
        return text
    host, _, shown = text.rpartition(":")
    return f"{host[: max(1, width - len(shown) - 2)]}…:{shown}"


def endpoint_keys(side: str) -> Keys:
    def keys(view: View, rows: np.ndarray, which: np.ndarray) -> Sequence[np.ndarray]:
        halves = np.ascontiguousarray(rows[f"{side}addr"][which]).view(">u8").astype(np.uint64)
        return halves[:, 0], halves[:, 1], rows[f"{side}port"][which]

    return keys


def process(view: View, rows: np.ndarray, i: int, width: int) -> Cell:
    return process_text(rows["comm"][i], int(rows["pid"][i]), width), "plain"


def process_text(comm: bytes, pid: int, width: int) -> str:
    """`nginx 812`; the number stays readable when the name must be cut."""
    if not pid:
        return words.clean(comm) or units.UNKNOWN
    name = words.clean(comm) or "?"
    room = max(1, width - len(str(pid)) - 1)
    if words.width(name) > room:
        while words.width(name) > room - 1:
            name = name[:-1]
        name += "…"
    return f"{name} {pid}"


def process_keys(view: View, rows: np.ndarray, which: np.ndarray) -> Sequence[np.ndarray]:
    comm, pid = rows["comm"][which], rows["pid"][which]
    halves = np.frombuffer(comm.tobytes(), ">u8").reshape(-1, 2).astype(np.uint64)
    unknown = np.where((pid == 0) & (halves[:, 0] == 0), np.nan, 0.0)
    return unknown, halves[:, 0], halves[:, 1], pid


def measure(field: str, write: units.Write, role: Role = "plain") -> Draw:
    """A float field, unknown as a dash."""

    def draw(view: View, rows: np.ndarray, i: int, width: int) -> Cell:
        value = float(rows[field][i])
        if value != value:
            return units.UNKNOWN, "dim"
        return write(value), role if value else "dim"

    return draw


def field_keys(*fields: str) -> Keys:
    def keys(view: View, rows: np.ndarray, which: np.ndarray) -> Sequence[np.ndarray]:
        return [rows[field][which] for field in fields]

    return keys
