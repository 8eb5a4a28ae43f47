"""Which connections belong together in a finding: those with one service, one network or one process. Gives each such
group a number, a name and the filter that picks its connections."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from tcpwatch import wire, words
from tcpwatch.rows import SERVER, UNKNOWN_ROLE

SERVICE, NETWORK, PROCESS = range(3)  # what a group is made by

# Connections that had the same verdict and belong together. A group's other fields are those of any one of them
GROUP = np.dtype(
    [
        ("group", "u8"),  # a hash of all that makes it
        ("service", "u8"),  # likewise, without the verdict
        ("verdict", "u1"),
        ("by", "u1"),  # SERVICE, NETWORK or PROCESS
        ("ended", "i8"),  # how many ended so
        ("standing", "i8"),  # how many are alive and in this trouble
        ("first_ns", "i8"),  # when the first and the newest of these ended, CLOCK_MONOTONIC
        ("newest_ns", "i8"),
        ("who", "u8", 2),  # the lowest and the highest of their processes' names as numbers: equal if all are one's
        ("places", "i8"),  # how many such groups are in this one: 1, but for a rest of many small ones
        ("netns", "u4"),
        ("pid", "u4"),
        ("laddr", "u1", 16),
        ("raddr", "u1", 16),
        ("lport", "u2"),
        ("rport", "u2"),
        ("serves", "?"),  # this side is the server
        ("comm", "S16"),
    ],
    align=True,
)
_AS_IS = ("netns", "pid", "laddr", "raddr", "lport", "rport", "comm", "verdict")
_NET4, _NET6 = 24, 64
_NEVER = np.iinfo(np.int64).max
MOST = 250  # groups to tell apart at a time


@dataclass(frozen=True, slots=True)
class Name:
    """text: `10.0.9.9:6379`, `nginx :443`, `10.0.9.0/24`, `nginx (812)`. expression: what filters know it by. key: its
    lasting name."""

    text: str
    expression: str
    key: tuple[int, str, int]


def gather(
    records: np.ndarray,
    which: np.ndarray,
    by: np.ndarray | int,
    times_ns: np.ndarray,
    counted: Literal["ended", "standing"],
) -> np.ndarray:
    """(n,) GROUP of the records `which` (rows.ROW or rows.CONNECTION): the MOST largest, and what is left as a rest for
    each verdict and namespace. by, times_ns: (n,), CLOCK_MONOTONIC, 0 unknown. counted: as what they are counted."""
    if not len(which):
        return np.empty(0, GROUP)
    service, _ = services(records, which, by)
    verdict = records["verdict"][which]
    group = _mixed(service ^ verdict)
    order = np.argsort(group)
    together = group[order]
    first = np.ones(len(order), bool)
    first[1:] = together[1:] != together[:-1]
    starts = np.flatnonzero(first)
    counts = np.diff(starts, append=len(order))
    kept = np.arange(len(starts))
    if len(starts) > MOST:
        kept = np.argpartition(-counts, MOST)[:MOST]
    at = order[starts[kept]]
    found = np.zeros(len(kept), GROUP)
    for name in _AS_IS:
        found[name] = records[name][which[at]]
    found["group"], found["service"], found["places"] = group[at], service[at], 1
    found["by"] = by[at] if isinstance(by, np.ndarray) else by
    found["serves"], found[counted] = _serving(records, which[at]), counts[kept]
    _date(found, times_ns[order], starts, kept)
    first_half, second_half = halves(records["comm"], which)
    who = (first_half ^ _mixed(second_half)) * (records["pid"][which] != 0)
    found["who"][:, 0] = np.minimum.reduceat(who[order], starts)[kept]
    found["who"][:, 1] = np.maximum.reduceat(who[order], starts)[kept]
    if len(kept) == len(starts):
        return found
    left = np.ones(len(starts), bool)
    left[kept] = False
    return np.concatenate([found, _left(records, which[order[starts[left]]], counts[left], counted)])


def _date(found: np.ndarray, times_ns: np.ndarray, starts: np.ndarray, kept: np.ndarray) -> None:
    born = np.minimum.reduceat(np.where(times_ns, times_ns, _NEVER), starts)[kept]
    found["first_ns"] = np.where(born == _NEVER, 0, born)
    found["newest_ns"] = np.maximum.reduceat(times_ns, starts)[kept]


def _left(records: np.ndarray, which: np.ndarray, counts: np.ndarray, counted: str) -> np.ndarray:
    """The rest. which: one record of each group in it."""
    serves, verdict = _serving(records, which), records["verdict"][which]
    _, first, of, places = np.unique(
        _side(serves, verdict, records["netns"][which]), return_index=True, return_inverse=True, return_counts=True
    )
    lumped = np.zeros(len(first), GROUP)
    lumped["serves"], lumped["verdict"], lumped["netns"] = serves[first], verdict[first], records["netns"][which[first]]
    lumped[counted], lumped["places"] = np.bincount(of, counts), places
    return rest(lumped)


def services(records: np.ndarray, which: np.ndarray | slice, by: np.ndarray | int) -> tuple[np.ndarray, np.ndarray]:
    """(n,) u8: GROUP.service; (n,) bool: GROUP.serves."""
    serves = _serving(records, which)
    first, second = halves(records["raddr"], which)
    port = np.where(serves, records["lport"][which], records["rport"][which]).astype(np.uint64)
    what = np.where(serves, np.uint64(1), _mixed(first) ^ second)
    if isinstance(by, np.ndarray):
        some = np.flatnonzero(by == NETWORK)
        what[some] = np.where(first[some] != 0, first[some], second[some] & np.uint64(0x00FFFFFFFFFFFFFF))  # /64, /24
        process = np.flatnonzero(by == PROCESS)
        what[process] = records["pid"][which][process].astype(np.uint64) << np.uint64(1) | serves[process]
        port[by != SERVICE] = 0
    place = (records["netns"][which].astype(np.uint64) << np.uint64(24)) | (port << np.uint64(8))
    return _mixed(_mixed(what) ^ place ^ np.asarray(by, np.uint64)), serves


def _serving(records: np.ndarray, which: np.ndarray | slice) -> np.ndarray:
    """Of those that were open before us the lower port is the service's."""
    role = records["role"][which]
    guessed = (role == UNKNOWN_ROLE) & (records["lport"][which] < records["rport"][which])
    serving: np.ndarray = (role == SERVER) | guessed
    return serving


