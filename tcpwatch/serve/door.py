"""Who may come in, and how is it spoken at the door? As the web configuration file says at this moment: it and the
files it names are read again when they have changed. What cannot be read changes nothing, and is said once."""

import os
import ssl
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tcpwatch.errors import UsageError
from tcpwatch.serve import tls, webfile
from tcpwatch.serve.address import Address
from tcpwatch.serve.webfile import WebFile

_Stamp = tuple[int, int, int, int] | None


@dataclass(frozen=True, slots=True)
class Policy:
    """context: None: plain HTTP."""

    said: WebFile = field(default_factory=WebFile)
    context: ssl.SSLContext | None = None

    @property
    def allowed_names(self) -> frozenset[str] | None:
        """Of which a client's certificate needs one; None: it needs none."""
        return self.said.tls.allowed_names if self.said.tls else None

    def check(self, addresses: Sequence[Address]) -> None:
        """Raises UsageError where everybody could read everything."""
        exposed = [address.text for address in addresses if address.exposed]
        if exposed and self.context is None and not self.said.users:
            raise UsageError(
                f"at {exposed[0]} everybody who reaches this machine could read what it is connected with: "
                "there is neither TLS nor a password",
                "protect it with --web.config.file FILE, or say --web.allow-insecure where the network is trusted",
            )


class Door:
    """path: of the web configuration file; None: there is none. addresses: that must not be open to everybody; (): they
    may be. tell: given what to say when something changed. Raises UsageError for a file that is wrong to begin with;
    later ones are not."""

    def __init__(self, path: Path | None, addresses: Sequence[Address], tell: Callable[[str], None]) -> None:
        self._path, self._tell = path, tell
        self._lock = threading.Lock()
        self._files: tuple[Path, ...] = (path,) if path else ()
        self._stamps: tuple[_Stamp, ...] = ()
        self._policy = Policy()
        self._policy = self._load()
        self._policy.check(addresses)  # what closes the door cannot be taken away later

    @property
    def scheme(self) -> str:
        return "https" if self._policy.context else "http"

    def policy(self) -> Policy:
        """As of now."""
        if self._look() != self._stamps:
            with self._lock:
                if self._look() != self._stamps:
                    self._renew()
        return self._policy

    def _renew(self) -> None:
        try:
            policy = self._load()
            if (policy.context is None) != (self._policy.context is None):
                raise UsageError(f"{self._path}: TLS cannot be switched on or off without a restart")
            if self._policy.said.users and not policy.said.users:  # a file that somebody is just writing is empty
                raise UsageError(f"{self._path}: passwords cannot be switched off without a restart")
        except UsageError as error:
            self._tell(f"{error.what}; what was read before holds on")
            return
        self._policy = policy
        self._tell(f"{self._path} was read again")

    def _load(self) -> Policy:
        """Stamps are taken before files are read: what changes meanwhile is seen the next time."""
        self._stamps = self._look()
        policy = Policy()
        if self._path is not None:
            said = webfile.read(self._path)
            pems = (said.tls.certificate.path, said.tls.key.path, said.tls.client_ca.path) if said.tls else ()
            self._files = (self._path, *filter(None, pems))
            self._stamps = (self._stamps[0], *map(_stamp, self._files[1:]))
            policy = Policy(said, tls.context(said.tls) if said.tls else None)
        return policy

    def _look(self) -> tuple[_Stamp, ...]:
        return tuple(map(_stamp, self._files))


def _stamp(path: Path) -> _Stamp:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
