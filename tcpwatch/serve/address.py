"""Where does the server listen? Reads `--web.listen-address` as Prometheus' exporters do, and opens the sockets."""

import errno
import ipaddress
import re
import socket
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from tcpwatch.errors import NotPermitted, TcpwatchError, UsageError

DEFAULT = "127.0.0.1:9465"
_BACKLOG = 128
_FORM = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+(?:%[\w.-]+)?)\]|(?P<host>[\w.-]*)):(?P<port>[0-9]{1,5})", re.ASCII)
_UNPRIVILEGED = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
_ALL = ("", "::")

Place = tuple[str, int] | tuple[str, int, int, int]  # as the socket module has addresses


@dataclass(frozen=True, slots=True)
class Address:
    """text: as it was given. family, place: as the socket module has them. dual: IPv4, too."""

    text: str
    family: socket.AddressFamily
    place: Place
    dual: bool

    @property
    def exposed(self) -> bool:
        """Whether others than this machine's own processes reach it."""
        host = ipaddress.ip_address(self.place[0].partition("%")[0])
        mapped = host.ipv4_mapped if isinstance(host, ipaddress.IPv6Address) else None
        return not (mapped or host).is_loopback


def resolve(text: str) -> Address:
    """`127.0.0.1:9465`, `[::1]:9465`, `localhost:9465`; `:9465` is every address. Raises UsageError."""
    match = _FORM.fullmatch(text)
    if match is None or int(match["port"]) > 65535:
        raise UsageError(
            f"--web.listen-address {text!r} is no address with a port",
            f"write it like {DEFAULT}, [::1]:9465, or :9465 for every address of this machine",
        )
    host, port = match["six"] or match["host"], int(match["port"])
    if host in _ALL:
        if socket.has_dualstack_ipv6():
            return Address(text, socket.AF_INET6, ("::", port, 0, 0), dual=True)
        return Address(text, socket.AF_INET, ("0.0.0.0", port), dual=False)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no name"
        raise UsageError(f"--web.listen-address {text!r}: {host!r} is unknown here: {why}", "use an address") from error
    # A name may have several: the first of IPv4, as Go's servers do
    family, _, _, _, place = min(found, key=lambda one: one[0] != socket.AF_INET)
    return Address(text, family, place, dual=False)  # type: ignore[arg-type] # bytes only without IPv6 in the build


def listen(addresses: Sequence[Address]) -> list[socket.socket]:
    """One listening socket for each. Raises TcpwatchError, and then none is left open."""
    with ExitStack() as opened:
        sockets = [opened.enter_context(_listen(address)) for address in addresses]
        opened.pop_all()
    return sockets


def url(listening: socket.socket, scheme: str, path: str) -> str:
    host, port = listening.getsockname()[:2]
    return f"{scheme}://[{host}]:{port}{path}" if ":" in host else f"{scheme}://{host}:{port}{path}"


def _listen(address: Address) -> socket.socket:
    try:
        one = socket.socket(address.family, socket.SOCK_STREAM)
    except OSError as error:
        raise _explained(address, error) from error
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if address.family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(not address.dual))
        one.bind(address.place)
        one.listen(_BACKLOG)
        one.setblocking(False)
    except OSError as error:
        one.close()
        raise _explained(address, error) from error
    return one


def _explained(address: Address, error: OSError) -> TcpwatchError:
    cannot, port = f"cannot listen on {address.text}", address.place[1]
    if error.errno == errno.EADDRINUSE:
        return TcpwatchError(
            f"{cannot}: port {port} is in use",
            f"`ss -ltnp sport = :{port}` says by whom; --web.listen-address 127.0.0.1:PORT takes another",
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return UsageError(f"{cannot}: this machine has no such address", "`ip address` lists those it has")
    if error.errno in (errno.EACCES, errno.EPERM):
        first = "1024"
        with suppress(OSError):
            first = _UNPRIVILEGED.read_text().strip()
        return NotPermitted(
            f"{cannot}: ports below {first} need CAP_NET_BIND_SERVICE", "run as root, or take a higher port"
        )
    if error.errno == errno.EAFNOSUPPORT:
        return UsageError(f"{cannot}: this machine has no IPv6", f"use an IPv4 address, such as {DEFAULT}")
    return TcpwatchError(f"{cannot}: {error.strerror}")
