"""What may a stranger see of a recording? Frames in, frames out with other addresses and names, always the same ones
under the same key. Numbers stay: ports, times, sizes, process and user numbers. docs/record-replay.md says it all."""

from dataclasses import replace
from hashlib import blake2b

import numpy as np

from tcpwatch.frame import Frame, Host, Process, Snapshot
from tcpwatch.recording.prefixes import Prefixes
from tcpwatch.recording.pseudonyms import Pseudonyms
from tcpwatch.recording.substitution import Substitution

KEY_BYTES = 32


class Redactor:
    """key: anything that is hard to guess. The same key always gives the same stand-ins."""

    def __init__(self, key: bytes) -> None:
        key = blake2b(key, digest_size=KEY_BYTES, person=b"tcpwatch redact").digest()
        self._names = Pseudonyms(key)
        self._addresses = Substitution(Prefixes(key).answer)
        self._comms = Substitution(self._names.comms)
        self._host: tuple[Host, Host] | None = None

    def redact(self, frame: Frame) -> Frame:
        """A new frame; the other one stays as it is."""
        names = self._names
        return replace(
            frame,
            host=self._redacted_host(frame.host),
            events=self._records(frame.events, "laddr", "raddr", "comm"),
            snapshot=self._redacted_snapshot(frame.snapshot),
            owners=None if frame.owners is None else self._records(frame.owners, "comm"),
            processes=tuple(map(self._redacted_process, frame.processes)),
            cgroups=tuple((number, names.path(path)) for number, path in frame.cgroups),
            namespaces=tuple((number, names.name(name)) for number, name in frame.namespaces),
        )

    def _records(self, records: np.ndarray, *columns: str) -> np.ndarray:
        if not len(records):
            return records
        copied = records.view(f"V{records.dtype.itemsize}").copy().view(records.dtype)  # as it is, not field by field
        for name in columns:
            (self._comms if name == "comm" else self._addresses).replace(copied[name])
        return copied

    def _redacted_snapshot(self, snapshot: Snapshot | None) -> Snapshot | None:
        if snapshot is None:
            return None
        return replace(snapshot, sockets=self._records(snapshot.sockets, "laddr", "raddr"))

    def _redacted_process(self, process: Process) -> Process:
        names = self._names
        return replace(
            process,
            comm=names.name(process.comm),
            command=names.command(process.command),
            cgroup=names.path(process.cgroup),
        )

    def _redacted_host(self, host: Host) -> Host:
        """The same object for the same one: readers may ask whether it changed."""
        if self._host is None or self._host[0] is not host:
            names = self._names
            kept = "a filter that was redacted" if host.kept else ""
            told = replace(host, name=names.name(host.name), boot_id=names.identity(host.boot_id), kept=kept)
            self._host = host, told
        return self._host[1]
