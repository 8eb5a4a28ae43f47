"""Who holds which socket. Folds the descriptors that the kernel listed into the table, and remembers who listens where,
for connections that were too short to be caught in a descriptor table."""

import numpy as np

from tcpwatch import wire
from tcpwatch.tracker.rows import SERVER
from tcpwatch.tracker.table import Table


class Owners:
    def __init__(self) -> None:
        self._listening: dict[tuple[int, int], tuple[int, bytes] | None] = {}

    def fold(self, table: Table, owners: np.ndarray) -> None:
        """owners: wire.OWNER, every open descriptor. Of several holders the youngest process counts: a server that
        forks for each connection keeps the parent's copy only for a moment."""
        order = np.lexsort((owners["start_ns"], owners["cookie"]))
        owners = owners[order]
        lines = table.index.find(owners["cookie"], owners["netns"])
        held = lines >= 0
        owners, lines = owners[held], lines[held]
        newest = table.last_of_each(lines)
        at = lines[newest]
        table.rows["pid"][at] = owners["pid"][newest]
        table.rows["comm"][at] = owners["comm"][newest]
        table.rows["owner_start_ns"][at] = owners["start_ns"][newest]
        self._note_listeners(table, owners, lines)

    def _note_listeners(self, table: Table, owners: np.ndarray, lines: np.ndarray) -> None:
        listening = np.flatnonzero(table.rows["state"][lines] == wire.LISTEN)
        found: dict[tuple[int, int], tuple[int, bytes] | None] = {}
        for owner, row in zip(owners[listening], table.rows[lines[listening]], strict=True):
            place = (int(row["netns"]), int(row["lport"]))
            holder = (int(owner["pid"]), bytes(owner["comm"]))
            found[place] = holder if found.get(place, holder) == holder else None  # shared: nobody can say
        self._listening = found

    def fill_in(self, lives: np.ndarray) -> None:
        """Give accepted connections without a known process the one process that listens on their port."""
        if not self._listening:
            return
        orphans = np.flatnonzero((lives["pid"] == 0) & (lives["role"] == SERVER))
        places = (lives["netns"][orphans].astype(np.uint64) << np.uint64(16)) | lives["lport"][orphans]
        for place in np.unique(places).tolist():
            holder = self._listening.get((place >> 16, place & 0xFFFF))
            if holder is not None:
                at = orphans[places == np.uint64(place)]
                lives["pid"][at], lives["comm"][at] = holder
