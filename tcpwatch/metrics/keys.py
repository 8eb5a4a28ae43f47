"""What tells services apart, as numbers: four words for each connection, many at once, without an object for each.
Knows the columns of a connection, and nothing of label sets."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from tcpwatch.metrics.columns import Columns
from tcpwatch.metrics.networks import Networks, mapped
from tcpwatch.metrics.places import Places
from tcpwatch.rows import SERVER, UNKNOWN_ROLE

Words = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # (n,) u8 each

FACTS = ("netns", "laddr", "raddr", "lport", "rport", "role", "pid", "comm", "cgroup")  # of rows.ROW or CONNECTION
LISTENER_ROLE = 3  # beside rows.ROLES: the listener itself
_PORT, _ROLE, _FAMILY, _NETWORK, _EPHEMERAL = (np.uint64(bit) for bit in (32, 48, 50, 51, 63))
_PROCESS = np.uint64(1 << 63)  # the last word is not a cgroup's inode number but which process it is


@dataclass(frozen=True, slots=True)
class Key:
    """One set of words, read. port: 0 = unknown. comm: as the kernel has it. cgroup: inode number; process: as in
    Places, 0 = unknown, both."""

    netns: int
    port: int
    ephemeral: bool
    role: int  # rows.ROLES, or LISTENER_ROLE
    family: str
    network: int
    comm: bytes
    cgroup: int
    process: int


def read(first: int, second: int, third: int, fourth: int) -> Key:
    by_process = fourth >> 63
    return Key(
        netns=first & 0xFFFFFFFF,
        port=first >> 32 & 0xFFFF,
        ephemeral=bool(first >> 63),
        role=first >> 48 & 3,
        family="ipv4" if first >> 50 & 1 else "ipv6",
        network=first >> 51 & 0xFFF,
        comm=second.to_bytes(8, "little") + third.to_bytes(8, "little"),
        cgroup=0 if by_process else fourth,
        process=fourth & 0xFFFF if by_process else 0,
    )


class Keys:
    """chosen: the labels that anybody asks for; what is not asked for tells nothing apart."""

    def __init__(self, chosen: Collection[str], networks: Networks, places: Places) -> None:
        self._comm, self._cgroup, self._network = (name in chosen for name in ("comm", "cgroup", "network"))
        self._networks = networks
        self._places = places

    def of(self, rows: Columns, *, listening: bool = False) -> Words:
        """rows: with the columns FACTS. listening: they are listeners."""
        netns = rows["netns"]
        local, remote = rows["laddr"], rows["raddr"]
        first = self._ports(netns, rows, listening)
        first |= netns
        first |= mapped(local if listening else remote).astype(np.uint64) << _FAMILY
        if self._network and not listening:
            first |= self._networks.of(remote, local) << _NETWORK
        return first, *self._owners(rows)

    def of_strays(self, events: np.ndarray) -> Words:
        """events: wire.EVENT of segments that belonged to no socket. As a rule nobody listens on such a port; then it
        is no service's, and a scan of all ports shall not look like as many services."""
        local, remote = halves(events, "laddr"), halves(events, "raddr")
        port = np.where(self._places.listened(events["lport"]), events["lport"], 0)
        first = events["netns"].astype(np.uint64) | port.astype(np.uint64) << _PORT
        first |= mapped(remote).astype(np.uint64) << _FAMILY
        if self._network:
            first |= self._networks.of(remote, local) << _NETWORK
        nothing = np.zeros(len(first), np.uint64)
        return first, nothing, nothing, nothing

    def of_namespaces(self, netns: np.ndarray) -> Words:
        nothing = np.zeros(len(netns), np.uint64)
        return netns.astype(np.uint64), nothing, nothing, nothing

    def of_destinations(self, records: np.ndarray) -> Words:
        """records: rows.PORTS."""
        netns, port = records["netns"].astype(np.uint64), records["rport"]
        first = netns | self._port_word(netns, port)
        if self._network:
            first |= self._networks.of(halves(records, "raddr"), halves(records, "laddr")) << _NETWORK
        nothing = np.zeros(len(first), np.uint64)
        return first, nothing, nothing, nothing

    def ownerless(self, table: np.ndarray, lines: np.ndarray) -> np.ndarray:
        """(n,) bool: whose they are is asked for, and may yet become known. A server's connection has the words of its
        listener. table: rows.ROW."""
        if not self._cgroup:
            return np.zeros(len(lines), bool)
        unseen = (table["snap"][lines] < 0) & (table["cgroup"][lines] == 0) & (table["role"][lines] != SERVER)
        ownerless: np.ndarray = unseen & (self._places.groups_of(table["pid"][lines]) == 0)
        return ownerless

    def _ports(self, netns: np.ndarray, rows: Columns, listening: bool) -> np.ndarray:
        """Port and role."""
        if listening:
            port = rows["lport"].astype(np.uint64) << _PORT
            return port | np.uint64(LISTENER_ROLE) << _ROLE
        role = rows["role"]
        port = np.where(role == SERVER, rows["lport"], rows["rport"])
        unsure = np.flatnonzero(role == UNKNOWN_ROLE)
        if len(unsure):
            far = port[unsure]
            unlikely = (far == 0) | self._places.ephemeral(netns[unsure], far)
            port[unsure] = np.where(unlikely, rows["lport"][unsure], far)
        word = self._port_word(netns, port)
        word |= role.astype(np.uint64) << _ROLE
        return word

    def _port_word(self, netns: np.ndarray, port: np.ndarray) -> np.ndarray:
        ephemeral = self._places.ephemeral(netns, port)
        word = port.astype(np.uint64)
        word <<= _PORT
        word[ephemeral] = np.uint64(1) << _EPHEMERAL
        return word

    def _owners(self, rows: Columns) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """comm, as two words, and cgroup. Of a socket that no snapshot showed the process tells the cgroup."""
        nothing = np.zeros(len(rows), np.uint64)
        second = third = fourth = nothing
        if self._comm:
            second, third = rows["comm"].T
        if self._cgroup:
            fourth = rows["cgroup"] & ~_PROCESS
            unknown = np.flatnonzero(fourth == 0)
            if len(unknown):
                process = self._places.groups_of(rows["pid"][unknown])
                fourth[unknown] = np.where(process != 0, process | _PROCESS, process)
        return second, third, fourth


def halves(records: np.ndarray, name: str) -> np.ndarray:
    """(n, 2) u8: both halves of addresses, as they lie in memory."""
    # as one piece each: else NumPy copies them byte by byte
    return np.ascontiguousarray(records[name].view("V16")[:, 0]).view(np.uint64).reshape(-1, 2)
