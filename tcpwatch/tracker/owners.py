"""Who holds which socket: folds the descriptors that the kernel listed into the table."""

import numpy as np

from tcpwatch.tracker.table import Table


def fold_owners(table: Table, owners: np.ndarray) -> None:
    """owners: wire.OWNER, every open descriptor. Of several holders the youngest process counts: a server that forks
    for each connection keeps the parent's copy only for a moment."""
    owners = owners[np.lexsort((owners["start_ns"], owners["cookie"]))]
    lines = table.index.find(owners["cookie"], owners["netns"])
    held = np.flatnonzero(lines >= 0)
    newest = held[table.last_of_each(lines[held])]
    at = lines[newest]
    table.rows["pid"][at] = owners["pid"][newest]
    table.rows["comm"][at] = owners["comm"][newest]
    table.rows["owner_start_ns"][at] = owners["start_ns"][newest]


def note_releases(table: Table, releases: np.ndarray) -> None:
    """releases: wire.EVENT of kind RELEASED. Who closed a socket that a reset had ended was its process; a descriptor
    table that named another one was older."""
    lines = table.index.find(releases["cookie"], releases["netns"])
    held = np.flatnonzero((lines >= 0) & (releases["pid"] != 0))
    newest = held[table.last_of_each(lines[held])]
    table.rows["pid"][lines[newest]] = releases["pid"][newest]
    table.rows["comm"][lines[newest]] = releases["comm"][newest]
