"""Which connection a record is about and who owns it: the keys that all records begin with. Joins what the kernel said
with what the tracker knows; knows nothing of any one face."""

from collections.abc import Mapping

import numpy as np

from tcpwatch.records.parts import Array, Codes, Label, Number, Part, Shared, group, labelled
from tcpwatch.rows import CLIENT
from tcpwatch.tracker.step import Step
from tcpwatch.words import address, clean


def event_lines(step: Step) -> Codes:
    """(events,) each event's line in the table, -1 where it has none (any more: a line may have been given away)."""
    return _still(step, step.rows.astype(np.intp), step.frame.events)


def socket_lines(step: Step) -> Codes:
    """(sockets,) each socket's line in the table, -1 where it has none. The frame must hold a snapshot."""
    assert step.frame.snapshot is not None
    sockets = step.frame.snapshot.sockets
    lines = np.full(len(sockets), -1, np.intp)
    held = np.flatnonzero((step.table["snap"] >= 0) & (step.table["snap"] < len(sockets)))
    lines[step.table["snap"][held]] = held
    return _still(step, lines, sockets)


def _still(step: Step, lines: Codes, facts: Array) -> Codes:
    if not len(step.table):
        return np.full(len(lines), -1, np.intp)
    same = (step.table["cookie"][lines] == facts["cookie"]) & (step.table["netns"][lines] == facts["netns"])
    return np.where(same & (lines >= 0) & (facts["cookie"] != 0), lines, -1)


def gather(step: Step, lines: Codes, name: str) -> Array:
    """A field of the table, line by line; zero where there is no line."""
    if not len(step.table):
        return np.zeros(len(lines), step.table.dtype[name])
    values: Array = step.table[name][lines]
    values[lines < 0] = np.zeros((), values.dtype)
    return values


def local_port(step: Step, lines: Codes, facts: Array) -> Array:
    """At a connect()'s SYN_SENT the kernel has not chosen a port yet, and at the end it has already given it back:
    there the table knows."""
    return np.where(facts["lport"] != 0, facts["lport"], gather(step, lines, "lport"))


def event_owners(step: Step, lines: Codes, events: Array) -> tuple[Array, Array]:
    """Who acted, and where the kernel could not tell, who owns the connection. pid (n,), 0 unknown; comm (n,) S16."""
    acted = events["pid"] != 0
    pid = np.where(acted, events["pid"], gather(step, lines, "pid"))
    comm = np.where(acted, events["comm"], gather(step, lines, "comm"))
    return pid, comm


def births(role: Array, opened_ns: Array, turn: Array) -> Array:
    """(n,) u8: what tells a connection from the others of the same socket, whose cookie stays when it connects again:
    the moment of the connect(), where it was seen."""
    return np.where((role == CLIENT) & (opened_ns != 0), opened_ns, turn)


def connections(facts: Array, lport: Array, birth: Array, namespaces: Mapping[int, str]) -> tuple[Part, ...]:
    """conn netns laddr lport raddr rport. facts: records with those fields. birth: (n,) see births()."""
    netns, cookie, placed = facts["netns"], facts["cookie"], facts["family"] != 0
    return (
        Label("conn", (netns, cookie, birth), cookie != 0),
        labelled("netns", netns, lambda inode: namespace_name(inode, namespaces)),
        _addresses("laddr", facts["laddr"], placed),
        Number("lport", lport, lport != 0),
        _addresses("raddr", facts["raddr"], placed),
        Number("rport", facts["rport"], placed),
    )


def actors(pid: Array, comm: Array) -> Shared:
    """pid comm."""
    first, codes = group(pid, *words_of(comm))
    pids, comms = pid[first].tolist(), comm[first].tolist()
    return Shared(
        {"pid": [p or None for p in pids], "comm": [clean(c) or None if p else None for p, c in zip(pids, comms)]},
        codes,
    )


def namespace_name(inode: int, namespaces: Mapping[int, str]) -> str | None:
    """The name `ip netns` knows, else the inode number as text; None for 0."""
    return (clean(namespaces.get(inode, "")) or str(inode)) if inode else None


def _addresses(key: str, raw: Array, placed: Array) -> Shared:
    """raw: (n, 16) u1. placed: (n,) bool, false where there is none: what a namespace counted may be any socket's."""
    first, codes = group(*words_of(raw), placed.astype(np.uint8))
    there = placed[first].tolist()
    return Shared({key: [address(one.tobytes()) if is_ else None for one, is_ in zip(raw[first], there)]}, codes)


def words_of(raw: Array) -> tuple[Array, Array]:
    """16 bytes each, (n, 16) u1 or (n,) S16, as two columns of 64-bit numbers, to compare them fast."""
    pairs = (raw if raw.ndim > 1 else raw[:, None]).view("<u8")
    return pairs[:, 0].copy(), pairs[:, 1].copy()