def merged(groups: np.ndarray) -> np.ndarray:
    """Equal ones as one."""
    if len(groups) < 2:
        return groups
    order = np.argsort(groups["group"], kind="stable")
    together = groups["group"][order]
    first = np.ones(len(order), bool)
    first[1:] = together[1:] != together[:-1]
    starts = np.flatnonzero(first)
    found = groups.take(order[starts])
    for name in ("ended", "standing"):
        found[name] = np.add.reduceat(groups[name][order], starts)
    born = np.where(groups["first_ns"] == 0, _NEVER, groups["first_ns"])[order]
    first_ns = np.minimum.reduceat(born, starts)
    found["first_ns"] = np.where(first_ns == _NEVER, 0, first_ns)
    for name in ("newest_ns", "places"):
        found[name] = np.maximum.reduceat(groups[name][order], starts)
    found["who"][:, 0] = np.minimum.reduceat(groups["who"][order, 0], starts)
    found["who"][:, 1] = np.maximum.reduceat(groups["who"][order, 1], starts)
    return found


def rest(groups: np.ndarray) -> np.ndarray:
    """Many small ones as one for each side, verdict and namespace."""
    lumped = groups.copy()
    lumped["service"] = 0
    lumped["by"] = SERVICE
    lumped["group"] = _side(groups["serves"], groups["verdict"], groups["netns"])
    found = merged(lumped)
    names, counts = np.unique(lumped["group"][lumped["places"] == 1], return_counts=True)
    places = dict(zip(names.tolist(), counts.tolist()))
    many = np.array([places.get(name, 0) for name in found["group"].tolist()], np.int64)
    found["places"] = np.maximum(found["places"], many)
    return found


def _side(serves: np.ndarray, verdict: np.ndarray, netns: np.ndarray) -> np.ndarray:
    side: np.ndarray = serves.astype(np.uint64) << np.uint64(40) | verdict.astype(np.uint64) << np.uint64(32) | netns
    return side


def name_of(group: np.void, home: int) -> Name:
    """home: the namespace that goes without saying."""
    netns, comm = int(group["netns"]), words.clean(bytes(group["comm"]))
    there = f" and netns = {netns}" if netns != home else ""
    if group["by"] == PROCESS:
        pid = int(group["pid"])
        text, picks = f"{comm or 'process'} ({pid})", f"pid = {pid}"
        if not pid:
            text, picks = "processes unknown", f"netns = {netns}"
        return Name(text, picks + there if pid else picks, (netns, "server" if group["serves"] else "client", pid))
    if group["by"] == NETWORK:
        net = network_text(group["raddr"].tobytes())
        return Name(net, f"dst {net}{there}", (netns, net, 0))
    if group["serves"]:
        port = int(group["lport"])
        one = group["who"][0] == group["who"][1] and comm
        return Name(f"{comm} :{port}" if one else f":{port}", f"sport = {port}{there}", (netns, "", port))
    port, address = int(group["rport"]), group["raddr"].tobytes()
    text = words.endpoint(address, port)
    return Name(text, f"dst {text}{there}", (netns, words.address(address), port))


def doer(group: np.void) -> str:
    """` of nginx` where all of them are one program's."""
    comm = words.clean(bytes(group["comm"]))
    return f" of {comm}" if comm and group["who"][0] == group["who"][1] else ""


def network_text(raw: bytes) -> str:
    """The /24 or /64 around an address."""
    four = raw[:12] == bytes(10) + b"\xff\xff"
    cut = raw[:15] + b"\0" if four else raw[:8] + bytes(8)
    return f"{words.address(cut)}/{_NET4 if four else _NET6}"


def living(connections: np.ndarray, alive: np.ndarray, group: np.void) -> int:
    """How many of these connections are with the group's service, established."""
    side = "lport" if group["serves"] else "rport"
    at = alive[connections[side][alive] == group[side]]
    at = at[(connections["netns"][at] == group["netns"]) & (connections["state"][at] != wire.SYN_SENT)]
    if not group["serves"]:
        at = at[(connections["raddr"][at] == group["raddr"]).all(axis=1)]
    return len(at)


def _mixed(values: np.ndarray) -> np.ndarray:
    """One round of splitmix64."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: np.ndarray = values ^ (values >> np.uint64(31))
    return mixed


def halves(column: np.ndarray, which: np.ndarray | slice) -> tuple[np.ndarray, np.ndarray]:
    """The two halves of 16 bytes each, as numbers."""
    whole = column.view("V16")  # as one piece: else NumPy copies byte by byte
    whole = whole[:, 0] if whole.ndim == 2 else whole
    both = np.ascontiguousarray(whole[which]).view(np.uint64).reshape(-1, 2)
    return both[:, 0], both[:, 1]
